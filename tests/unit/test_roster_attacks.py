"""Attacks on a ceremony: headquarters in the middle, keys in another's name, moved boxes, documents out of place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.founding import HEADQUARTERS, Founding, draft, resigned
from unheld_verify import crypto, note, roster, signed, spoken
from unheld_verify.errors import BadInputError, UnheldError, VerificationError
from unheld_verify.signed import Signed

MADE = Founding(3, 2)
SCRIPT = MADE.transcript()


def _words(script: Signed) -> tuple[str, ...]:
    return spoken.words(roster.spoken_digest(script))


def test_words_depend_on_a_number_that_the_roster_hides() -> None:
    """Whoever knows a whole roster cannot tell its words before every custodian told its number."""
    listed = [one.document for one in MADE.joins]
    told = [deal.document["number"] for deal in MADE.deals]

    assert not any(number in str(listed) for number in told)
    assert roster.spoken_digest(SCRIPT) == crypto.sha256(
        b"unheld/v1/words", MADE.roster.digest, *map(bytes.fromhex, told)
    )


def test_headquarters_in_the_middle_is_heard() -> None:
    """Where headquarters shows one custodian other keys than the others' own, its words differ from theirs."""
    own, forged = Founding(3, 2), Founding(3, 2)
    joins = [own.joins[0], roster.join(own.draft, 1, forged.seeds[1], forged.transports[1][1]), own.joins[2]]
    listed = roster.roster(own.draft, joins, HEADQUARTERS)
    found = roster.roster_of(listed)
    seeds = [own.seeds[0], forged.seeds[1], own.seeds[2]]
    deals = [roster.deal(found, index, own.own[index], seed) for index, seed in enumerate(seeds)]

    assert _words(roster.transcript(listed, deals, HEADQUARTERS)) != _words(own.transcript())


def test_a_number_other_than_the_one_pledged_is_refused() -> None:
    """Who pledged a number cannot tell another one once it knows the words that it would like."""
    deals = [resigned(MADE.deals[0], MADE.seeds[0], number="00" * 32), *MADE.deals[1:]]

    with pytest.raises(VerificationError, match="custodian 1 tells another number"):
        roster.transcript(MADE.roster, deals, HEADQUARTERS)


def test_a_pledge_is_of_one_key() -> None:
    """A pledge copied from another custodian is refused: its number would fit both."""
    copied = resigned(MADE.joins[1], MADE.seeds[1], pledge=MADE.joins[0].document["pledge"])

    with pytest.raises(BadInputError, match="same key or pledge"):
        roster.roster(MADE.draft, [MADE.joins[0], copied, MADE.joins[2]], HEADQUARTERS)


def test_a_custodian_whose_place_was_taken_does_not_deal() -> None:
    """With another key in its place a custodian deals nothing, so nobody acts in its stead unseen."""
    with pytest.raises(VerificationError, match="another key in the place of custodian 2"):
        roster.deal(MADE.found, 1, MADE.own[1], b"z" * 32)


def test_a_custodian_whose_place_was_taken_does_not_confirm() -> None:
    """With another key in its place a custodian confirms nothing, whatever seeds it was given."""
    with pytest.raises(VerificationError, match="another key in the place of custodian 2"):
        roster.confirm(SCRIPT, 1, b"z" * 32)


@pytest.mark.parametrize("index", [-1, 3, 255])
def test_an_index_outside_the_set_gets_nothing(index: int) -> None:
    """There is no custodian -1 and none beyond the last."""
    with pytest.raises(BadInputError, match="there is no custodian"):
        roster.receive(SCRIPT, index, {}, MADE.transports[0][0])
    with pytest.raises(VerificationError):
        roster.confirm(SCRIPT, index, MADE.seeds[2])


def test_equal_seeds_make_different_chains() -> None:
    """Two components that were dealt one seed, by a broken generator or a copy, do not cancel each other."""
    made = Founding(3, 2)
    made.own[0] = dict.fromkeys(made.own[0], b"s" * 32)
    made.deals[0] = made.deal(0)

    chains = made.receive(made.transcript(), 0)

    assert len(set(chains.values())) == len(chains) == 2


def test_a_deal_for_another_roster_is_refused() -> None:
    """Deals are of one roster: neither as they are nor under the same people's next roster do they count there."""
    later = roster.roster_of(Founding(3, 2, number=2).roster)
    again = roster.roster_of(resigned(MADE.roster, HEADQUARTERS, joins=MADE.roster.document["joins"]))
    moved = resigned(MADE.deals[0], MADE.seeds[0], roster=later.digest.hex())

    assert again.digest == MADE.found.digest
    with pytest.raises(VerificationError, match="custodian 1"):
        roster.deal_of(MADE.deals[0], later, 0)
    with pytest.raises(VerificationError, match="custodian 1"):
        roster.deal_of(moved, later, 0)
    with pytest.raises(VerificationError, match="custodian 1 dealt for another roster"):
        roster.deal_of(moved, MADE.found, 0)


def test_boxes_of_another_roster_do_not_open() -> None:
    """A dealer that puts boxes of the same people's earlier roster into a new deal is named."""
    next_one = Founding(3, 2)
    next_one.transports = MADE.transports
    joins = [roster.join(next_one.draft, i, next_one.seeds[i], MADE.transports[i][1]) for i in range(3)]
    next_one.joins, next_one.roster = joins, roster.roster(next_one.draft, joins, HEADQUARTERS)
    next_one.own = MADE.own
    deals = [next_one.deal(index) for index in range(3)]
    next_one.deals = [resigned(deals[0], next_one.seeds[0], boxes=MADE.deals[0].document["boxes"]), *deals[1:]]

    with pytest.raises(VerificationError, match="from custodian 1 does not open"):
        next_one.receive(next_one.transcript(), 1)


def test_a_seed_lost_here_is_said_to_be_this_custodians() -> None:
    """A custodian that no longer has the seeds it dealt names itself and confirms nothing."""
    with pytest.raises(VerificationError, match="from custodian 1 is not what it committed to"):
        roster.receive(SCRIPT, 0, {}, MADE.transports[0][0])


def test_a_key_that_nothing_can_be_sealed_to_is_refused_at_the_joining() -> None:
    """A transport key of small order would stop the deals of all the others: its custodian is named instead."""
    public = MADE.transports[1][1][:1184] + bytes(32)
    bad = roster.join(MADE.draft, 1, MADE.seeds[1], public)

    with pytest.raises(BadInputError, match="join of custodian 2"):
        roster.roster(MADE.draft, [MADE.joins[0], bad, MADE.joins[2]], HEADQUARTERS)


def test_a_signing_key_of_small_order_joins_nothing() -> None:
    """Anybody could sign as a custodian whose key is of small order."""
    forged = Signed({**MADE.joins[1].document, "sign": "01" + "00" * 31}, b"\x01" + bytes(63))

    with pytest.raises(VerificationError, match="small order"):
        roster.join_of(forged, MADE.draft, 1)


@pytest.mark.parametrize(
    ("kept", "words"), [((0, 1), "3 are needed"), ((0, 1, 1, 2), "twice"), ((), "3 are needed")], ids=str
)
def test_without_a_quorum_nothing_counts(kept: tuple[int, ...], words: str) -> None:
    """A set that too few confirmed, or one of them twice, is not founded."""
    confirms = [roster.confirm(SCRIPT, index, MADE.seeds[index]) for index in kept]

    with pytest.raises(UnheldError, match=words):
        roster.founded(SCRIPT, confirms, HEADQUARTERS)


def test_confirmations_of_another_transcript_do_not_count() -> None:
    """A confirmation is of one transcript."""
    document = {"v": 1, "kind": "confirm", "transcript": "00" * 32, "index": 0}
    confirms = [signed.sign(document, MADE.seeds[0])]

    with pytest.raises(VerificationError, match="custodian 1 confirmed another transcript"):
        roster.founded(SCRIPT, confirms, HEADQUARTERS)


def test_a_complaint_says_who_and_why() -> None:
    """Headquarters reads a complaint of the custodian that it asked, of this transcript, and no other."""
    said = roster.complaint(SCRIPT, 2, "the seed does not open", MADE.seeds[2])

    assert roster.complaint_of(said, SCRIPT, MADE.found, 2) == "the seed does not open"
    with pytest.raises(VerificationError, match="custodian 2"):
        roster.complaint_of(said, SCRIPT, MADE.found, 1)
    with pytest.raises(VerificationError, match="another transcript"):
        roster.complaint_of(said, MADE.roster, MADE.found, 2)


def test_headquarters_cannot_list_a_join_to_another_draft() -> None:
    """Who joined one draft did not join the next: other lifetimes would be pinned in its name."""
    other = draft(3, 2, number=2)

    with pytest.raises(VerificationError, match="custodian 1 joined another draft"):
        roster.roster(other, MADE.joins, HEADQUARTERS)


@pytest.mark.parametrize(
    "fields",
    [
        {"t": True}, {"t": 0}, {"t": 4}, {"t": "2"}, {"set": -1}, {"set": 2**32}, {"set": False}, {"freeze_days": 0},
        {"late_days": True}, {"late_days": 91}, {"lifetimes": {"charge": True}}, {"begins": "2026-7-6"},
        {"lifetimes": {"charge": True, "contact": 30, "place": 7, "identity": 62}}, {"names": "abc"}, {"names": []},
        {"names": ["a", "a", "b"]}, {"names": ["a", "b", "c "]}, {"names": ["a", "b", "\u202ec"]}, {"names": [1, 2, 3]},
        {"store": "00" * 15}, {"store": "0A" * 16}, {"branch": ""}, {"log_key": 7}, {"log_key": "x"}, {"more": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_draft_is_written_in_one_way(fields: dict[str, Any]) -> None:
    """Values out of bounds, of another type or in another spelling make no draft."""
    with pytest.raises(BadInputError):
        roster.draft_of(resigned(MADE.draft, HEADQUARTERS, **fields))


def test_a_box_in_a_second_spelling_is_refused_by_all() -> None:
    """A dealer cannot give its victim what that one stumbles over without being able to say of whom it came."""
    for box in ("!", "AA==", note.base64_text(b"x" * 1167)):
        boxes = [{**MADE.deals[0].document["boxes"][0], "box": box}, *MADE.deals[0].document["boxes"][1:]]
        bad = resigned(MADE.deals[0], MADE.seeds[0], boxes=boxes)
        with pytest.raises(BadInputError, match="deal of custodian 1"):
            roster.deal_of(bad, MADE.found, 0)


def test_commitments_stand_once() -> None:
    """A second spelling of a component's number would let two readers take different commitments."""
    commitments = {**MADE.deals[0].document["commitments"], "01": "00" * 32}

    with pytest.raises(BadInputError, match="deal of custodian 1"):
        roster.deal_of(resigned(MADE.deals[0], MADE.seeds[0], commitments=commitments), MADE.found, 0)
