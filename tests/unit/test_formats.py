"""Versions: what only a later release reads is refused as that, by name, and nothing is touched."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast
from unittest.mock import patch

import pytest

from tests.support import releases
from tests.support.calls import snapshot
from tests.support.ceremony import SEEDS, World
from tests.support.commands import Box
from tests.support.stores import made_store
from unheld.access import messages
from unheld.demands import register
from unheld.inventory import Inventory
from unheld.ledger import Ledger
from unheld_branch.keys.columns import DayKeys
from unheld_branch.keys.parties import root as roots
from unheld_branch.store import blocks, journal, mark, parkkeys, policy
from unheld_branch.store import parked as batches
from unheld_branch.store import store as stores
from unheld_branch.store.openday import OpenDaySlot
from unheld_custodian import state as custodian_states
from unheld_slots.pkcs11 import slot as token_slot
from unheld_slots.pkcs11 import uri as uris
from unheld_slots.pkcs11.session import Session
from unheld_slots.sealed import SealedState
from unheld_slots.slot import FileSlot
from unheld_verify import canonical, crypto, formats, paper, parked, plan, signed, statement, upgrade
from unheld_verify.custody import HEADQUARTERS, Address, knock
from unheld_verify.errors import BadInputError, CannotVerifyError, NewerError, UnheldError

PAGE = Path(__file__).parents[2] / "docs" / "spec" / "versions.md"
LATER = 9
Reader = Callable[[Path], object]


_MARK = {"v": 1, "kind": "format", "format": LATER, "needs": "9.0"}
ELSEWHERE = {"line", "paper", "statement", "store"}
"""Formats that tests of their own refuse, below."""


def _json(**fields: object) -> bytes:
    return canonical.encode({"v": LATER, **fields})


def _written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _root(_: Path) -> object:
    sealed = crypto.seal(bytes(32), _json(generation=1), roots._aad(bytes(16), 1))
    return roots.unseal(sealed, bytes(32), bytes(16), 1)


def _ledger(folder: Path) -> object:
    said = {"due": 1, "r": "00" * 32, "statement": {}}
    _written(folder / "00000001.json", _json(**said))
    return Ledger(folder).kept()


def _sealed(folder: Path) -> object:
    state = SealedState(folder, "name", FileSlot.create(folder / "name.slot"))
    state.create(b"state")
    [path] = folder.glob("*.sealed")
    path.write_bytes(b"UNHSEAL9" + path.read_bytes()[8:])
    return state.load()


def _open(folder: Path) -> object:
    slot = OpenDaySlot.create(folder, f"file:{folder / 'open.slot'}")
    slot._sealed.replace(b"UNHOPEN9" + bytes(40))
    return slot.read()


def _token(_: Path) -> object:
    class Token:
        def ask(self, act: str, label: str) -> dict[str, list[str]]:
            return {"keys": [], "data": [(b"UNHTOKN9" + bytes(40)).hex()]}

    uri = uris.parse("pkcs11:token=T;object=root?module-path=/usr/lib/m.so&pin-source=file:/etc/pin")
    return token_slot._look(cast("Session", Token()), uri)


def _parking_keys(folder: Path) -> object:
    _written(folder / "parking-keys.json", _json(parkings=[]))
    return parkkeys._held(folder)


READERS: dict[str, Reader] = {
    "token": _token,
    "open": _open,
    "block": lambda _: blocks.read_rows(bytes((LATER,)) + bytes(63)),
    "journal": lambda folder: journal.apply(journal.Catalog(made_store(folder).deployment.policy()), {"v": LATER}),
    "parking-keys": _parking_keys,
    "parked": lambda folder: batches.read_header(_written(folder / "a.parked", b"UNHPARK9" + bytes(40))),
    "demand": lambda _: register._follow(bytes(16), _json(prev=""), None),
    "register": lambda folder: mark.read(
        _written(folder / mark.FILE, canonical.encode(_MARK | {"of": "register"})).parent, mark.REGISTER
    ),
    "slot": lambda folder: FileSlot.open(_written(folder / "a.slot", b"UNHSLOT9".ljust(8192, b"x"))),
    "sealed": _sealed,
    "day-keys": lambda _: DayKeys.from_bytes(b"UNHDAYK9" + bytes(40)),
    "custodian": lambda _: custodian_states.decode(b"UNHCUST9" + bytes(40)),
    "parked-header": lambda _: parked.ParkedHeader.decode(_json()),
    "plan": lambda _: plan.decode(_json(kind="erase")),
    "upgrade": lambda _: upgrade.decode(_json(kind="upgrade")),
    "signed": lambda _: signed.from_json({"document": {"v": LATER, "kind": "ask"}, "signature": ""}),
    "access": lambda _: messages._document(_json(kind="access-slip"), "access-slip"),
    "genesis": lambda folder: policy.read(_written(folder / "genesis.json", _json())),
    "mark": lambda folder: mark.read(_written(folder / mark.FILE, _json()).parent, mark.STORE),
    "inventory": lambda folder: Inventory(_written(folder / "inventory.json", _json(places=[])).parent),
    "root": _root,
    "ledger": _ledger,
}


@pytest.mark.parametrize("name", READERS)
def test_a_later_version_is_refused_as_that(name: str, tmp_path: Path) -> None:
    """The words name the version, what is read here and the release that reads it; none of them says damage."""
    with pytest.raises(NewerError) as caught:
        READERS[name](tmp_path)
    words = str(caught.value)

    assert f"{formats.FORMATS[name].words} of version {LATER}; unheld {formats.release()} reads version" in words
    assert re.search("Nothing was changed: use (the release that wrote it, or a later one|unheld 9.0 or later)", words)
    assert not re.search("corrupt|damage|alter|put back|mend", words)


def test_every_format_has_such_a_test() -> None:
    """No format is forgotten here."""
    assert set(READERS) | ELSEWHERE == set(formats.FORMATS)
    assert set(READERS) & ELSEWHERE == set()


@pytest.mark.parametrize("read", [blocks.read_rows, blocks.read_facts, lambda data: blocks.read_alike([data])])
def test_a_block_of_a_later_format_is_no_damaged_one(read: Callable[[bytes], object]) -> None:
    """Each of a block's readers asks for its format first."""
    with pytest.raises(NewerError, match=f"a block of version {LATER}"):
        read(bytes((LATER,)) + bytes(63))


def test_the_page_is_the_table() -> None:
    """Every format of the code stands on the page of versions, with its mark and what is read; and no other."""
    rows = re.findall(r"^\| ([a-z-]+) \| (.+?) \| ([0-9, ]+) \| ", PAGE.read_text("utf-8"), re.MULTILINE)
    page = {name: (marked, reads) for name, marked, reads in rows}

    assert {name: ", ".join(map(str, one.reads)) for name, one in formats.FORMATS.items()} == {
        name: reads for name, (_, reads) in page.items()
    }
    no_mark = {mark.STORE, mark.REGISTER, "block"}
    for name, one in formats.FORMATS.items():
        assert page[name][0].startswith(f"`{one.magic.decode() or 'v'}`") or name in no_mark


def test_the_release_is_that_of_the_package() -> None:
    """What an error calls this release is what `--version` says."""
    assert Box(Path())("--version").out == f"unheld {formats.release()}\n"


@pytest.mark.parametrize("found", [True, 1.5, "2", None, 0, -1])
def test_what_is_no_version_is_no_later_one(found: object) -> None:
    """Only a greater whole number is of the future; everything else is the reader's own to refuse."""
    formats.check("store", found)

    with pytest.raises(BadInputError) as caught:
        formats.known("store", found, "here")
    assert type(caught.value) is BadInputError


def test_a_statement_of_a_later_version_cannot_be_verified() -> None:
    """A verifier says neither true nor false of it."""
    later = statement.Opening({"v": LATER, "log": "a", "kind": "open", "day": "2026-07-01"}, bytes(32))

    with pytest.raises(CannotVerifyError, match="version 9"):
        statement.verify(later, "a")


def test_a_paper_of_a_later_version_cannot_be_verified() -> None:
    """Nor of a paper."""
    with pytest.raises(CannotVerifyError, match="version 9"):
        paper.decode(_json(kind="certificate"))


def test_a_state_of_a_later_release_is_not_destroyed(tmp_path: Path) -> None:
    """Beside the older state lies one that a later release was writing: its key stays, and so does the older's."""
    slot = FileSlot.create(tmp_path / "a.slot")
    state = SealedState(tmp_path, "a", slot)
    state.create(b"older")
    slot.prepare(2, bytes(32))
    older = tmp_path / "a-1.sealed"
    (tmp_path / "a-2.sealed").write_bytes(b"UNHSEAL9" + older.read_bytes()[8:])

    with pytest.raises(NewerError):
        state.load()
    assert [live.generation for live in slot.live()] == [1, 2]


# A whole store: a release that knows format 1 alone meets a store of format 2.

COMMANDS = {
    "status": ("status",),
    "check": ("check",),
    "doctor": ("doctor",),
    "open": ("day", "open"),
    "close": ("day", "close"),
    "lapse": ("lapse", "run"),
    "park": ("park", "list"),
    "publish": ("log", "publish"),
    "verify": ("log", "head"),
    "demands": ("demand", "list"),
    "custody": ("custody", "status"),
    "upgrade": ("upgrade", "plan", "--out", "x.plan"),
}


def _older() -> dict[str, formats.Format]:
    """What a release knew that wrote format 1."""
    return {**formats.FORMATS, "store": replace(formats.FORMATS["store"], reads=(1,))}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> releases.Kept:
    """A store of format 2."""
    return releases.unpacked("0.2.0", tmp_path_factory.mktemp("newer"))


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
def test_an_older_release_refuses_a_store_before_it_touches_anything(
    words: tuple[str, ...], newer: releases.Kept
) -> None:
    """Exit 14, the mark's own file, both versions, and the release that reads it; not one byte has another value."""
    made = newer.made
    before = snapshot(newer.made.folder)
    with patch.object(formats, "FORMATS", _older()):
        ended = newer.box(*words, "--json")

    assert ended.code == NewerError.exit_code
    assert f"{made.root / mark.FILE}: a store of version 2; " in ended.error["message"]
    assert "use unheld 0.2.0 or later" in ended.error["message"]
    assert snapshot(newer.made.folder) == before


def test_a_journal_of_a_later_format_is_refused_where_the_mark_is_lost(newer: releases.Kept) -> None:
    """The journal says the format too."""
    (newer.made.root / mark.FILE).rename(newer.made.folder / mark.FILE)
    try:
        with (
            patch.object(formats, "FORMATS", _older()),
            pytest.raises(NewerError, match="journal: a store of version 2"),
        ):
            stores.journal_of(newer.made.root)
    finally:
        (newer.made.folder / mark.FILE).rename(newer.made.root / mark.FILE)


def test_a_lost_mark_is_written_again(tmp_path: Path) -> None:
    """`check` tells of it, the next change of the store mends it."""
    made = made_store(tmp_path)
    whole = (made.root / mark.FILE).read_bytes()
    (made.root / mark.FILE).unlink()

    assert Box(tmp_path)("check").code == 20
    with made.opened():
        pass
    assert (made.root / mark.FILE).read_bytes() == whole


@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b'{"v":1}', b"x", b'{"format":true,"kind":"format","of":"store","v":1}']
)
def test_what_is_no_mark_is_refused_and_left(data: bytes, tmp_path: Path) -> None:
    """Nothing is written over it: somebody may know what it was."""
    made = made_store(tmp_path)
    (made.root / mark.FILE).write_bytes(data)

    with pytest.raises(UnheldError, match=r"JSON|format mark|no version"), made.opened():
        pass
    assert (made.root / mark.FILE).read_bytes() == data


def test_the_mark_of_a_register_is_not_that_of_a_store(tmp_path: Path) -> None:
    """Marks name what they mark."""
    made = made_store(tmp_path)
    (made.root / mark.FILE).write_bytes((made.deployment.register / mark.FILE).read_bytes())

    with pytest.raises(BadInputError, match="no format mark of a store"), made.opened():
        pass


# Between programs of two releases.


@pytest.mark.parametrize("kind", ["knock", "letter"])
def test_a_custodian_says_which_version_it_does_not_know(kind: str, tmp_path: Path) -> None:
    """In clear, since it believes nothing of such a message; and its memory is as it was."""
    world = World.of(tmp_path, 1).found()
    world.desks[0].tick()
    before = snapshot(tmp_path)
    message = canonical.decode(knock(Address(bytes(16), 1, 0))) | {"v": LATER, "kind": kind}
    answer = canonical.decode(world.desks[0].handle(canonical.encode(message)))

    assert answer["kind"] == "refused"
    assert f"a message to a custodian of version {LATER}; unheld {formats.release()} reads version 1" in answer["words"]
    assert snapshot(tmp_path) == before


def test_a_custodian_says_so_of_a_draft(tmp_path: Path) -> None:
    """A ceremony that a later headquarters begins is refused in words that say what is needed."""
    world = World.of(tmp_path, 1)
    draft = signed.sign({"v": LATER, "kind": "draft"}, SEEDS[HEADQUARTERS])
    answer = canonical.decode(world.desks[0].handle(draft.encode()))

    assert f"a signed document of version {LATER}" in answer["words"]
