"""`unheld access`: from a card to one's own records, through the commands, over a real store and its custodians."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support import databases
from tests.support.calls import ALICE, BOB, FIRST, Call, calls, many
from tests.support.commands import Box, Ended
from tests.support.journey import RECORDS, REGISTRY
from unheld.access import messages
from unheld.assembly import Deployment
from unheld.ledger import Ledger
from unheld.testing import textfile

SECOND, THIRD, FOURTH = (FIRST + timedelta(days) for days in (1, 2, 3))
KEYED = 'public_key = { field = "public_key", class = "all" }\n'


class Person:
    """A subscriber with a card and a folder, and the operator's store, at the command line."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.own = folder, folder / "own"
        self.box = Box(folder, FIRST, seconds=86_399)

    def live(self) -> None:
        """Calls on the first day, a card at its end, calls on the second, which is closed."""
        self.ran("init", "--custodians", "3", "--threshold", "2", "--home", "MM")
        self.ran("day", "open")
        self.ran("access", "key", "--out", self.folder / "card")
        self.number(ALICE)
        self.called(*many(3), name="first")
        self.enrol()
        self.next_day()
        late = Call(ALICE, FIRST, second=99)
        self.called(Call(ALICE, SECOND, second=7), Call(BOB, SECOND, second=9), late, name="second")
        self.next_day()

    def copied(self, folder: Path) -> Person:
        """The same in another folder: living takes longer than copying."""
        databases.copy(self.folder, folder)
        made = Person(folder)
        made.box.when = self.box.when
        return made

    def number(self, text: str) -> Path:
        """The number as a file at the counter."""
        path = self.folder / "number.txt"
        path.write_text(text)
        return path

    def ran(self, *words: str | Path, code: int = 0) -> Ended:
        """A command, and that it ended as it should."""
        ended = self.box(*words)
        assert ended.code == code, (words, ended)
        return ended

    def enrol(self, number: str = ALICE, holder: str = "H1", card: str = "card") -> None:
        """Put a card's public key into the registry."""
        path = self.folder / "keyed.toml"
        path.write_text(REGISTRY.read_text() + KEYED)
        public = (self.folder / card / "public-key.txt").read_text().strip()
        names = ("msisdn", "imsi", "imei", "holder", "since", "document", "public_key")
        line = {"msisdn": number, "holder": holder, "since": "2020-01-01", "public_key": public}
        table = pa.table({name: pa.array([line.get(name)], pa.string()) for name in names})
        self.ran("ingest", textfile.write(table, self.folder / f"{card}-registry.csv"), "--mapping", path)

    def called(self, *made: Call, name: str) -> None:
        """Take call records in."""
        self.ran("ingest", textfile.write(calls(*made), self.folder / f"{name}.csv"), "--mapping", RECORDS)

    def next_day(self) -> None:
        """Close this day and open the next."""
        self.box.when += timedelta(days=1)
        self.ran("day", "close")
        self.ran("day", "open")

    def begin(self, card: str = "card") -> None:
        """A request in the folder."""
        self.ran("access", "begin", self.own, "--card", self.folder / card / "card.txt")

    def slip(self, code: int = 0) -> Ended:
        """To the counter."""
        request, number = self.own / "request.json", self.folder / "number.txt"
        return self.ran("access", "slip", request, "--out", self.folder / "slip", "--file", number, code=code)

    def ask(self, *wish: str, code: int = 0) -> Ended:
        """A grant."""
        card = self.folder / "card" / "card.txt"
        return self.ran("access", "ask", self.own, "--slip", self.folder / "slip", "--card", card, *wish, code=code)

    def answer(self, code: int = 0) -> Ended:
        """Headquarters."""
        return self.ran("access", "answer", self.own / "grant.json", "--out", self.folder / "answers", code=code)

    def read(self) -> dict[str, list[dict[str, str]]]:
        """Check, fetch, open; the records."""
        self.ran("access", "check", self.own, self.folder / "answers")
        self.ran("access", "fetch", self.own / "wanted.json", "--out", self.folder / "blocks")
        self.ran("access", "open", self.own, self.folder / "blocks", "--out", self.folder / "records")
        found: dict[str, list[dict[str, str]]] = json.loads((self.folder / "records/records.json").read_text())[
            "records"
        ]
        return found


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Person:
    """Alice after two days."""
    made = Person(tmp_path_factory.mktemp("alice"))
    made.live()
    return made


@pytest.fixture
def person(alice: Person, tmp_path: Path) -> Person:
    """Alice: calls on the first day, a card at its end, calls on the second, which is closed."""
    return alice.copied(tmp_path)


def test_a_person_reads_what_was_sealed_to_the_card(person: Person) -> None:
    """Calls and the registry's facts from the enrolment on open; nothing of before it, no late record either."""
    person.begin()
    person.slip()
    said = person.ask()
    person.answer()
    found = person.read()

    assert [record["time"] for record in found["charge"]] == ["2026-07-02T00:00:07+00:00"]
    assert [(record["holder"], record["since"]) for record in found["identity"]] == [
        ("H1", "2020-01-01T00:00:00+00:00")
    ]
    assert "compare these words" in said.out
    assert person.ran("custody", "status", "--json").document["headquarters"] in said.out
    page = (person.folder / "records" / "records.html").read_text()
    assert "every part came from two custodians or more" in page
    assert "from 2026-07-01 23:59:59 UTC on" in page


def test_headquarters_log_counts_and_names_nobody(person: Person) -> None:
    """One statement without a field, and only where custodians answered."""
    person.begin()
    person.slip()
    person.ask()
    person.answer()
    person.answer(code=4)

    kept = [item.opening.statement for item in Ledger(Deployment(person.box.root).ledger).kept()]
    assert [set(item) for item in kept if item["kind"] == "access-answered"] == [{"v", "log", "kind", "day"}]


def _other_number(person: Person) -> None:
    person.number(BOB)
    person.begin()


def _nobody_s_number(person: Person) -> None:
    person.number("+99955555555")
    person.begin()


def _other_card(person: Person) -> None:
    person.ran("access", "key", "--out", person.folder / "other")
    person.begin("other")


@pytest.mark.parametrize("way", [_other_number, _nobody_s_number, _other_card])
def test_the_counter_says_the_same_to_everybody_without_the_card(person: Person, way: Callable[[Person], None]) -> None:
    """Another's number, nobody's number, another card: one refusal, which tells nothing of the number."""
    way(person)

    ended = person.slip(code=4)

    assert ended.err.strip() == "unheld: this card is not registered for the number that was given"
    assert not (person.folder / "slip").exists()


def test_an_officer_s_key_opens_nothing_of_before(person: Person) -> None:
    """Whoever enrols a key of theirs for a person's number reads later days; the person's slip tells them of it."""
    person.ran("access", "key", "--out", person.folder / "officer")
    person.enrol(card="officer")
    person.called(Call(ALICE, THIRD, second=5), name="third")
    person.next_day()
    person.called(Call(ALICE, FOURTH, second=3), name="fourth")
    person.next_day()
    person.begin("officer")
    person.slip()
    ended = person.box("access", "ask", person.own, "--slip", person.folder / "slip", "--card",
                       person.folder / "officer" / "card.txt")  # fmt: skip
    assert ended.code == 0, ended
    person.answer()
    assert [record["time"] for record in person.read()["charge"]] == ["2026-07-04T00:00:03+00:00"]

    person.own = person.folder / "alice"
    person.begin()
    person.slip()
    person.ask()
    person.answer()
    found = person.read()
    assert [record["day"] for record in found["charge"]] == ["2026-07-02", "2026-07-03"]
    page = (person.folder / "records" / "records.html").read_text()
    assert "if you did not register another card" in page


def test_a_forgotten_person_has_no_such_access(person: Person) -> None:
    """Once forgotten, the card is registered for nothing, and custodians answer no grant of before."""
    person.begin()
    person.slip()
    person.ask()
    plan = person.folder / "plan.json"
    person.ran("erase", "plan", "--file", person.folder / "number.txt", "--out", plan)
    digest = json.loads(person.ran("--json", "erase", "plan", "--file", person.folder / "number.txt", "--out",
                                   person.folder / "plan2.json").out)["digest"]  # fmt: skip
    person.ran("erase", "apply", person.folder / "plan2.json", "--confirm", digest)

    person.slip(code=4)
    person.answer(code=13)


def test_nothing_said_shows_number_or_card(person: Person) -> None:
    """What the commands say holds no number and no group of the card."""
    person.begin()
    ended = [person.slip(), person.ask(), person.answer()]
    ended += [person.ran("access", "check", person.own, person.folder / "answers")]
    groups = re.findall("[0-9a-f]{4}", (person.folder / "card" / "card.txt").read_text())

    said = "".join(one.out + one.err for one in ended)
    assert ALICE.strip("+") not in said
    assert not any(f"{first}-{second}" in said for first, second in pairwise(groups))


def test_a_mistyped_card_is_refused_before_anything(person: Person) -> None:
    """The line is named, and no folder is made."""
    path = person.folder / "typed.txt"
    lines = (person.folder / "card" / "card.txt").read_text().splitlines()
    path.write_text("\n".join([lines[1], lines[0], *lines[2:]]))

    ended = person.ran("access", "begin", person.own, "--card", path, code=1)

    assert "line 1 is mistyped" in ended.err
    assert not person.own.exists()


def test_files_in_the_wrong_place_are_refused(person: Person) -> None:
    """Each step knows its own kind of file."""
    person.begin()
    person.slip()
    person.ask()
    person.ran("access", "answer", person.own / "request.json", "--out", person.folder / "x", code=1)
    person.ran("access", "slip", person.own / "grant.json", "--out", person.folder / "x", "--file",
               person.folder / "number.txt", code=1)  # fmt: skip
    person.ran("access", "fetch", person.own / "grant.json", "--out", person.folder / "x", code=1)
    person.ran("access", "check", person.own, person.folder / "missing", code=1)

    assert not (person.folder / "x").exists()


def test_a_bucket_has_company(person: Person) -> None:
    """What the counter hands over of each file holds 16 blocks or more."""
    person.begin()
    person.slip()
    person.ask()
    person.answer()
    person.read()
    store = Deployment(person.box.root).policy().store_id
    came = messages.blocks_of((person.folder / "blocks").read_bytes(), store)

    assert came
    assert all(len(one.ids) >= 16 for one in came)


def test_an_unknown_class_is_refused(person: Person) -> None:
    """Classes are a closed list."""
    person.begin()
    person.slip()

    assert "choose from" in person.ask("--class", "names", code=2).err


def test_a_card_gets_a_folder_of_its_own(person: Person) -> None:
    """A second card never overwrites a first."""
    before = (person.folder / "card" / "card.txt").read_bytes()

    person.ran("access", "key", "--out", person.folder / "card", code=2)

    assert (person.folder / "card" / "card.txt").read_bytes() == before
