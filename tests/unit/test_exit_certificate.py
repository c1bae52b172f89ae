"""The certificate: made only when nothing is held, checked with the log's key alone, honest about what it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.stores import FIRST_DAY, Saved, TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE
from unheld.exit import certificate, held, issuing
from unheld.exit.limits import LIMITS
from unheld.inventory import Inventory, Place
from unheld.papers.document import Notice
from unheld.testing.synthetic import Operator
from unheld.workflows import leave
from unheld_verify import canonical, crypto, paper
from unheld_verify.errors import (
    BadInputError,
    CannotVerifyError,
    NoStoreError,
    PartialError,
    StateError,
    VerificationError,
)

OPERATOR = Operator(seed=7, subscribers=40, days=2, first_day=FIRST_DAY)
NEXT = FIRST_DAY + timedelta(days=1)
README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """A store with one closed day, three custodians of whom two open a day, and a copy of the tree."""
    store = made_store(tmp_path_factory.mktemp("made"), n=3, t=2, copies=1)
    store.open_day(FIRST_DAY)
    store.ingest(OPERATOR.day(FIRST_DAY))
    store.close()
    Inventory(store.root).add(Place("mediation", "operations", "call records", "13 months", False, "2026-06-30"))
    return Saved(store)


@pytest.fixture
def made(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> TestStore:
    """As it was, for one test."""
    monkeypatch.setenv(CLOCK_VARIABLE, str(saved.made.now))
    return saved.again()


def _drop(made: TestStore) -> leave.Dropped:
    plan = leave.plan_drop(made.deployment)
    return leave.drop(made.deployment, plan, plan.digest[:8])


def _certify(made: TestStore, name: str = "out", form: Path | None = None) -> leave.Issued:
    return leave.certify(made.deployment, made.folder / name, form)


def test_it_verifies_with_the_logs_key_alone(made: TestStore) -> None:
    """Founding, erasure and the paper itself are proven in the file; nothing else is asked."""
    _drop(made)
    made_paper = _certify(made).paper
    key = made.deployment.log_key()
    for folder in made.deployment.folders():
        shutil.rmtree(folder)

    checked = paper.verify((made.folder / "out" / "certificate.json").read_bytes(), key)

    assert checked.paper == made_paper
    assert {found.statement["kind"] for found in checked.receipts} == {"genesis", "paper", "erase-everything"}
    assert sorted(path.name for path in (made.folder / "out").iterdir()) == [
        "certificate.html", "certificate.json", "certificate.pdf",
    ]  # fmt: skip


def test_it_says_what_the_log_says(made: TestStore) -> None:
    """Day, slots and copies are the statement's; an altered one is false, whoever signs it again."""
    _drop(made)
    found = _certify(made).paper
    assert found.body["destroyed"] == {
        "day": "2026-07-01", "slots": "file: does not survive a snapshot of this disk", "copies": 2,
    }  # fmt: skip
    body = {**found.body, "destroyed": {**found.body["destroyed"], "copies": 7}}
    other = paper.make("certificate", found.log, found.store, found.day, body).signed(made.deployment.seed("plan"))

    with pytest.raises(VerificationError):
        paper.verify(other.proven(found.proofs).encode(), made.deployment.log_key())


def test_lapses_are_proven_in_it(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went by the calendar before stands in it with its proofs."""
    made.set_clock(FIRST_DAY + timedelta(days=9))
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))
    made.lapse()
    _drop(made)

    proven = paper.verify(_certify(made).paper.encode(), made.deployment.log_key())
    assert [found.statement["kind"] for found in proven.receipts][-1] == "lapse"


def _nothing(_: TestStore) -> None: ...


def _row(made: TestStore) -> None:
    _drop(made)
    made.open_day(NEXT)
    made.ingest(OPERATOR.day(NEXT))


def _opened(made: TestStore) -> None:
    _drop(made)
    made.open_day(NEXT)


def _opened_and_closed(made: TestStore) -> None:
    _opened(made)
    made.close()


def _parked(made: TestStore) -> None:
    made.open_day(NEXT)
    _drop(made)
    made.open_day(NEXT + timedelta(days=1))
    made.park(OPERATOR.day(NEXT))


HELD: dict[str, tuple[Callable[[TestStore], None], str]] = {
    "nothing erased": (_nothing, "still held: sealing days: 2026-07-01; columns: 11; rows: some"),
    "sealed since": (_row, "still held: sealing days: 2026-07-02; columns"),
    "opened since": (_opened, "still held: sealing days: 2026-07-02"),
    "opened and closed since": (_opened_and_closed, "still held: sealing days: 2026-07-02"),
    "parked since": (_parked, "parked batches: 1"),
}


@pytest.mark.parametrize("case", HELD)
def test_what_is_still_held_is_named(case: str, made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No certificate is made while anything is held, and nothing is written or stated."""
    do, said = HELD[case]
    do(made)
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))

    with pytest.raises(StateError, match="no certificate is made") as caught:
        _certify(made)

    assert said in str(caught.value)
    assert not (made.folder / "out").exists()
    assert not [told for told in issuing.statements(made.deployment) if told["kind"] == "paper"]


def test_an_empty_store_destroyed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was never used certifies nothing before its keys are dropped."""
    store = made_store(tmp_path)
    monkeypatch.setenv(CLOCK_VARIABLE, str(store.now))

    with pytest.raises(StateError, match="nothing was erased"):
        _certify(store)


def test_without_the_store_the_log_tells(made: TestStore) -> None:
    """Drop, remove every folder but register, headquarters and log: the certificate verifies; the inventory stays."""
    _drop(made)
    deployment = made.deployment
    for folder in (deployment.root, deployment.slots, deployment.custodians, deployment.custodian_slots):
        shutil.rmtree(folder)
    made_paper = _certify(made).paper

    paper.verify(made_paper.encode(), deployment.log_key())
    assert (made_paper.body["erase"]["attested"], made_paper.body["erase"]["unaccounted"]) == (0, 3)
    assert [place["name"] for place in made_paper.body["inventory"]["places"]] == ["mediation"]


def test_a_store_that_was_thrown_away_is_not_certified(made: TestStore) -> None:
    """Deleting a folder destroys no key: without the log's statement there is no certificate."""
    made.publish()
    shutil.rmtree(made.root)

    with pytest.raises(CannotVerifyError, match="no certificate is made"):
        _certify(made)
    with pytest.raises(NoStoreError, match="nothing to drop"):
        leave.plan_drop(made.deployment)


def test_a_lost_inventory_is_told(made: TestStore) -> None:
    """Which other places hold such data is then UNKNOWN, not none."""
    _drop(made)
    shutil.rmtree(made.root)
    (made.deployment.register / "inventory.json").unlink()

    assert "UNKNOWN" in _certify(made).paper.body["inventory"]["words"]


def test_custodians_that_are_away_are_unaccounted_for(made: TestStore) -> None:
    """Who does not attest on that day does not count."""
    _drop(made)
    shutil.rmtree(made.deployment.custodians / "custodian-1")
    found = _certify(made).paper.body["erase"]

    assert (found["custodians"], found["threshold"], found["attested"], found["unaccounted"]) == (3, 2, 2, 1)
    assert found["condition"] == "column keys are erased only if fewer than 2 of 3 custodians kept theirs"


def test_too_few_custodians_are_an_error_and_the_proof_is_out(made: TestStore) -> None:
    """Rows are gone, the log tells it, and the drop ends as `erase apply` does, asking for the rest."""
    for number in (1, 2):
        shutil.rmtree(made.deployment.custodians / f"custodian-{number}")

    with pytest.raises(PartialError, match="1 of 2 needed custodians"):
        _drop(made)
    assert "erase-everything" in {found.statement["kind"] for _, found in issuing.openings(made.deployment)}


def test_a_plan_for_less_is_no_drop(made: TestStore) -> None:
    """A plan for a day is not carried out as one for everyone."""
    from unheld.plans import planning
    from unheld_verify import columns

    with made.opened() as store:
        plan = planning.plan_day(store, columns.day_of(FIRST_DAY), "", made.deployment.seed("plan")).plan

    with pytest.raises(StateError, match="not everyone"):
        leave.drop(made.deployment, plan, plan.digest[:8])


def test_the_same_facts_and_salt_are_the_same_bytes(made: TestStore) -> None:
    """A paper and its sheets depend on nothing but what they say: no clock, no order of a dictionary."""
    _drop(made)
    with made.opened() as store:
        found = held.destroyed(made.deployment, store)
    custody = certificate.Custody(3, 2, 3, ("file: x",))
    inventory = Inventory(made.root)
    with patch.object(crypto, "random_bytes", bytes):
        words = [
            certificate.body(made.deployment.policy(), found, custody, inventory, certificate.form(None)) for _ in "ab"
        ]
        papers = [issuing.draft(made.deployment, "certificate", body) for body in words]
    sheets = [issuing.sheets(certificate.document(made_paper)) for made_paper in papers]

    assert papers[0].encode() == papers[1].encode()
    assert sheets[0] == sheets[1]


def test_the_limits_are_the_readmes(made: TestStore) -> None:
    """Every limit of the README stands on the certificate, word for word."""
    text = README.read_text("utf-8").replace("*and*", "and")
    _drop(made)
    body = _certify(made).paper.body
    shown = (made.folder / "out" / "certificate.html").read_text("utf-8").replace("&#34;", '"').replace("&#39;", "'")

    assert [limit for limit in LIMITS if limit not in text] == []
    assert [limit for limit in body["not_promised"] if limit not in shown] == []
    assert body["not_promised"] == list(LIMITS)


def test_it_never_says_that_data_was_deleted(made: TestStore) -> None:
    """The title speaks of keys, an overwritten file is "Clear" and not "Purge", and unknown fields are "not given"."""
    _drop(made)
    body = _certify(made).paper.body

    assert body["title"] == "Keys of this store destroyed"
    assert body["sanitization"]["description"].startswith("Clear: ")
    assert "Not Purge" in body["sanitization"]["description"]
    assert {value for medium in body["media"] for value in medium.values()} == {"not given"}
    assert "data deleted" not in canonical.encode(body).decode()


def test_a_form_fills_what_a_person_knows(made: TestStore) -> None:
    """Makers, serial numbers and persons come from the form, and every field of NIST SP 800-88 is there."""
    _drop(made)
    form = made.folder / "form.toml"
    text = '[[media]]\nmanufacturer = "Maker"\nserial_number = "S1"\n'
    text += '[sanitization]\nname = "A Person"\ndate = 2026-07-01\n'
    form.write_text(text + '[more]\nassumptions = ["The cellar was locked."]\n')
    body = _certify(made, form=form).paper.body

    assert (body["media"][0]["manufacturer"], body["media"][0]["model"]) == ("Maker", "not given")
    assert body["persons"]["sanitization"] == {
        "name": "A Person", "position_title": "not given", "date": "2026-07-01", "location": "not given",
        "contact": "not given", "signature": "on paper",
    }  # fmt: skip
    assert body["assumptions"][-1] == "The cellar was locked."
    assert set(body["media"][0]) == set(certificate.MEDIA)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("media = 3", "media"),
        ("[[media]]\nmaker = 'x'", "'maker' is not known"),
        ("[sanitization]\nname = 3", "name"),
        ("[verification]\nnames = 'x'", "did you mean 'name'?"),
        ("[more]\nassumptions = [3]", "assumptions"),
        ("more = 3", "[more]"),
        ("verification = 3", "[verification] is no table"),
        ("x =", "not TOML"),
    ],
)
def test_a_bad_form_certifies_nothing(made: TestStore, text: str, said: str) -> None:
    """The field is named, and nothing is stated."""
    (made.folder / "form.toml").write_text(text)

    with pytest.raises(BadInputError, match=r"form\.toml") as caught:
        _certify(made, form=made.folder / "form.toml")
    assert said in str(caught.value)


def test_the_blank_form_can_be_read(tmp_path: Path) -> None:
    """An empty form is one where nothing is given."""
    path = tmp_path / "blank.toml"
    path.write_text(certificate.blank())

    assert certificate.form(path) == certificate.form(None)


def test_dates_are_the_clocks(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate made later says when the keys went and when it was made."""
    _drop(made)
    made.set_clock(date(2026, 8, 15))
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))
    found = _certify(made).paper

    assert (found.day, found.body["destroyed"]["day"]) == ("2026-08-15", "2026-07-01")


def test_its_first_words_are_headquarters_and_no_more_than_was_done(made: TestStore) -> None:
    """Who reads the sheet alone learns whose word it is, and that neither copies nor what came later are covered."""
    _drop(made)
    first = next(block for block in certificate.document(_certify(made).paper).blocks if isinstance(block, Notice))

    assert first.text.startswith("Headquarters states: on ")
    for phrase in (
        "until then",
        "each key tree that the log counted then",
        "sealed later, this does not cover",
        "no copy exists elsewhere",
    ):
        assert phrase in first.text
