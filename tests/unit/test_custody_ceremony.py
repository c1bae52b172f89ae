"""A ceremony as headquarters carries it: repeatable, crash-proof, and not founded by fewer than a quorum."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from unheld.custody import ceremony
from unheld.custody.ceremony import FOUNDED, ROSTER, TRANSCRIPT, WAITING, Ceremony, Step
from unheld.custody.local import LocalDesks
from unheld_slots import durable
from unheld_verify import columns, crypto, note, roster, signed
from unheld_verify.errors import AwayError, BadInputError, NotAllowedError, StateError, VerificationError
from unheld_verify.roster import Draft, Roster
from unheld_verify.signed import Signed

DAY = 20_700
HEADQUARTERS, BRANCH = b"h" * 32, b"b" * 32
LOG_KEY = note.format_key(note.Key("example.org/log", crypto.sign_public(b"l" * 32)))


def draft(n: int = 3, t: int = 2, number: int = 1) -> Draft:
    """A set of custodians of this machine."""
    names = tuple(f"custodian-{index}" for index in range(n))
    keys = crypto.sign_public(BRANCH), crypto.sign_public(HEADQUARTERS)
    return Draft(bytes(16), number, t, names, DAY, columns.LIFETIME_DEFAULTS, 45, *keys, LOG_KEY)


@dataclass
class Table:
    """Desks and headquarters' folder. `cut` do not answer; `bend` alters what one of them answered."""

    folder: Path
    n: int = 3
    cut: set[int] = field(default_factory=set)
    bend: Callable[[int, bytes], bytes] = lambda _, data: data
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.desks = LocalDesks(self.folder / "c", self.folder / "slots", lambda: DAY * 86_400 + 60)
        self.desks.create(self.n)

    def again(self) -> None:
        """Everybody's process starts anew."""
        self.desks = LocalDesks(self.folder / "c", self.folder / "slots", lambda: DAY * 86_400 + 60)

    def call(self, index: int, data: bytes) -> bytes:
        """The line."""
        self.asked.append(index)
        if index in self.cut:
            raise AwayError("the line is cut")
        return self.bend(index, self.desks.call(index, data))

    def begin(self, made: Draft | None = None) -> Ceremony:
        """A new ceremony."""
        return Ceremony.begin(self.folder / "set-1", made or draft(self.n), HEADQUARTERS)

    def go(self) -> Step:
        """One round, by whoever reads headquarters' folder."""
        return Ceremony(self.folder / "set-1", crypto.sign_public(HEADQUARTERS)).go(self, HEADQUARTERS)

    def until(self, stage: str) -> Step:
        """Rounds, with everybody's approval in between, until this is the newest document, or nothing moves."""
        step = self.go()
        while step.stage != stage and WAITING in step.missing.values():
            self.desks.approve()
            step = self.go()
        return step

    def file(self, name: str) -> Path:
        """A document in headquarters' folder."""
        return self.folder / "set-1" / f"{name}.json"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    made = Table(tmp_path)
    made.begin()
    return made


def founded(table: Table) -> tuple[Roster, tuple[int, ...]]:
    """The founded set, and who confirmed it."""
    return roster.founded_of(signed.decode(table.file(FOUNDED).read_bytes(), "founded"))


def test_a_ceremony_founds_a_set_that_all_confirmed(table: Table) -> None:
    """Three persons say yes; headquarters has a founded set of all three, and each of them is active."""
    step = table.until(FOUNDED)

    assert step.over
    assert founded(table)[1] == (0, 1, 2)
    assert [desk.overview().sets[0]["index"] for desk in map(table.desks.desk, range(3))] == [0, 1, 2]


def test_nobody_joins_before_the_person_said_yes(table: Table) -> None:
    """Asked as often as you like, a custodian whose person has not decided answers nothing."""
    for _ in range(3):
        step = table.go()

    assert (step.stage, step.answered) == ("draft", ())
    assert set(step.missing.values()) == {WAITING}


def test_repeating_a_step_asks_only_who_has_not_answered(table: Table) -> None:
    """What was answered is on headquarters' disk: a custodian that joined is not asked again while another waits."""
    table.cut = {2}
    table.go()
    table.desks.approve()
    table.go()
    table.asked.clear()

    step = table.go()

    assert table.asked == [2]
    assert step.answered == (0, 1)
    assert step.missing[2] == "cannot be reached: the line is cut"


def test_whoever_was_away_comes_in_later(table: Table) -> None:
    """The ceremony waits for everybody to join, and goes on when the line is back."""
    table.cut = {1}
    assert table.until(FOUNDED).stage == "draft"

    table.cut = set()

    assert table.until(FOUNDED).over


def test_a_founded_set_is_told_to_whoever_missed_it(table: Table) -> None:
    """With t + 1 of four confirmations the set counts; the fourth is told until it answers."""
    table = Table(table.folder / "four", n=4)
    table.begin(draft(4, 2))
    table.until(TRANSCRIPT)
    table.cut = {3}
    step = table.until(FOUNDED)
    assert (step.stage, step.over, sorted(step.missing)) == (FOUNDED, False, [3])
    assert founded(table)[1] == (0, 1, 2)

    table.cut = set()
    table.go()
    table.desks.approve()

    assert table.go().over


def test_fewer_than_a_quorum_found_nothing(table: Table) -> None:
    """Two of three confirmed where three are needed: there is no founded set, whoever asks."""
    table.until(TRANSCRIPT)
    table.bend = lambda index, data: _lost() if index == 0 and b'"confirm"' in data else data
    table.until(FOUNDED)

    assert not table.file(FOUNDED).exists()
    assert table.go().stage == TRANSCRIPT


def _lost() -> bytes:
    raise AwayError("its answer was lost")


def test_who_refuses_is_named_and_nothing_goes_on(table: Table) -> None:
    """A person's no is told as one, and no roster is made without that custodian."""
    table.go()
    desk = table.desks.desk(1)
    desk.decide(desk.requests()[0].id, approve=False)
    table.desks.approve()

    step = table.go()

    assert step.missing == {1: "the person there refused"}
    assert not table.file(ROSTER).exists()


def test_a_complaint_ends_the_ceremony(table: Table) -> None:
    """A dealer whose seeds are not what it committed to is named by those who got them; nothing is founded."""
    real = roster.deal

    def lying(found: Roster, index: int, seeds: dict[int, bytes], seed: bytes) -> Signed:
        honest = real(found, index, seeds, seed)
        if index != 0:
            return honest
        wrong = {number: bytes(32).hex() for number in honest.document["commitments"]}
        return signed.sign({**honest.document, "commitments": wrong}, seed)

    with (
        mock.patch.object(roster, "deal", lying),
        pytest.raises(VerificationError, match=r"complains: the seed of component \d from custodian 1 is not"),
    ):
        table.until(FOUNDED)

    assert not table.file(FOUNDED).exists()


def test_the_words_are_those_that_the_persons_see(table: Table) -> None:
    """What headquarters reads aloud is what stands on each page, and with other words nobody confirms."""
    step = table.until(TRANSCRIPT)
    desk = table.desks.desk(0)
    request = next(one for one in desk.requests() if one.words)
    assert request.words == step.words

    with pytest.raises(NotAllowedError, match="not the four words"):
        desk.decide(request.id, approve=True, said="bobob bobob bobob bobob")

    assert table.go().missing[0] == WAITING


@pytest.mark.parametrize("name", ["draft", "transcript"])
def test_a_document_that_was_altered_is_not_gone_on_with(table: Table, name: str) -> None:
    """Whoever gets at headquarters' files founds nothing with them: fewer needed is another document, unsigned."""
    table.until(name)
    path = table.file(name)
    path.write_bytes(path.read_bytes().replace(b'"t":2', b'"t":1'))

    with pytest.raises((BadInputError, VerificationError)):
        table.until(FOUNDED)


def test_an_answer_that_was_altered_on_the_disk_makes_no_roster(table: Table) -> None:
    """A join is signed by its custodian: another key in it is found before anything is made of it."""
    table.cut = {2}
    table.until(FOUNDED)
    path = table.file("join-0")
    sign = signed.decode(path.read_bytes()).document["sign"]
    path.write_bytes(path.read_bytes().replace(sign.encode(), crypto.sign_public(b"x" * 32).hex().encode()))
    table.cut = set()

    with pytest.raises(VerificationError, match="custodian 1"):
        table.until(FOUNDED)

    assert not table.file(ROSTER).exists()


def test_another_headquarters_draft_is_not_carried(table: Table) -> None:
    """A draft that somebody else signed is not this headquarters', however well it is signed."""
    other = Draft(**{**draft().__dict__, "headquarters": crypto.sign_public(b"x" * 32)})
    table.file("draft").write_bytes(signed.sign(other.document(), b"x" * 32).encode())

    with pytest.raises(BadInputError, match="another headquarters"):
        table.go()


def test_an_answer_of_another_custodian_does_not_count(table: Table) -> None:
    """Crossed lines give no join: each answer is held to the place that it came from."""
    table.go()
    table.desks.approve()
    straight = table.desks.call
    with mock.patch.object(table.desks, "call", lambda index, data: straight(1 - index if index < 2 else 2, data)):
        step = table.go()

    assert sorted(step.missing) == [0, 1]
    assert all("does not count" in why for why in step.missing.values())


@pytest.mark.parametrize("came", [b"", b"[]", b"null", b'{"kind":"join"}', b"\xff", b'{"kind":"wait","v":2'])
def test_what_is_no_answer_is_told_as_such(table: Table, came: bytes) -> None:
    """Rubbish on a line is no answer, and ends nothing."""
    table.bend = lambda _, __: came

    step = table.go()

    assert sorted(step.missing) == [0, 1, 2]
    assert all("does not count" in why for why in step.missing.values())


def test_a_ceremony_is_begun_once(table: Table) -> None:
    """A second proposal of the same set is refused, and leaves the first as it was."""
    before = table.file("draft").read_bytes()
    with pytest.raises(StateError, match="has begun"):
        table.begin(draft(3, 1))

    assert table.file("draft").read_bytes() == before


@pytest.mark.parametrize(
    "changed", [{"t": 4}, {"t": 0}, {"names": ("a", "a")}, {"freeze_days": 0}, {"freeze_days": 61}]
)
def test_a_set_out_of_bounds_is_not_proposed(tmp_path: Path, changed: dict[str, object]) -> None:
    """More needed than there are, two of one name, or a silence out of bounds: nothing is written."""
    with pytest.raises(BadInputError):
        Ceremony.begin(tmp_path / "set-1", Draft(**{**draft().__dict__, **changed}), HEADQUARTERS)

    assert not (tmp_path / "set-1").exists()


def test_ceremonies_are_found_by_number(tmp_path: Path) -> None:
    """Sets are listed in the order of their numbers; other folders are passed over."""
    for number in (10, 2):
        Ceremony.begin(ceremony.place(tmp_path, number), draft(number=number), HEADQUARTERS)
    (tmp_path / "set-x").mkdir()
    (tmp_path / "set-3").mkdir()

    found = ceremony.ceremonies(tmp_path, crypto.sign_public(HEADQUARTERS))

    assert [one.draft.set for one in found.values()] == [2, 10]


def test_a_crash_at_any_durable_step_is_gone_on_from(tmp_path: Path) -> None:
    """Wherever headquarters stops, the same call from its disk founds one set that every custodian is active in."""
    whole, left = Table(tmp_path / "whole", n=2), list[Path]()

    def stop(action: str, path: Path) -> None:
        if action in {"before rename", "after rename"} and (whole.folder / "set-1") in path.parents:
            left.append(shutil.copytree(whole.folder, tmp_path / str(len(left))))

    whole.begin(draft(2, 1))
    with durable.observed(stop):
        assert whole.until(FOUNDED).over
    assert len(left) == 2 * len(list((whole.folder / "set-1").iterdir())) - 2

    for folder in left:
        table = Table(folder, n=2)
        assert table.until(FOUNDED).over
        states = [table.desks.desk(index).overview().sets for index in range(2)]
        assert [len(sets) for sets in states] == [1, 1]
