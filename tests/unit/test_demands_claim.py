"""What a claimant is told: which demands named one line, with receipts that verify; logged before it is answered."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.demands import DAY, PERSON, TODAY, Registered, filed, register_of
from unheld.ledger import Ledger
from unheld.workflows import demand as journeys
from unheld.workflows import running
from unheld.workflows.demand import Told
from unheld_slots.durable import observed
from unheld_verify import crypto, receipt
from unheld_verify.errors import BadInputError, NotAllowedError, UsageError, WrongKeyError

STRANGER = "tel:+99900000000"


@pytest.fixture
def made(tmp_path: Path) -> Registered:
    """Three demands: one refused and one received that name the person, one that names another."""
    made = register_of(tmp_path)
    with made.desk() as desk:
        desk.refuse(desk.receive(filed(targets=2), [PERSON, "tel:+99922222222"]), ("MultipleTargets",), "Anna")
        desk.receive(filed(target_kind="contacts"), [PERSON])
        desk.receive(filed(), ["tel:+99922222222"])
    return made


def claim(made: Registered, identity: str = PERSON, asker: str = "the holder, by SIM") -> list[Told]:
    """Ask once."""
    deployment = made.made.deployment
    with made.clock():
        return journeys.answer_claim(deployment, identity, asker, deployment.escrow_private(), made.made.folder / "out")


def answered(made: Registered) -> int:
    """How many claims the ledger tells of."""
    kept = Ledger(made.made.deployment.ledger).kept()
    return sum(item.opening.statement["kind"] == "claim-answered" for item in kept)


def test_each_published_statement_gets_a_receipt_that_verifies(made: Registered) -> None:
    """Two demands named the line, with three statements: each receipt says that the line is named."""
    made.made.publish()
    told = claim(made)
    paths = [path for item in told for path in item.receipts]
    read = [receipt.verify(path.read_bytes(), made.made.deployment.log_key()) for path in paths]

    assert len(told) == 2
    assert sorted(item.statement["kind"] for item in read) == ["demand-received"] * 2 + ["demand-refused"]
    assert all(item.party is not None and item.party.identity == PERSON for item in read)
    assert all("a line that this demand named" in item.says for item in read)


def test_what_is_not_in_the_log_yet_is_said(made: Registered) -> None:
    """Before a publication there is no proof, and the kinds that wait are named."""
    told = claim(made)
    assert [(item.receipts, item.waiting) for item in told if item.demand.codes] == [
        ((), ("demand-received", "demand-refused"))
    ]


def test_a_line_that_nobody_named_is_told_so_and_logged(made: Registered) -> None:
    """The log tells of the claim whatever the answer was."""
    assert claim(made, STRANGER) == []
    assert answered(made) == 1


@pytest.mark.parametrize("given", [{"secret_until": DAY + 3}, {"secret_without_end": True}])
def test_a_secret_demand_is_told_by_its_date_alone(tmp_path: Path, given: dict[str, int]) -> None:
    """While its secrecy lasts there is a date and no receipt; on that day there is a receipt."""
    made = register_of(tmp_path)
    with made.desk() as desk:
        desk.receive(filed(**given), [PERSON])
    made.made.publish()
    [closed] = claim(made)
    assert (closed.closed_until, closed.receipts) == (DAY + (4 if "secret_until" in given else 365), ())

    made.made.set_clock(TODAY + timedelta(closed.closed_until - DAY))
    [told] = claim(made)
    assert (told.closed_until, len(told.receipts)) == (-1, 1)


def test_there_are_ten_answers_a_day_and_no_more(made: Registered) -> None:
    """The eleventh is refused by the bound's own words, whoever asks; the next day there are ten again."""
    for _ in range(journeys.CLAIMS_A_DAY):
        claim(made, STRANGER)
    with pytest.raises(NotAllowedError, match="10 claims were answered today"):
        claim(made)
    assert answered(made) == journeys.CLAIMS_A_DAY == 10
    made.made.set_clock(TODAY + timedelta(1))
    assert len(claim(made)) == 2


def test_a_claim_is_logged_before_a_box_is_opened(made: Registered) -> None:
    """With another escrow key nothing is told, and the log tells that somebody tried."""
    deployment = made.made.deployment
    with made.clock(), pytest.raises(WrongKeyError, match=r"named\.box"):
        journeys.answer_claim(deployment, PERSON, "words", crypto.park_keypair()[0], made.made.folder / "out")
    assert answered(made) == 1
    assert not (made.made.folder / "out").exists()


def test_a_crash_before_the_log_has_it_answers_nothing(made: Registered) -> None:
    """Where the statement cannot be kept, nobody is told anything."""

    def stop(moment: str, path: Path) -> None:
        if moment == "before rename" and path.parent == made.made.deployment.ledger:
            raise KeyboardInterrupt

    with observed(stop), pytest.raises(KeyboardInterrupt):
        claim(made)
    assert (answered(made), (made.made.folder / "out").exists()) == (0, False)


def test_who_asked_is_kept_sealed_and_the_line_is_not_kept(made: Registered) -> None:
    """The words are in a box for the escrow key; neither they nor the number stand in clear."""
    claim(made, STRANGER, "Ma Thida, by her identity card")
    [box] = (made.register / "claims").iterdir()
    plain = crypto.box_open(
        made.made.deployment.escrow_private(), box.read_bytes(),
        b"unheld/v1/claim" + made.made.deployment.policy().store_id,
    )  # fmt: skip
    files = [path for path in made.made.folder.rglob("*") if path.is_file()]

    assert b"Ma Thida" in plain
    assert b"99900000000" not in plain
    assert not any(b"Thida" in path.read_bytes() or b"99900000000" in path.read_bytes() for path in files)


@pytest.mark.parametrize("asker", ["", "  "])
def test_somebody_asks(made: Registered, asker: str) -> None:
    """Nobody is told anything without a word of who asks."""
    with pytest.raises(BadInputError, match="asker"):
        claim(made, PERSON, asker)
    assert answered(made) == 0


def test_claims_go_on_without_the_store(made: Registered) -> None:
    """The proof outlives the data."""
    place = made.made.deployment
    for folder in (place.root, place.slots, place.custodians, place.custodian_slots):
        shutil.rmtree(folder)
    with made.clock():
        running.publish(place, None)
    assert sum(len(item.receipts) for item in claim(made)) == 3


def test_one_claimants_receipts_do_not_lie_with_anothers(made: Registered) -> None:
    """A folder with receipts of another line is refused before anything is logged; one's own takes more."""
    made.made.publish()
    told = claim(made)
    with pytest.raises(UsageError, match="not of this line"):
        claim(made, "tel:+99922222222")
    assert answered(made) == 1
    assert [item.receipts for item in claim(made)] == [item.receipts for item in told]


@pytest.mark.parametrize("key", ["", "00", "zz", "00" * 95])
def test_a_key_file_that_holds_none_is_refused_before_anything(made: Registered, key: str) -> None:
    """A damaged escrow key is said to be one, and no claim is logged for it."""
    path = made.made.folder / "escrow"
    path.write_text(key)
    with pytest.raises(NotAllowedError, match="escrow"):
        made.made.deployment.escrow_private(path)
    assert answered(made) == 0


@pytest.mark.parametrize("data", [None, b"", b"short"])
def test_a_damaged_public_half_is_named(made: Registered, data: bytes | None) -> None:
    """Nothing is filed under a key that is none, and the file is named."""
    path = made.register / "escrow.pub"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with made.desk() as desk, pytest.raises(BadInputError, match=r"escrow\.pub"):
        desk.receive(filed(), [PERSON])
    with made.desk() as desk:
        assert len(desk.register.demands()) == 3
