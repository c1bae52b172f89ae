"""A group objects, and no handover is made; what breaks the pause shows in the public log; a forgetting goes on."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.handover import one_tariff
from tests.support.stores import FIRST_DAY, TestStore, made_store
from unheld.assembly import CLOCK_VARIABLE
from unheld.exit import issuing, objection
from unheld.exit.objection import GroupKey
from unheld.ledger import Ledger
from unheld.workflows import leave
from unheld_verify import checkpoint, crypto, note, promises, statement, tiles
from unheld_verify.errors import BadInputError, StateError, UnheldError, VerificationError

WORDS = "You did not ask us.\nသင် မမေးခဲ့ပါ\n"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestStore:
    """A deployment whose standstills take 30 days, and a file with one tariff to hand over."""
    store = made_store(tmp_path)
    monkeypatch.setenv(CLOCK_VARIABLE, str(store.now))
    one_tariff(tmp_path)
    return store


def _move(made: TestStore, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    made.set_clock(FIRST_DAY + timedelta(days=days), 0)
    monkeypatch.setenv(CLOCK_VARIABLE, str(made.now))


def _group(made: TestStore) -> GroupKey:
    key = objection.new_key()
    leave.register_group(made.deployment, note.format_key(key.public))
    return key


def _note(made: TestStore, key: GroupKey, **other: str) -> bytes:
    policy = made.deployment.policy()
    told = {"origin": policy.origin, "store": policy.store_id.hex(), "date": "2026-07-01", "words": WORDS} | other
    return objection.sign(key, told["origin"], told["store"], told["date"], told["words"])


def _hand_over(made: TestStore, name: str = "out") -> leave.Issued:
    return leave.hand_over(made.deployment, made.folder / name, made.folder / "handover.toml")


def test_a_handover_waits_for_the_pinned_days(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the day of the objection until before the thirtieth after it nothing is handed over; then it is."""
    pause = leave.object_to(made.deployment, _note(made, key := _group(made)))

    assert (pause.group, pause.begins, pause.ends) == (key.name, "2026-07-01", "2026-07-31")
    for days in (0, 29):
        _move(made, monkeypatch, days)
        with pytest.raises(StateError, match=f"until 2026-07-31, after objections by {key.name}"):
            _hand_over(made)
        assert not (made.folder / "out").exists()
    _move(made, monkeypatch, 30)
    assert _hand_over(made).paper.body["standstills"] == [pause.words]


def test_the_forgetting_goes_on(made: TestStore) -> None:
    """An objection keeps no data: else whoever wants it kept would object."""
    leave.object_to(made.deployment, _note(made, _group(made)))
    plan = leave.plan_drop(made.deployment)

    assert leave.drop(made.deployment, plan, plan.digest[:8]).applied.act == "everything"


def test_the_log_tells_of_key_objection_and_pause(made: TestStore) -> None:
    """The digest in the log is that of the note that the register keeps."""
    data = _note(made, key := _group(made))
    leave.object_to(made.deployment, data)
    made.publish()

    log = tiles.open_log(str(made.deployment.log))
    told = {found.statement["kind"]: found.statement for _, found in issuing.openings(made.deployment)}
    [kept] = (made.deployment.register / "objections").iterdir()
    assert kept.read_bytes() == data
    assert told["standstill"]["digest"] == crypto.sha256(data).hex()
    assert note.parse_key(told["group"]["key"]) == key.public
    assert tiles.verify_log(log, made.deployment.log_key()).size >= 32


def test_a_group_objects_once(made: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the same note nor another one of the same group, now or after its pause, begins a second one."""
    data = _note(made, key := _group(made))
    leave.object_to(made.deployment, data)
    for days, again in ((0, data), (40, data), (40, _note(made, key, words="once more"))):
        _move(made, monkeypatch, days)
        with pytest.raises(StateError, match="has objected before"):
            leave.object_to(made.deployment, again)
    leave.object_to(made.deployment, _note(made, _group(made)))
    assert len(leave.pauses(made.deployment).all) == 2


def test_a_lost_ledger_ends_no_standstill(made: TestStore) -> None:
    """What the public log tells of counts, whatever files are gone."""
    leave.object_to(made.deployment, _note(made, _group(made)))
    made.publish()
    for path in made.deployment.ledger.glob("0*.json"):
        path.unlink()

    with pytest.raises(StateError, match="standstill runs"):
        _hand_over(made)


def test_a_broken_standstill_is_visible(made: TestStore) -> None:
    """An owner who hands over all the same, or dates it back, shows in the statements; a handover before does not."""
    _hand_over(made)
    pause = leave.object_to(made.deployment, _note(made, _group(made)))
    assert leave.pauses(made.deployment).broken == ()
    origin = made.deployment.policy().origin
    for day in ("2026-07-20", "2026-06-01"):
        said = statement.make(origin, "paper", day, paper="manifest", digest="11" * 32)
        Ledger(made.deployment.ledger).post(statement.commit(said))
    made.publish()

    found = leave.pauses(made.deployment).broken
    assert [(one.group, one.ends, one.day) for one in found] == [
        (pause.group, pause.ends, "2026-07-20"),
        (pause.group, pause.ends, "2026-06-01"),
    ]


def test_headquarters_judges_as_the_verifier_does(made: TestStore) -> None:
    """A manifest that stands before an objection and is dated after it is a handover against it, for both."""
    origin = made.deployment.policy().origin
    said = statement.make(origin, "paper", "2026-07-20", paper="manifest", digest="11" * 32)
    Ledger(made.deployment.ledger).post(statement.commit(said))
    leave.object_to(made.deployment, _note(made, _group(made)))
    made.publish()
    log, key = tiles.open_log(str(made.deployment.log)), made.deployment.log_key()

    days = [one.day for one in promises.broken(log, checkpoint.verify(log.checkpoint(), key))]
    assert days == [one.day for one in leave.pauses(made.deployment).broken] == ["2026-07-20"]


def test_it_works_without_the_store(made: TestStore) -> None:
    """Groups, objections, standstills and handovers need the register and the log only."""
    shutil.rmtree(made.root)
    leave.object_to(made.deployment, _note(made, _group(made)))

    with pytest.raises(StateError, match="standstill runs"):
        _hand_over(made)


def test_registering_again_changes_nothing(made: TestStore) -> None:
    """The log names a key once."""
    key = _group(made)
    before = len(Ledger(made.deployment.ledger).kept())
    leave.register_group(made.deployment, note.format_key(key.public))

    assert len(Ledger(made.deployment.ledger).kept()) == before


def test_a_name_belongs_to_one_key(made: TestStore) -> None:
    """A second key under a registered name is refused."""
    key = _group(made)
    other = GroupKey(key.name, crypto.random_bytes(32))

    with pytest.raises(StateError, match="another key"):
        leave.register_group(made.deployment, note.format_key(other.public))


@pytest.mark.parametrize("name", ["SomeGroup", "w-Yangon", "w-7f3a1", "w-7F3A19"])
def test_a_name_that_says_something_is_refused(made: TestStore, name: str) -> None:
    """Names are random digits: a list of objectors must be worth nothing."""
    with pytest.raises(BadInputError, match="random name"):
        leave.register_group(made.deployment, note.format_key(GroupKey(name, bytes(32)).public))


def _bad(made: TestStore, key: GroupKey) -> dict[str, tuple[bytes, type[UnheldError], str]]:
    good = _note(made, key)
    stranger = objection.new_key()
    two = note.parse(good)
    both = note.Note(two.text, (*two.signatures, *note.parse(_note(made, stranger)).signatures))
    return {
        "a stranger's": (_note(made, stranger), VerificationError, "no signature by a given key"),
        "altered": (good.replace(b"did not", b"did"), VerificationError, "is wrong"),
        "another log's": (_note(made, key, origin="other.example/log"), VerificationError, "other.example/log"),
        "another store's": (_note(made, key, store="ab" * 16), VerificationError, "is for store"),
        "dated ahead": (_note(made, key, date="2026-07-02"), BadInputError, "which is to come"),
        "two signatures": (note.encode(both), BadInputError, "one signature"),
        "no note": (b"We object.\n", BadInputError, "signature"),
        "another text": (note.encode(note.sign("hello\n", key.name, key.seed)), BadInputError, "this is no objection"),
        "no words": (
            note.encode(note.sign(f"unheld objection v1\no\n{'0' * 32}\n2026-07-01\n", key.name, key.seed)),
            BadInputError,
            "this is no objection",
        ),
        "no date": (
            note.encode(note.sign(f"unheld objection v1\no\n{'0' * 32}\ntoday\nx\n", key.name, key.seed)),
            BadInputError,
            "not a date",
        ),
    }


@pytest.mark.parametrize(
    "case",
    ["a stranger's", "altered", "another log's", "another store's", "dated ahead", "two signatures", "no note",
     "another text", "no words", "no date"],
)  # fmt: skip
def test_a_bad_objection_changes_nothing(case: str, made: TestStore) -> None:
    """It is refused with its reason, kept nowhere, and no standstill begins."""
    data, kind, said = _bad(made, _group(made))[case]

    with pytest.raises(kind, match=said):
        leave.object_to(made.deployment, data)
    assert leave.pauses(made.deployment).all == ()
    assert not (made.deployment.register / "objections").exists()


def test_without_registered_groups_it_says_so(made: TestStore) -> None:
    """The mend is named."""
    with pytest.raises(StateError, match="exit group add"):
        leave.object_to(made.deployment, _note(made, objection.new_key()))


def test_a_key_file_is_read_as_it_was_written() -> None:
    """The private key is a signer key of C2SP tools; what is damaged is refused and not repeated."""
    key = objection.new_key()
    assert objection.decode_key(key.encode()) == key
    for bad in ("", "x", key.encode()[:-5], key.encode().replace(key.name, "w-00000000"), "PRIVATE+KEY+a+b+!"):
        with pytest.raises(BadInputError) as caught:
            objection.decode_key(bad)
        assert key.encode()[30:] not in str(caught.value)


@pytest.mark.parametrize("words", ["", " \n\n ", "x" * 10_001, "a\x07b"])
def test_words_that_are_none_are_refused(words: str) -> None:
    """An objection says why, in text that others can read."""
    with pytest.raises(BadInputError):
        objection.sign(objection.new_key(), "log.example/x", "00" * 16, "2026-07-01", words)
