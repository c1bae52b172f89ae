"""Readers of what a store and its copies say to each other and keep of each other, and of upgrades."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from tests.support.founding import HEADQUARTERS
from tests.support.reader import Reader, file, folder
from tests.support.readers_custody import keypair
from tests.support.readers_proof import vector
from tests.support.readers_store import _founded_policy
from unheld_branch.copies import letters, remote
from unheld_branch.copies.keeper import Keeper
from unheld_branch.store import following, mark, policy, releases, replica
from unheld_branch.store.replica import Marker
from unheld_verify import canonical, crypto, formats, note, signed, upgrade
from unheld_verify.errors import BadInputError


@cache
def _keeper() -> Keeper:
    slots = folder() / "keeper.slots"
    slots.mkdir()
    (slots / "copy.seed").write_text("22" * 32)
    return Keeper(folder() / "keeper", slots, lambda: 20_640 * 86_400)


def _kept(data: bytes) -> bytes:
    """What a copy answers on its open line: it never raises for what came."""
    return _keeper().handle(data)


def _lettered(data: bytes) -> bytes:
    """What a copy that nobody made yet answers to whoever sealed a letter to its door, with this as what it says."""
    found = letters.door_key(signed.decode(_keeper().handle(letters.knock())), _keeper().key)
    line = letters.Line(_keeper().key, found)
    document = {
        "v": 1, "kind": "copy-ask", "act": "make", "copy": line.copy.hex(), "door": line.digest.hex(), "number": 0,
        "reply": note.base64_text(keypair()[1]), "body": canonical.decode(data), "blob": crypto.sha256(b"").hex(),
    }  # fmt: skip
    said = letters._framed(signed.sign(document, b"\x22" * 32), b"")
    sealed = crypto.box_seal(line.door, said, letters._letter_info(line))
    return _keeper().handle(letters.MAGIC + line.digest + sealed)


def _marked(data: bytes) -> Marker | None:
    return replica.marker_of(file("copied/copy.json", data).parent)


def _marker_again(marker: Marker | None) -> bytes:
    return marker.encode() if marker else b""


@cache
def _policy() -> policy.Policy:
    return replace(_founded_policy(), copies=("one",))


def _release(data: bytes) -> int:
    """Headquarters' decision on a copy, signed by it whatever it says."""
    document = canonical.decode(data)
    if not isinstance(document, dict) or document.get("kind") != releases.KIND:
        raise BadInputError("not a document of that kind")
    return releases.number_of(signed.decode(signed.sign(document, HEADQUARTERS).encode(), releases.KIND), _policy())


def _released() -> bytes:
    said = {"v": 1, "kind": releases.KIND, "store": _policy().store_id.hex(), "copy": 1, "made": "2026-07-06"}
    return canonical.encode(said)


def _upgrade() -> bytes:
    parts = (upgrade.Part(upgrade.PARTS[0], 1, formats.FORMATS[upgrade.PARTS[0]].newest),)
    return upgrade.UpgradePlan(bytes(16), "2026-07-06", "1.0", parts).signed(HEADQUARTERS).encode()


def _mark() -> bytes:
    place = folder() / "marked-good"
    place.mkdir(exist_ok=True)
    mark.write(place, "store", formats.FORMATS["store"].newest)
    return (place / mark.FILE).read_bytes()


READERS = (
    Reader(
        "upgrade", upgrade.decode, lambda: [_upgrade()], ("unheld_verify.upgrade.decode",), lambda plan: plan.encode()
    ),
    Reader(
        "mark",
        lambda data: mark.read(file(f"marked/{mark.FILE}", data).parent, "store"),
        lambda: [_mark()],
        ("unheld_branch.store.mark.read",),
        slow=True,
    ),
    Reader(
        "genesis-file",
        lambda data: policy.read(file("genesis.json", data)),
        lambda: [vector("journal")["genesis"].encode()],
        ("unheld_branch.store.policy.read",),
        lambda found: canonical.encode(found.document()),
        slow=True,
    ),
    Reader("release", _release, lambda: [_released()], ("unheld_branch.store.releases.number_of",), slow=True),
    Reader(
        "copy-line",
        _kept,
        lambda: [letters.knock(), letters.MAGIC + bytes(32) + bytes(64)],
        ("unheld_branch.copies.keeper.Keeper.handle", "unheld_branch.copies.letters.door_of"),
        slow=True,
    ),
    Reader(
        "copy-letter",
        _lettered,
        lambda: [canonical.encode({"branch_seed": "23" * 32, "name": "one"}), b"[]"],
        ("unheld_branch.copies.keeper.Keeper.handle",),
        slow=True,
    ),
    Reader(
        "copy-standing",
        lambda data: letters.standing_of(canonical.decode(data)),
        lambda: [
            canonical.encode({"generation": 3, "head": "00" * 32, "erasing": False, "rows": {"0": 5}, "words": "w"})
        ],
        ("unheld_branch.copies.letters.standing_of",),
        lambda standing: canonical.encode(letters.standing_fields(standing)),
    ),
    Reader(
        "copy-marker",
        _marked,
        lambda: [Marker("one", "/store", b"k" * 32, 5, 0).encode()],
        ("unheld_branch.store.replica.marker_of",),
        _marker_again,
        slow=True,
    ),
    Reader(
        "copy-pins",
        lambda data: remote.read_pins(file(f"pinned/{remote.PINS}", data).parent),
        lambda: [canonical.encode({"one": "00" * 32})],
        ("unheld_branch.copies.remote.read_pins",),
        slow=True,
    ),
    Reader(
        "copies-away",
        lambda data: following._read(file("following/away.json", data)),
        lambda: [canonical.encode({"v": 1, "away": {"one": {"since": 5, "generation": 3}}})],
        ("unheld_branch.store.following.Copies",),
        slow=True,
    ),
)
