"""A whole store whose keys lie in a token: founded, filled, forgotten, broken, and ended."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, FIRST, Call, calls
from tests.support.commands import in_process
from tests.support.stores import TestStore, made_store
from tests.support.tokens import SoftToken, soft_token
from unheld.assembly import Deployment
from unheld_branch.store.check import check
from unheld_slots import durable
from unheld_verify.errors import RolledBackError, SealedError, StateError, WrongKeyError

BEGUN = 4  # generations: genesis, the custodians, the day's opening, the batch


class Crash(BaseException):
    """The power went."""


def crash() -> None:
    raise Crash


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestStore, SoftToken]:
    """A store with an open day and two parties' records, its root and its open day in the token; tests copy both."""
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("origin")
        token = soft_token(folder, patched)
        made = made_store(folder, slots={name: token.uri(name) for name in ("root", "open")})
        made.open_day(FIRST)
        made.ingest(calls(Call(ALICE), Call(BOB, second=9)))
    return made, token


@pytest.fixture
def both(
    origin: tuple[TestStore, SoftToken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TestStore, SoftToken]:
    made, token = origin
    for path in made.folder.glob("s*"):
        shutil.copytree(path, tmp_path / path.name)
    return TestStore(tmp_path, Deployment(tmp_path / "s"), made.now), token.twin(tmp_path, monkeypatch)


def known(made: TestStore) -> list[bool]:
    """Whether the store knows Alice and Bob; and it is as its journal says."""
    with made.opened() as store:
        assert check(store).findings == ()
        return [len(store.parties().find(["tel:" + number], [0]).rows) > 0 for number in (ALICE, BOB)]


def when(action: str, act: Callable[[], None]) -> Callable[[str, Path], None]:
    """Do `act` at the first such moment of the root slot."""
    waiting = [action]

    def observer(moment: str, path: Path) -> None:
        if [moment] == waiting and path.name == "pkcs11:root":
            waiting.clear()
            act()

    return observer


def test_no_file_of_a_store_in_a_token_is_a_slot(both: tuple[TestStore, SoftToken]) -> None:
    """The slots' folder has the names of the slots and no key that opens anything; the token has one key of each."""
    made, token = both
    assert sorted(path.name for path in made.deployment.slots.iterdir()) == ["branch.seed", "slots.toml"]
    assert (token.keys("root"), len(token.keys("open"))) == ([BEGUN], 1)


def test_a_forgetting_destroys_the_old_key_in_the_token(both: tuple[TestStore, SoftToken]) -> None:
    """After a forgetting another program finds the new root key alone, and everybody else is still known."""
    made, token = both
    (before,) = [id_ for kind, label, id_ in token.objects() if (kind, label) == ("SECRET_KEY", "root")]
    made.forget("tel:" + ALICE)
    assert known(made) == [False, True]
    assert token.keys("root") == [BEGUN + 1]
    assert before not in str(token.objects())


def test_a_store_from_before_a_forgetting_opens_nothing(both: tuple[TestStore, SoftToken], tmp_path: Path) -> None:
    """Whoever kept every file of the store, but not of the token, is told that it is rolled back."""
    made, _ = both
    shutil.copytree(made.root, tmp_path / "kept")
    made.forget("tel:" + ALICE)
    shutil.rmtree(made.root)
    (tmp_path / "kept").rename(made.root)
    with pytest.raises(RolledBackError):
        known(made)


def test_a_snapshot_of_a_software_token_undoes_a_forgetting(
    both: tuple[TestStore, SoftToken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the words of a software token say is so: with its files of yesterday the store of yesterday opens."""
    made, token = both
    shutil.copytree(made.root, tmp_path / "kept")
    snapshot = token.twin(tmp_path / "snapshot", monkeypatch)
    monkeypatch.setenv("SOFTHSM2_CONF", str(token.folder.with_name("softhsm2.conf")))
    made.forget("tel:" + ALICE)
    shutil.rmtree(made.root)
    (tmp_path / "kept").rename(made.root)
    monkeypatch.setenv("SOFTHSM2_CONF", str(snapshot.folder.with_name("softhsm2.conf")))
    assert known(made) == [True, True]


def test_erasing_everything_leaves_one_key_that_knows_nobody(both: tuple[TestStore, SoftToken]) -> None:
    """After the end the day's keys and everybody's are gone, and neither old key is in the token."""
    made, token = both
    (day_before,) = token.keys("open")
    made.everything()
    assert known(made) == [False, False]
    assert token.keys("root") == [BEGUN + 1]
    assert day_before not in token.keys("open")
    with made.opened() as store:
        assert store.day_slot.read() is None


@pytest.mark.parametrize(
    ("act", "moment", "forgotten"),
    [
        ("crash", "after token-generate", False),
        ("take out", "after token-store", False),
        ("take out", "before token-destroy", True),
        ("crash", "after token-destroy", True),
    ],
)
def test_a_forgetting_broken_in_the_token_is_finished_or_never_was(
    both: tuple[TestStore, SoftToken], moment: str, forgotten: bool, act: str
) -> None:
    """Whether the power went or the token was pulled: the next open finishes an erasing before it serves anything."""
    made, token = both
    with (
        pytest.raises(Crash if act == "crash" else StateError),
        durable.observed(when(moment, crash if act == "crash" else token.take_out)),
    ):
        made.forget("tel:" + ALICE)
    token.put_back()
    assert known(made) == [not forgotten, True]
    assert token.keys("root") == [BEGUN + forgotten]
    assert token.files() == 4


def test_without_its_token_a_store_says_so_and_loses_nothing(both: tuple[TestStore, SoftToken]) -> None:
    """A command without the token names it; with the token back everything is there."""
    made, token = both
    token.take_out()
    ended = in_process(["--store", str(made.root), "status"])
    assert (ended.code, "no such token" in " ".join(ended.err.split())) == (1, True)
    token.put_back()
    assert known(made) == [True, True]


def test_a_wrong_pin_stops_a_store_before_it_is_touched(both: tuple[TestStore, SoftToken]) -> None:
    """The store's slots name the PIN's file, and a wrong PIN is a wrong key."""
    made, token = both
    listed = made.deployment.slots / "slots.toml"
    wrong = token.pin_file.with_name("wrong")
    wrong.write_text("99999999")
    wrong.chmod(0o600)
    text = listed.read_text()
    listed.write_text(text.replace(text.partition("file:")[2].partition("'")[0], str(wrong)))
    with pytest.raises(WrongKeyError, match="PIN"):
        known(made)
    listed.write_text(text)
    assert known(made) == [True, True]


def test_a_slot_of_another_store_opens_nothing(both: tuple[TestStore, SoftToken]) -> None:
    """Slots that were swapped in `slots.toml` are refused, and nothing is destroyed."""
    made, token = both
    listed = made.deployment.slots / "slots.toml"
    lines = listed.read_text().splitlines()
    uris = [line.partition(" = ")[2] for line in lines]
    listed.write_text(f"open = {uris[1]}\nroot = {uris[0]}\n")
    with pytest.raises((RolledBackError, SealedError, WrongKeyError)):
        known(made)
    listed.write_text("\n".join(lines))
    assert known(made) == [True, True]
    assert token.files() == 4


def test_a_store_is_founded_on_a_token_by_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init --slot` says the class of the slot in plain words, and where a copy's is weaker, that first."""
    token = soft_token(tmp_path, monkeypatch)
    store = ["--store", str(tmp_path / "s")]
    named = [part for name in ("root", "open", "custodian-0") for part in ("--slot", f"{name}={token.uri(name)}")]
    ended = in_process([*store, "init", "--copy", str(tmp_path / "c"), *named])
    assert ended.code == 0, ended.err
    said = " ".join(ended.out.split())
    assert "erasable slot: file: does not survive a snapshot of this disk; token: key destroyed in" in said
    assert [len(token.keys(name)) for name in ("root", "open", "custodian-0")] == [1, 1, 1]
    again = in_process(["--store", str(tmp_path / "other"), "init", *named])
    assert "none is replaced" in " ".join(again.err.split())
    assert not (tmp_path / "other").exists()
