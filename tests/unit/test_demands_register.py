"""The register on disk: sealed boxes, chained acts, statements, and what outlives the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.calls import snapshot
from tests.support.demands import DAY, PERSON, Registered, filed, held, register_of
from unheld.demands import model, register
from unheld.demands.model import Demand
from unheld.ledger import Ledger
from unheld_slots.durable import observed
from unheld_verify import canonical, crypto
from unheld_verify.errors import (
    BadInputError,
    LockedError,
    NoStoreError,
    StateError,
    VerificationError,
    WrongKeyError,
)
from unheld_verify.statement import Opening

OTHERS = [f"tel:+9992222{number:04}" for number in range(40)]
CODES = ("MultipleTargets", "WindowTooLong")


@pytest.fixture
def made(tmp_path: Path) -> Registered:
    """An empty register."""
    return register_of(tmp_path)


def full(made: Registered) -> Demand:
    """A demand of 41 lines with every act but a withdrawal."""
    with made.desk() as desk:
        facts = filed(targets=41, asks=("location", "traffic"))
        demand = desk.receive(facts, [PERSON, *OTHERS], "cells near the market", b"%PDF a scan", "Anna")
        desk.check(demand)
        desk.narrow(demand, "Anna", asks=("location",))
        desk.check(demand)
        return desk.refuse(demand, CODES, "Anna")


def acts(made: Registered, demand: Demand) -> list[Path]:
    """The files of its acts."""
    return sorted((made.register / "demands" / demand.name).glob("*.json"))


def posted(made: Registered) -> list[tuple[Opening, int]]:
    """Statements of demands in the ledger with the day they are due."""
    kept = Ledger(made.made.deployment.ledger).kept()
    return [(item.opening, item.due) for item in kept if item.opening.statement["kind"].startswith("demand-")]


def test_a_demand_reads_back_as_it_was_left(made: Registered) -> None:
    """Whoever opens the register anew finds the same demand, in the same state."""
    left = full(made)
    with made.desk(write=False) as desk:
        found = desk.register.find(left.name[:6])

    assert found == left
    assert [act.kind for act in found.acts] == ["received", "checked", "narrowed", "checked", "refused"]
    assert (found.state, found.codes, found.asks, found.decided_by) == ("refused", CODES, ("location",), "Anna")


def test_the_files_are_as_the_page_says(made: Registered) -> None:
    """Canonical JSON, numbered from 0001, each with the digest of the one before."""
    paths = acts(made, full(made))
    read = [canonical.decode(path.read_bytes()) for path in paths]

    assert [path.name for path in paths] == [f"{number:04}.json" for number in range(1, 6)]
    assert [item["prev"] for item in read] == ["", *(crypto.sha256(path.read_bytes()).hex() for path in paths[:-1])]
    assert all({"v", "act", "at", "by", "prev"} <= set(item) for item in read)


def test_nothing_that_a_demand_names_is_in_any_file(made: Registered) -> None:
    """No number, note or document stands in clear in the register, and nobody else's file has it either."""
    full(made)
    marks = [PERSON.removeprefix("tel:+"), *(other.removeprefix("tel:+") for other in OTHERS), "market", "a scan"]
    files = snapshot(made.made.folder)

    assert len(files) > 10
    assert [path for path, data in files.items() if any(mark.encode() in data for mark in marks)] == []


def test_the_escrow_key_opens_what_was_sealed(made: Registered) -> None:
    """Lines, words and document come back as they were filed."""
    left = full(made)
    private = made.made.deployment.escrow_private()
    with made.desk(write=False) as desk:
        named, document = desk.register.named(left, private), desk.register.document(left, private)

    assert [party.identity for party in named.parties] == [PERSON, *OTHERS]
    assert (named.note, document) == ("cells near the market", b"%PDF a scan")


def test_filing_needs_no_private_key(made: Registered) -> None:
    """Receive, check, narrow and refuse go on with the escrow key taken away."""
    (made.made.deployment.headquarters / "escrow.key").unlink()
    assert full(made).state == "refused"


def test_another_key_opens_nothing(made: Registered) -> None:
    """A wrong escrow key is told by the file it did not open."""
    left = full(made)
    with made.desk(write=False) as desk, pytest.raises(WrongKeyError, match=r"named\.box"):
        desk.register.named(left, crypto.park_keypair()[0])


def test_another_document_is_not_taken_for_the_one_that_came(made: Registered) -> None:
    """The box of another demand does not open here, and another document in this one's is told."""
    left = full(made)
    folder, deployment = made.register / "demands" / left.name, made.made.deployment
    store = deployment.policy().store_id
    other = crypto.box_seal(deployment.escrow_public(), bytes(32) + b"x", b"unheld/v1/document" + store + left.id)
    (folder / "document.box").write_bytes(other)
    with made.desk(write=False) as desk, pytest.raises(VerificationError, match="is not the document"):
        desk.register.document(left, deployment.escrow_private())


def test_a_box_that_is_gone_is_named(made: Registered) -> None:
    """A missing box is told with its place and mend."""
    left = full(made)
    (made.register / "demands" / left.name / "named.box").unlink()
    with made.desk(write=False) as desk, pytest.raises(BadInputError, match=r"named\.box: is missing; put back"):
        desk.register.named(left, made.made.deployment.escrow_private())


def test_a_demand_without_a_document_has_none(made: Registered) -> None:
    """No box is made for what did not come."""
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON])
        assert desk.register.document(demand, b"") == b""
    assert not (made.register / "demands" / demand.name / "document.box").exists()


def test_every_act_but_a_check_makes_a_statement_over_the_same_tree(made: Registered) -> None:
    """Received, narrowed and refused name one root, so that one receipt's path fits each of them."""
    left = full(made)
    said = [opening.statement for opening, _ in posted(made)]

    assert [item["kind"] for item in said] == ["demand-received", "demand-narrowed", "demand-refused"]
    assert {(item["demand"], item["root"], item["leaves"]) for item in said} == {(left.name, said[0]["root"], 64)}
    assert (said[0]["targets"], said[1]["asks"], said[2]["codes"]) == (41, ["location"], list(CODES))


@pytest.mark.parametrize(
    ("given", "due"),
    [({}, 0), ({"secret_until": DAY + 30}, DAY + 31), ({"secret_without_end": True}, DAY + 365)],
)
def test_statements_are_due_when_a_secrecy_ends_and_it_always_does(
    made: Registered, given: dict[str, int], due: int
) -> None:
    """At once, on the day after the last secret one, or after a year where no end was given."""
    with made.desk() as desk:
        desk.withdraw(desk.receive(filed(**given), [PERSON]), "Anna")
    assert [item[1] for item in posted(made)] == [due, due]


def test_a_demand_for_an_area_names_no_lines(made: Registered) -> None:
    """Its words are sealed, its statement counts no line, and its tree is all padding."""
    with made.desk() as desk:
        demand = desk.receive(filed(target_kind="area", targets=3), (), "a\nb\nc")
        assert desk.register.named(demand, made.made.deployment.escrow_private()).note == "a\nb\nc"
    [(opening, _)] = posted(made)
    assert (opening.statement["targets"], opening.statement["leaves"]) == (0, 16)


def test_a_line_named_twice_counts_once(made: Registered) -> None:
    """A list that repeats itself is filed with what is in it."""
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON, PERSON])
        assert len(desk.register.named(demand, made.made.deployment.escrow_private()).parties) == 1


@pytest.mark.parametrize(
    ("lines", "given", "word"),
    [
        ((PERSON,), {"targets": 2}, "2 lines were filed and 1 are named"),
        ((), {}, "1 lines were filed and 0 are named"),
        ((PERSON,), {"target_kind": "area"}, "0 lines were filed"),
    ],
)
def test_the_count_is_what_is_named(
    made: Registered, lines: tuple[str, ...], given: dict[str, object], word: str
) -> None:
    """A demand is not filed with another count than it has, and then nothing is there."""
    with made.desk() as desk, pytest.raises(BadInputError, match=word):
        desk.receive(filed(**given), lines)
    assert not (made.register / "demands").exists()


def test_a_demand_has_arrived_when_it_is_filed(made: Registered) -> None:
    """A receipt in the future would put off the day on which a secret demand is published."""
    with made.desk() as desk, pytest.raises(BadInputError, match="received: that day is still to come"):
        desk.receive(filed(received=DAY + 1), [PERSON])


def test_a_document_has_a_bound(made: Registered) -> None:
    """More than 20 MB are not taken."""
    with made.desk() as desk, pytest.raises(BadInputError, match="at less resolution"):
        desk.receive(filed(), [PERSON], document=bytes(register.DOCUMENT_MOST + 1))


@pytest.mark.parametrize("prefix", ["", "abcde", "zzzzzz", "000000", "../../x"])
def test_a_demand_is_named_by_its_own_digits(made: Registered, prefix: str) -> None:
    """Too few digits, none of them, or another's are refused."""
    full(made)
    with made.desk(write=False) as desk, pytest.raises(BadInputError, match="demand"):
        desk.register.find(prefix)


def test_a_prefix_of_two_demands_is_refused(made: Registered) -> None:
    """Nothing is done on one of two that could be meant."""
    with made.desk() as desk:
        for last in (1, 2):
            desk.receive(filed(), [PERSON], id_=bytes(15) + bytes([last]))
        with pytest.raises(BadInputError, match="more than one"):
            desk.register.find("000000")


def test_repeating_an_act_word_for_word_changes_nothing(made: Registered) -> None:
    """A second check, narrowing, refusal or filing under the same id adds neither file nor statement."""
    id_ = bytes(range(16))
    with made.desk() as desk:
        for _ in range(2):
            demand = desk.receive(filed(asks=("location", "traffic")), [PERSON], id_=id_)
        for _ in range(2):
            desk.check(demand)
        for _ in range(2):
            desk.narrow(demand, "Anna", asks=("location",))
        for _ in range(2):
            done = desk.refuse(demand, CODES, "Anna")

    assert len(done.acts) == len(acts(made, done)) == 4
    assert len(posted(made)) == 3


def test_an_id_is_not_used_for_two_demands(made: Registered) -> None:
    """Another demand under an id that is there is refused."""
    with made.desk() as desk:
        desk.receive(filed(), [PERSON], id_=bytes(16))
        with pytest.raises(StateError, match="says otherwise"):
            desk.receive(filed(purpose="other"), [PERSON], id_=bytes(16))


def test_what_ended_stays_ended(made: Registered) -> None:
    """After a refusal another refusal, a check or a withdrawal is refused and nothing is written."""
    left = full(made)
    before = snapshot(made.register)
    with made.desk() as desk:
        tried: list[Callable[[], Demand]] = [
            lambda: desk.refuse(left, ("RealTime",), "Anna"),
            lambda: desk.refuse(left, CODES, "Bert"),
            lambda: desk.check(left),
            lambda: desk.withdraw(left, "Anna"),
            lambda: desk.narrow(left, "Anna", begins=DAY - 4),
        ]
        for act in tried:
            with pytest.raises(StateError, match="the demand is refused"):
                act()
    assert snapshot(made.register) == before


@pytest.mark.parametrize("by", ["", "  ", "+959770000001", "A\nB"])
def test_people_decide_by_name(made: Registered, by: str) -> None:
    """A refusal, a narrowing or a withdrawal by nobody, or by a number, is refused."""
    with made.desk() as desk:
        demand = desk.receive(filed(asks=("location", "traffic")), [PERSON])
        tried: list[Callable[[], Demand]] = [
            lambda: desk.refuse(demand, CODES, by),
            lambda: desk.withdraw(demand, by),
            lambda: desk.narrow(demand, by, asks=("location",)),
        ]
        for act in tried:
            with pytest.raises(BadInputError, match="by:"):
                act()


@pytest.mark.parametrize(("codes", "word"), [((), "at least one code"), (("No",), "no such code")])
def test_a_refusal_has_a_known_code(made: Registered, codes: tuple[str, ...], word: str) -> None:
    """No refusal without one, and none with another."""
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON])
        with pytest.raises(BadInputError, match=word):
            desk.refuse(demand, codes, "Anna")


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [
        (0, b'"authority":"District Court","authority_kind"', b'"authority":"Another Court","authority_kind"'),
        (4, b'"codes":["MultipleTargets","WindowTooLong"],"held"', b'"codes":["RealTime"],"held"'),
    ],
)
def test_an_act_that_says_otherwise_than_its_statement_is_found(
    made: Registered, number: int, old: bytes, new: bytes
) -> None:
    """Facts and codes are those that the log tells of, in the last act too."""
    path = acts(made, full(made))[number]
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(BadInputError, match="says otherwise than its statement"), made.desk(write=False):
        pass


@pytest.mark.parametrize("number", range(5))
def test_an_altered_act_is_found_by_its_file(made: Registered, number: int) -> None:
    """A byte of any act changed, with form and statement intact: the next act's file, or its own, is named."""
    left = full(made)
    path = acts(made, left)[number]
    path.write_bytes(path.read_bytes().replace(b'"at":1', b'"at":2'))
    if number == 4:  # nothing follows the last act: its digest stands nowhere, but its statement does
        path.write_bytes(path.read_bytes().replace(b"MultipleTargets", b"RealTimeRequest"))
    with pytest.raises(BadInputError, match="put back the last good copy"), made.desk(write=False):
        pass


@pytest.mark.parametrize("number", range(5))
def test_a_missing_act_is_found(made: Registered, number: int) -> None:
    """An act taken out anywhere, the last one too, breaks the chain or leaves a statement without its act."""
    left = full(made)
    acts(made, left)[number].unlink()
    with pytest.raises(BadInputError, match="missing; put back the last good copy"), made.desk():
        pass


def test_a_missing_demand_is_found(made: Registered) -> None:
    """The ledger still tells of it."""
    left = full(made)
    shutil.rmtree(made.register / "demands" / left.name)
    with pytest.raises(BadInputError, match=f"{left.name}: the act that made"), made.desk():
        pass


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"v":1}', b"\xff", b'{"v":1,"prev":""}'])
def test_what_is_no_act_is_refused_by_its_file(made: Registered, data: bytes) -> None:
    """Empty, torn or foreign bytes in an act's place are named."""
    path = acts(made, full(made))[0]
    path.write_bytes(data)
    with pytest.raises(BadInputError, match=r"0001\.json: does not follow"), made.desk():
        pass


def test_a_foreign_folder_is_named(made: Registered) -> None:
    """What does not belong into the register is not passed over."""
    full(made)
    (made.register / "demands" / "notes").mkdir()
    with pytest.raises(BadInputError, match="notes: does not belong"), made.desk(write=False):
        pass


def test_one_writer_at_a_time(made: Registered) -> None:
    """A second writer is turned away while the first works."""
    with made.desk(), pytest.raises(LockedError), made.desk():
        pass


def test_where_there_is_no_register_it_says_so(made: Registered) -> None:
    """A place without a register is no register."""
    shutil.rmtree(made.register)
    with pytest.raises(NoStoreError, match="no register there"), made.desk():
        pass


def test_the_register_goes_on_without_the_store(made: Registered) -> None:
    """When store, slots and custodians are gone, demands are filed, checked and refused, and the log tells of it."""
    left = full(made)
    place = made.made.deployment
    for folder in (place.root, place.slots, place.custodians, place.custodian_slots):
        shutil.rmtree(folder)
    with made.desk() as desk:
        later = desk.check(desk.receive(filed(), [PERSON]))
        done = desk.refuse(later, ("DataNotHeld",), "Anna")
        assert desk.register.find(left.name) == left

    assert [item.code for item in later.findings] == ["DataNotHeld"]
    assert done.held is not None
    assert {span.state for span in done.held.spans} == {"no-store"}
    assert len(posted(made)) == 5


def test_a_demand_that_is_there_is_not_called_not_held(made: Registered) -> None:
    """A refusal may not say that nothing is held while something is."""
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON])
        object.__setattr__(desk, "books", _Full())
        with pytest.raises(BadInputError, match="DataNotHeld would be untrue"):
            desk.refuse(demand, ("DataNotHeld",), "Anna")


def test_what_the_branch_reads_is_not_called_impossible(made: Registered) -> None:
    """Nobody is told that complying is impossible while all that is left lies open at the branch."""
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON])
        object.__setattr__(desk, "books", _Full("open"))
        with pytest.raises(BadInputError, match="DeFactoImpossibility would be untrue"):
            desk.refuse(demand, ("DeFactoImpossibility",), "Anna")
        with pytest.raises(BadInputError, match="choose other codes"):
            desk.refuse(demand, ("DataNotHeld",), "Anna")
        assert desk.register.find(demand.name) == demand


class _Full:
    """Books in which everything is held, in one state."""

    def __init__(self, state: str = "closed") -> None:
        self.state = state

    def of(self, *_: object) -> model.Held:
        return held(self.state)


def test_two_hundred_demands_are_not_slow(made: Registered) -> None:
    """The cost of a demand does not grow with the register: each writes as many files as the first."""
    steps: list[str] = []
    counts = []
    with made.desk() as desk, observed(lambda moment, _: steps.append(moment)):
        for number in range(12):
            demand = desk.receive(filed(targets=40, reference=f"{number}"), OTHERS)
            desk.refuse(desk.check(demand), ("MultipleTargets",), "Anna")
            counts.append(len(steps))
            steps.clear()
    assert len(set(counts[1:])) == 1
