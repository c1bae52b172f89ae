"""Readers at headquarters, and on a subscriber's machine: register, rules, hand-over, own access."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tests.support.demands import filed, held
from tests.support.reader import Reader, file, folder, text
from tests.support.readers_custody import keypair, made
from tests.support.readers_proof import vector
from tests.support.readers_store import parquet_bytes
from unheld import inventory, ledger
from unheld.access import card, messages
from unheld.access.folder import Folder, Wish
from unheld.access.messages import Bucket, Filled, HeldFile, Slip
from unheld.assembly import Deployment
from unheld.cli import numbers
from unheld.custody import ceremony
from unheld.demands import boxes, model, register, rules
from unheld.exit import buyer, certificate, objection, spec, tables
from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, crypto, note, receipt, signed, statement
from unheld_verify.columns import Column

_SEED = b"\x21" * 32
_STORE = bytes(16)
_COLUMN = Column("charge", 20_639, 20_640)


@cache
def _asked() -> signed.Signed:
    return signed.decode(vector("grant")["grant"].encode())


def _requester(data: bytes) -> Any:
    document = canonical.decode(data)
    if not isinstance(document, dict) or document.get("kind") != "access-request":
        return signed.decode(data, "access-request")
    said = signed.sign(document, _SEED)
    return messages.requester(said, 100)


def _request() -> bytes:
    return canonical.encode(messages.request(_SEED, 100, keypair()[1]).document)


def _slip(data: bytes) -> Any:
    body = canonical.decode(data)
    found = messages.slip_of(body)
    found.rosters()
    return found


def _slips() -> list[bytes]:
    founded = made().founded(made().transcript())
    held_file = HeldFile(_COLUMN, 1, b"b" * 16, 256)
    whole = Slip(_STORE, b"s" * 16, b"p" * 32, 1, 0, 20_640, (founded,), (held_file,), (("place", 20_600),))
    return [canonical.encode(whole.body())]


def _open_slip(data: bytes) -> Any:
    """The inside of a slip that a branch sealed."""
    asked = messages.request(_SEED, 100, keypair()[1])
    sealed = crypto.box_seal(keypair()[1], data, messages._SLIP_INFO + asked.digest)
    head = {"v": 1, "kind": "access-slip", "request": asked.digest.hex(), "sealed": note.base64_text(sealed)}
    return messages.open_slip(canonical.encode(head), asked, keypair()[0])


def _answers_again(found: Any) -> bytes:
    return messages.answers(_asked(), *found)


_BUCKET = Bucket(_COLUMN, b"b" * 16, 8, b"\xaa" + bytes(7))


def _wish(data: bytes) -> Wish:
    return Folder(file("own/wish.json", data).parent).wish()


def _kept(data: bytes) -> Any:
    return ledger.Ledger(file("ledger/00000001.json", data).parent).kept()


def _opening() -> bytes:
    said = statement.make("log.example/unheld", "open", "2026-07-06", sealing_day="2026-07-06", set=0)
    return canonical.encode({"v": 1, "due": 3, **statement.Opening(said, bytes(32)).to_json()})


@cache
def _writer() -> LogWriter:
    place = folder() / "public-log"
    LogWriter.create(place, _SEED, "log.example/unheld")
    return LogWriter(place, _SEED, "log.example/unheld")


def _places(data: bytes) -> Any:
    return ledger.Ledger(file("plan/places.json", data).parent)._places(_writer())


def _demand(data: bytes) -> Any:
    """The first act of a demand."""
    place = file(f"demands/{bytes(16).hex()}/0001.json", data).parent
    return register._load(place)


def _act() -> bytes:
    tree = {"root": "00" * 32, "leaves": 16}
    said = statement.make(
        "log.example/unheld", "demand-received", "2026-07-10", demand=bytes(16).hex(), authority="District Court",
        asks=["location"], targets=1, **tree,
    )  # fmt: skip
    opening = statement.Opening(said, bytes(32)).to_json()
    fields = {"filed": filed().to_json(), "document": "", "said": opening}
    return canonical.encode({"v": 1, "act": "received", "at": 5, "by": "", "prev": "", **fields})


def _second_act(data: bytes) -> Any:
    """The act after the first."""
    first = file(f"acts/{bytes(16).hex()}/0001.json", _act())
    (first.parent / "0002.json").write_bytes(data)
    return register._load(first.parent)


def _acts() -> list[bytes]:
    head = {"v": 1, "at": 6, "by": "A", "prev": crypto.sha256(_act()).hex()}
    finding = model.Finding("generic", "r", "NO-ORDER", "refuse", "why")
    checked = {
        "findings": [finding.to_json()],
        "packs": {},
        "held": held().to_json(),
        "on": "2026-07-09",
        "on_is": "order",
    }
    return [canonical.encode({**head, "act": "checked", **checked})]


def _boxed(data: bytes) -> Any:
    """The inside of a demand's box, sealed by whoever filed it."""
    body = len(data).to_bytes(4) + data
    info = boxes._NAMED_INFO + bytes(32)
    path = file("boxed/named.box", crypto.box_seal(keypair()[1], body.ljust(4096, b"\0"), info))
    return boxes.read_named(path.parent, keypair()[0], bytes(32))


def _named() -> bytes:
    tree = receipt.party_tree(["tel:+99911111111"], "0a" * 16, says="named")
    return canonical.encode({"v": 1, "parties": [party.to_json() for party in tree.parties], "note": "words"})


def _named_again(found: boxes.Named) -> bytes:
    return canonical.encode({"v": 1, "parties": [one.to_json() for one in found.parties], "note": found.note})


def _ceremony(data: bytes) -> Any:
    public = crypto.sign_public(b"\x01" * 32)
    return ceremony.Ceremony(file("ceremony/draft.json", data).parent, public).draft


def _table(data: bytes, format_: str) -> Any:
    """A table of a hand-over."""
    path = file(f"handover.{format_}", data)
    words = _SPEC.replace("bindings.csv", path.name).replace("csv-here", format_)
    return tables.read(spec.read(file("handover.toml", words.encode()), "MM"))


_SPEC = """buyer = "A buyer"
[numbers]
plmn = ["99901"]
[tables.bindings]
file = "bindings.csv"
format = "csv-here"
[tables.bindings.columns]
msisdn = "msisdn"
imsi = "imsi"
"""
_BINDINGS = b"msisdn,imsi,name\n+959420000001,999010000000001,Aye\n"


def _bindings() -> bytes:
    import pyarrow as pa

    return parquet_bytes(pa.table({"msisdn": ["+959420000001"], "imsi": ["999010000000001"], "name": ["Aye"]}))


def _buyer() -> bytes:
    return (
        b'buyer = "B"\n[[fact]]\nabout = "B"\nsays = "x"\nsource = "y"\ndate = 2020-01-01\n'
        b'[[share]]\nowner = "O"\npercent = 49.5\nfrom = 2020-01-01\nsource = "y"\ndate = 2020-01-01\n'
    )


def _packs() -> list[bytes]:
    shipped = Path(rules.__file__).parent / "packs"
    return [(shipped / name).read_bytes() for name in ("generic.toml", "myanmar.toml")]


def _note() -> bytes:
    key = objection.GroupKey("w-0a0b0c0d", _SEED)
    return objection.sign(key, "log.example/unheld", "0a" * 16, "2026-07-06", "words")


def _verified(data: bytes) -> Any:
    key = objection.GroupKey("w-0a0b0c0d", _SEED).public
    return objection.verify(data, [key])


def _escrow(data: bytes) -> bytes:
    path = file("escrowed.register/escrow.pub", data)
    return Deployment(path.parent.parent / "escrowed").escrow_public()


READERS = (
    Reader("access-request", _requester, lambda: [_request()], ("unheld.access.messages.requester",), slow=True),
    Reader(
        "access-slip-body",
        _slip,
        _slips,
        ("unheld.access.messages.slip_of",),
        lambda one: canonical.encode(one.body()),
        slow=True,
    ),
    Reader(
        "access-slip",
        _open_slip,
        _slips,
        ("unheld.access.messages.open_slip",),
        lambda one: canonical.encode(one.body()),
        slow=True,
    ),
    Reader(
        "access-answers",
        lambda data: messages.answers_of(data, _asked()),
        lambda: [messages.answers(_asked(), {(1, 0): b"sealed"}, {(1, 2): "away"})],
        ("unheld.access.messages.answers_of",),
        _answers_again,
    ),
    Reader(
        "access-wanted",
        lambda data: messages.wanted_of(data, _STORE),
        lambda: [messages.wanted(_STORE, (_BUCKET,))],
        ("unheld.access.messages.wanted_of",),
        lambda found: messages.wanted(_STORE, found),
    ),
    Reader(
        "access-blocks",
        lambda data: messages.blocks_of(data, _STORE),
        lambda: [messages.blocks(_STORE, (Filled(_BUCKET, (b"\xaa" * 16,), (b"block",)),))],
        ("unheld.access.messages.blocks_of",),
        lambda found: messages.blocks(_STORE, found),
    ),
    Reader(
        "wish",
        _wish,
        lambda: [Wish(("charge",), 1, 5).encode()],
        ("unheld.access.folder.Folder.wish",),
        lambda wish: wish.encode(),
        slow=True,
    ),
    Reader(
        "card",
        lambda data: card.read(text(data)),
        lambda: ["\n".join(card.Card(bytes(32)).lines()).encode(), card.Card(bytes(32)).text().encode()],
        ("unheld.access.card.read",),
    ),
    Reader("ledger", _kept, lambda: [_opening()], ("unheld.ledger.Ledger.kept",), slow=True),
    Reader(
        "ledger-places",
        _places,
        lambda: [canonical.encode({"v": 1, "entries": [["00" * 32, 5]]})],
        ("unheld.ledger.Ledger.outbox",),
        slow=True,
    ),
    Reader(
        "demand",
        _demand,
        lambda: [_act()],
        ("unheld.demands.register.opened", "unheld.demands.model.begin", "unheld.demands.model.read_filed"),
        slow=True,
    ),
    Reader(
        "demand-act",
        _second_act,
        _acts,
        ("unheld.demands.model.apply", "unheld.demands.model.read_finding", "unheld.demands.model.read_held"),
        slow=True,
    ),
    Reader(
        "demand-box",
        _boxed,
        lambda: [_named()],
        ("unheld.demands.boxes.read_named", "unheld.demands.boxes.read_document"),
        _named_again,
        slow=True,
    ),
    Reader(
        "rules",
        lambda data: rules.parse(data, "rules.toml"),
        _packs,
        ("unheld.demands.rules.parse", "unheld.demands.rules.load"),
        slow=True,
    ),
    Reader(
        "inventory",
        lambda data: inventory.Inventory(file("inventory/inventory.json", data).parent).places,
        lambda: [
            b'{"v":1,"places":[{"name":"a","owner":"b","holds":"c","retention":"d","covered":false,"checked":""}]}'
        ],
        ("unheld.inventory.Inventory",),
        slow=True,
    ),
    Reader("ceremony", _ceremony, lambda: [made().draft.encode()], ("unheld.custody.ceremony.Ceremony",), slow=True),
    Reader(
        "group-key",
        lambda data: objection.decode_key(text(data)),
        lambda: [objection.GroupKey("w-0a0b0c0d", _SEED).encode().encode()],
        ("unheld.exit.objection.decode_key",),
    ),
    Reader(
        "group",
        lambda data: objection.parse_group(text(data)),
        lambda: [note.format_key(objection.GroupKey("w-0a0b0c0d", _SEED).public).encode()],
        ("unheld.exit.objection.parse_group",),
    ),
    Reader(
        "objection", _verified, lambda: [_note()], ("unheld.exit.objection.verify", "unheld.exit.objection.parse_text")
    ),
    Reader(
        "handover",
        lambda data: spec.read(file("handover.toml", data), "MM"),
        lambda: [_SPEC.replace("csv-here", "csv").encode()],
        ("unheld.exit.spec.read", "unheld.exit.spec.toml"),
        slow=True,
    ),
    Reader(
        "handover-csv", lambda data: _table(data, "csv"), lambda: [_BINDINGS], ("unheld.exit.tables.read",), slow=True
    ),
    Reader(
        "handover-parquet",
        lambda data: _table(data, "parquet"),
        lambda: [_bindings()],
        ("unheld.exit.tables.read",),
        slow=True,
    ),
    Reader(
        "buyer",
        lambda data: buyer.body(file("buyer.toml", data), "2026-07-10"),
        lambda: [_buyer()],
        ("unheld.exit.buyer.body",),
        slow=True,
    ),
    Reader(
        "certificate-form",
        lambda data: certificate.form(file("form.toml", data)),
        lambda: [certificate.blank().encode()],
        ("unheld.exit.certificate.form",),
        slow=True,
    ),
    Reader(
        "numbers",
        lambda data: numbers.read_file(str(file("numbers", data)), "MM"),
        lambda: [b"+959420000001\nimsi:999010000000001\n"],
        ("unheld.cli.numbers.read_file", "unheld.cli.numbers.read_text"),
        slow=True,
    ),
    Reader(
        "escrow-public",
        _escrow,
        lambda: [bytes(crypto.PARK_PUBLIC_BYTES)],
        ("unheld.assembly.Deployment.escrow_public",),
        bytes,
        slow=True,
    ),
)
