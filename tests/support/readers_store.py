"""Readers of what a branch keeps: slots, sealed states, keys, blocks, journal, and the files beside them."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.founding import HEADQUARTERS, LOG_KEY
from tests.support.reader import Reader, file, folder, text
from tests.support.readers_custody import ADDRESS, PUBLIC, keypair, made
from tests.support.readers_proof import vector
from unheld_branch.custody import addresses
from unheld_branch.custody.attested import Attested
from unheld_branch.keys.columns import DayKeys
from unheld_branch.keys.parties import commitments, root, rows, tree
from unheld_branch.store import (
    blocks,
    files,
    journal,
    layout,
    openday,
    parked,
    parkkeys,
    pending,
    policy,
    postgresql,
    refusals,
    seeds,
    sets,
    targets,
)
from unheld_branch.store.blocks import Place
from unheld_branch.workflows import sinks
from unheld_slots import places
from unheld_slots.contract import Live
from unheld_slots.pkcs11 import pin, uri
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, columns, crypto, custody, note
from unheld_verify.columns import Column

_ID, _SECRET = bytes(range(16)), b"\x07" * 32


class _FixedSlot(FileSlot):
    """A slot that holds one generation for ever."""

    def live(self) -> list[Live]:
        return [Live(7, _SECRET, bytes(64))]


def _slot(data: bytes) -> list[Live]:
    return FileSlot.open(file("root.slot", data)).live()


def _slots() -> list[bytes]:
    halves = vector("slot")["halves"]
    zero, one = (bytes.fromhex(halves[number]).ljust(4096, b"\0") for number in "01")
    return [zero + one, zero + bytes(4096), bytes(8192)]


def _sealed(name: str, state: bytes) -> SealedState:
    """Under the slot of this module, a state that somebody who has its secret wrote."""
    head = b"UNHSEAL1" + _ID + (7).to_bytes(8, "big")
    file(f"states/{name}-7.sealed", head + crypto.seal(_SECRET, state, head + name.encode()))
    return SealedState(folder() / "states", name, _FixedSlot(folder() / "no.slot", _ID))


def _sealed_file(data: bytes) -> bytes:
    _sealed("odd", b"")
    file("states/odd-7.sealed", data)
    return SealedState(folder() / "states", "odd", _FixedSlot(folder() / "no.slot", _ID)).load()


def _sealed_files() -> list[bytes]:
    _sealed("odd", b"state")
    return [(folder() / "states/odd-7.sealed").read_bytes()]


def _day_keys() -> DayKeys:
    keys = {("charge", 20_639): (b"a" * 32, b"b" * 32), ("place", 20_640): (b"c" * 32, b"d" * 32)}
    return DayKeys(1, 20_640, keys)


def _pin(data: bytes) -> str:
    path = file("pin", data)
    path.chmod(0o600)
    return pin._from_file(path, "serial").text


def _journal(data: bytes) -> Any:
    """The journal of the vectors with one more entry, as whoever writes the database could add it."""
    genesis = policy.from_document(canonical.decode(vector("journal")["genesis"].encode()))
    chained, head = [], journal.first_head(genesis)
    for generation, entry in enumerate([*(one.encode() for one in vector("journal")["entries"][:8]), data], 1):
        head = journal.next_head(head, entry)
        chained.append((generation, entry, head))
    return journal.fold(genesis, chained)


def _blocks(of_facts: bool) -> list[bytes]:
    return [
        bytes.fromhex(made["plaintext"])
        for made in vector("block")["blocks"]
        if (made["class"] == "identity") is of_facts
    ]


def _columns(data: bytes) -> Any:
    """A block's rows as columns."""
    return blocks.columns_of([blocks.read_rows(data)])


def _rows_again(data: bytes) -> bytes:
    found = blocks.read_rows(data)
    body = b"\1" + found.layout.head + found.count.to_bytes(4, "big") + found.constants + found.rows
    return body.ljust(blocks.padme(len(body)), b"\0")


_PLACE = Place(bytes(16), 1, Column("charge", 20_639, 20_640), b"\x0b" * 16)


def _column_file(data: bytes) -> Any:
    """A file of blocks that the journal names by its digest, whatever it holds."""
    path = files.path_of(_PLACE)
    file(f"blocks-store/{path}", data)
    named = files.ColumnFile(path, _PLACE.column, 256, len(data), crypto.sha256(data).hex())
    return files.read(folder() / "blocks-store", named)


def _column_files() -> list[bytes]:
    ids = np.frombuffer(b"".join(at.to_bytes(16, "big") for at in range(256)), "V16")
    sealed = blocks.SealedBlocks(ids, [b"block"] * 256, np.zeros(256, "V8"))
    named = files.write(folder() / "made-store", _PLACE, sealed, None)
    return [(folder() / "made-store" / named.path).read_bytes()]


def parquet_bytes(table: pa.Table, **options: Any) -> bytes:
    """A table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _handles(data: bytes) -> Any:
    path = files.path_of(_PLACE)
    sealed = crypto.seal(b"k" * 32, data, _PLACE.handles_aad)
    file(f"blocks-store/{Path(path).with_suffix('.handles')}", sealed)
    named = files.ColumnFile(path, _PLACE.column, 4, 0, "")
    return files.read_handles(folder() / "blocks-store", _PLACE, named, b"k" * 32).tobytes()


def _parked(data: bytes) -> bytes:
    shares = {int(number): bytes.fromhex(share) for number, share in vector("parked")["shares"].items()}
    given = {index: {number: shares[number] for number in columns.held(3, 2, index)} for index in range(3)}
    return b"".join(parked.open_parked(file("one.parked", data), given))


def _policy(data: bytes) -> Any:
    return policy.from_document(canonical.decode(data))


def _in_folder(name: str, data: bytes) -> Path:
    """A folder with this one file."""
    path = file(f"only/{name}", data)
    for other in sorted((folder() / "only").rglob("*")):
        if other.is_file() and other != path:
            other.unlink()
    return folder() / "only"


@cache
def _founded_policy() -> policy.Policy:
    draft = made().found.draft
    return policy.Policy(
        draft.store, "example.org/log", 1, 1, 3, 2, draft.lifetimes, draft.late_days, "none", "MM", (), (), LOG_KEY,
        crypto.sign_public(HEADQUARTERS).hex(),
    )  # fmt: skip


def _plans(data: bytes) -> Any:
    name = f"pending/{vector('plan')['plans'][0]['digest']}.plan"
    return pending.plans(_in_folder(name, data), 0, columns.LIFETIME_DEFAULTS)


def _tombstones(data: bytes) -> Any:
    applied = [vector("plan")["plans"][0]["digest"]]
    place = _in_folder(f"pending/{applied[0]}.tombstones", data)
    return pending.buried(place, applied, 0, columns.LIFETIME_DEFAULTS)


def _tombstone() -> bytes:
    listed = {"plan": note.base64_text(vector("plan")["plans"][0]["file"].encode()), "hashes": ["00" * 16]}
    return canonical.encode(listed)


def _park_keys(data: bytes) -> Any:
    found = made().found
    own = replace(
        found, draft=replace(found.draft, store=ADDRESS.store, set=ADDRESS.set), signs=(*found.signs[:2], PUBLIC)
    )
    return parkkeys.find(_in_folder("parking-keys.json", data), own, "outage", 3)


def _park_key() -> bytes:
    both = {}
    for index in (1, 2):
        address = custody.Address(ADDRESS.store, ADDRESS.set, index)
        seed = made().seeds[1] if index == 1 else b"\x10" * 32
        both[index] = custody.parking(address, {("outage", 3): keypair()[1]}, 1, seed)
    place = folder() / "parking"
    place.mkdir(exist_ok=True)
    parkkeys.keep(place, both)
    return (place / "parking-keys.json").read_bytes()


def _attested(data: bytes) -> Any:
    return Attested(_in_folder("attestations/1-2-closed.json", data), [made().found]).all()


def _attestation() -> bytes:
    statement = canonical.encode({
        "v": 1, "kind": "closed", "store": bytes(16).hex(), "set": 1, "custodian": 2, "day": "2026-07-06",
        "columns": [["charge", "2026-07-06"]], "generation": 7, "slot": "file",
    })  # fmt: skip
    signature = crypto.sign(made().seeds[2], columns.ATTEST_LABEL + statement)
    return canonical.encode(custody.attestation_body(columns.Attestation(statement, signature)))


def _seen(data: bytes) -> Any:
    return dict(Attested(_in_folder("attestations/seen.json", data), []).seen(1))


def _refused(data: bytes) -> Any:
    return refusals.listed(_in_folder("refused-plans.json", data), 20_640)


def _refusal() -> bytes:
    place = folder() / "refusing"
    place.mkdir(exist_ok=True)
    refusals.note(place, refusals.Refusal("2026-07-06", "ab", "party", "why"))
    return (place / "refused-plans.json").read_bytes()


def _sets(data: bytes) -> Any:
    found = sets.read(_in_folder("sets/1.json", data), _founded_policy())
    return [one.draft.document() for one in found]


def _database(data: bytes) -> Any:
    return postgresql.Settings.read(file("database.toml", data).parent)


def _closing(data: bytes) -> Any:
    return pending.closing(_in_folder("pending/close", data), 20_640)


def _node() -> list[bytes]:
    return [bytes.fromhex(made["plaintext"]) for made in vector("tree")["nodes"]]


def _root(data: bytes) -> root.RootNode:
    sealed = crypto.seal(_SECRET, data, root._aad(bytes(16), 7))
    return root.unseal(sealed, _SECRET, bytes(16), 7)


def _open_day(state: bytes) -> Any:
    sealed = _sealed("open", state)
    slot = openday.OpenDaySlot(folder() / "states", "file:/no")
    slot.__dict__["_sealed"] = sealed
    return slot.read()


def _open_day_again(day: openday.OpenDay | None) -> bytes:
    return b"UNHOPEN0" if day is None else b"UNHOPEN1" + day.directory_key + day.keys.to_bytes()


READERS = (
    Reader("slot", _slot, _slots, ("unheld_slots.slot.FileSlot.open", "unheld_slots.slot.open_slot"), slow=True),
    Reader("sealed-state", _sealed_file, _sealed_files, ("unheld_slots.sealed.SealedState.load",), slow=True),
    Reader(
        "slots-toml",
        lambda data: places.slot_uri(_in_folder("slots.toml", data), "root"),
        lambda: [b"root = 'file:/media/key/root.slot'\n", b""],
        ("unheld_slots.places.slot_uri", "unheld_slots.places.read_toml"),
        slow=True,
    ),
    Reader(
        "pkcs11-uri",
        lambda data: uri.parse(text(data)),
        lambda: [b"pkcs11:token=T;object=root?module-path=/usr/lib/m.so&pin-source=file:/etc/pin"],
        ("unheld_slots.pkcs11.uri.parse",),
    ),
    Reader("pin", _pin, lambda: [b"1234\n"], ("unheld_slots.pkcs11.pin.pin_for",), slow=True),
    Reader(
        "day-keys",
        DayKeys.from_bytes,
        lambda: [_day_keys().to_bytes(), DayKeys(1, 20_640, {}).to_bytes()],
        ("unheld_branch.keys.columns.DayKeys.from_bytes",),
        lambda keys: keys.to_bytes(),
    ),
    Reader(
        "open-day",
        _open_day,
        lambda: [b"UNHOPEN0", b"UNHOPEN1" + bytes(32) + _day_keys().to_bytes()],
        ("unheld_branch.store.openday.OpenDaySlot.read",),
        _open_day_again,
        slow=True,
    ),
    Reader(
        "leaf",
        rows.decode_leaf,
        lambda: _node()[:1],
        ("unheld_branch.keys.parties.rows.decode_leaf",),
        rows.encode_leaf,
    ),
    Reader(
        "inner",
        tree.decode_inner,
        lambda: _node()[1:],
        ("unheld_branch.keys.parties.tree.decode_inner", "unheld_branch.keys.parties.tree.children"),
        tree.encode_inner,
    ),
    Reader(
        "root",
        _root,
        lambda: [canonical.encode(vector("tree")["root"]["plain"])],
        ("unheld_branch.keys.parties.root.unseal",),
        lambda value: canonical.encode(root._to_json(value)),
    ),
    Reader(
        "row-leaves",
        commitments.decode,
        lambda: [b"".join(bytes.fromhex(leaf) for leaf in vector("tree")["commitments"]["leaves"])],
        ("unheld_branch.keys.parties.commitments.decode",),
        commitments.encode,
    ),
    Reader(
        "layout-head",
        layout.decode_head,
        lambda: [blocks.read_rows(data).layout.head for data in _blocks(False)],
        ("unheld_branch.store.layout.decode_head",),
        lambda found: found.head,
    ),
    Reader("block-rows", _rows_again, lambda: _blocks(False), ("unheld_branch.store.blocks.read_rows",), bytes),
    Reader("block-columns", _columns, lambda: _blocks(False), ("unheld_branch.store.layout.decode",)),
    Reader(
        "block-alike",
        lambda data: blocks.read_alike([data]),
        lambda: _blocks(False),
        ("unheld_branch.store.blocks.read_alike",),
    ),
    Reader(
        "block-facts",
        blocks.read_facts,
        lambda: _blocks(True),
        ("unheld_branch.store.blocks.read_facts",),
        blocks.facts_plaintext,
    ),
    Reader(
        "column-file",
        _column_file,
        _column_files,
        ("unheld_branch.store.files.read", "unheld_branch.store.files.read_checked"),
        slow=True,
    ),
    Reader("handles", _handles, lambda: [bytes(32)], ("unheld_branch.store.files.read_handles",), bytes, slow=True),
    Reader(
        "parked",
        _parked,
        lambda: [bytes.fromhex(vector("parked")["file"])],
        ("unheld_branch.store.parked.open_parked", "unheld_branch.store.parked.read_header"),
        slow=True,
    ),
    Reader(
        "genesis",
        _policy,
        lambda: [vector("journal")["genesis"].encode()],
        ("unheld_branch.store.policy.from_document",),
        lambda made: canonical.encode(made.document()),
    ),
    Reader(
        "journal",
        _journal,
        lambda: [vector("journal")["entries"][at].encode() for at in (8, 9, 10)],
        ("unheld_branch.store.journal.fold", "unheld_branch.store.files.from_entry"),
    ),
    Reader(
        "targets",
        lambda data: (targets.decode_targets(data), len(data) // 36),
        lambda: [
            targets.Targets({}).encode(),
            targets.Targets({5: (np.ones((3, 16), np.uint8), np.ones((3, 16), np.uint8))}).encode(),
        ],
        ("unheld_branch.store.targets.decode_targets", "unheld_branch.store.targets.opened"),
        lambda found: found[0].encode(found[1]),
    ),
    Reader(
        "pending-plan",
        _plans,
        lambda: [vector("plan")["plans"][0]["file"].encode()],
        ("unheld_branch.store.pending.plans",),
        slow=True,
    ),
    Reader(
        "pending-tombstones", _tombstones, lambda: [_tombstone()], ("unheld_branch.store.pending.buried",), slow=True
    ),
    Reader("pending-close", _closing, lambda: [b"2026-07-06"], ("unheld_branch.store.pending.closing",), slow=True),
    Reader("parking-file", _park_keys, lambda: [_park_key()], ("unheld_branch.store.parkkeys.find",), slow=True),
    Reader(
        "attestation-file",
        _attested,
        lambda: [_attestation()],
        ("unheld_branch.custody.attested.Attested.all",),
        slow=True,
    ),
    Reader(
        "seen", _seen, lambda: [b'{"1":{"0":[5,"ab"]}}'], ("unheld_branch.custody.attested.Attested.seen",), slow=True
    ),
    Reader("refused-plans", _refused, lambda: [_refusal()], ("unheld_branch.store.refusals.listed",), slow=True),
    Reader(
        "sets",
        _sets,
        lambda: [made().founded(made().transcript()).encode()],
        ("unheld_branch.store.sets.read",),
        slow=True,
    ),
    Reader(
        "seed",
        lambda data: seeds.read(file("seed", data), "put it back"),
        lambda: [b"00" * 32],
        ("unheld_branch.store.seeds.read",),
        slow=True,
    ),
    Reader(
        "custodians-toml",
        lambda data: addresses.read(file("custodians.toml", data)),
        lambda: [b'[set-1]\n"One" = "https://one.example/v1"\n'],
        ("unheld_branch.custody.addresses.read",),
        slow=True,
    ),
    Reader(
        "database-toml",
        _database,
        lambda: [b'url = \'postgresql:///unheld?host=/run\'\nschema = "one"\nstandby = "none"\n'],
        ("unheld_branch.store.postgresql.Settings.read",),
        slow=True,
    ),
    Reader(
        "sinks-toml",
        lambda data: sinks.read(_in_folder("unheld.toml", data)),
        lambda: [b'[sinks]\ntotals = "totals"\n'],
        ("unheld_branch.workflows.sinks.read",),
        slow=True,
    ),
)
