"""Own access from card to records over real custodians' desks, and each way in which somebody else could try."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ceremony import DAY, STORE, party_plan
from tests.support.own_access import CALLS, OWN, Filled, Network, network, states, times
from unheld.access import card, messages, own
from unheld.access.folder import GRANT, WANTED, Folder, Wish
from unheld.access.values import State
from unheld_verify import columns, crypto, grant, roster, signed
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    SealedError,
    StateError,
    UnheldError,
    VerificationError,
    WrongKeyError,
)
from unheld_verify.grant import Grant
from unheld_verify.signed import Signed


def test_a_subscriber_reads_own_records(net: Network) -> None:
    """Card, request, slip, grant, answers, buckets, blocks: what was sealed of the party, and nobody else's."""
    answered = net.answered(net.asked())
    read = net.own.check(answered.data)
    opened, _ = net.own.open(net.fetched())

    assert (answered.custodians, states(read)) == (3, {State.CHECKED})
    assert {cls: len(listed) for cls, listed in opened.records.items()} == dict.fromkeys(CALLS, 2)
    assert times(opened.records) == OWN
    assert opened.records["charge"][0] | {"sealed": ""} == {
        "day": "2026-07-08", "sealed": "", "time": "2026-07-08T00:00:10+00:00", "event_type": "call", "duration": 60,
    }  # fmt: skip
    assert str(opened.records["contact"][0]["counterpart"]).startswith("alias ")
    assert (opened.altered, opened.missing) == ((), 0)


def test_records_are_written_for_their_owner_alone(net: Network, tmp_path: Path) -> None:
    """Every file of the folder and of the result has mode 600; a spreadsheet runs nothing of it."""
    net.own.check(net.answered(net.asked()).data)
    opened, read = net.own.open(net.fetched())
    out = tmp_path / "out"
    own.write(out, net.own, opened, read)

    files = [path for folder in (out, net.own.path) for path in folder.iterdir()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    rows = list(csv.DictReader((out / "records.csv").read_text().splitlines()))
    assert {row["location_id"] for row in rows if row["class"] == "place"} == {"'=c1"}
    whole = json.loads((out / "records.json").read_text())
    assert len(whole["records"]["charge"]) == 2
    page = (out / "records.html").read_text()
    assert all(words in page for words in ("alias ", "two custodians or more", "it cannot know which one is yours"))


def test_a_bucket_is_asked_of_every_file(net: Network) -> None:
    """Days with records and days without look alike: a bucket of 16 blocks or more of every named file."""
    net.own.check(net.answered(net.asked()).data)
    wanted = messages.wanted_of((net.own.path / WANTED).read_bytes(), STORE)
    came = messages.blocks_of(net.fetched(), STORE)

    assert [(one.column, one.batch) for one in wanted] == [(file.column, file.batch) for file in net.files]
    assert len({one.bits for one in wanted}) == 1
    assert all(16 <= len(one.ids) < 200 for one in came)


def test_only_what_is_named_is_asked_for(net: Network) -> None:
    """Classes and days that were not named are not in the grant, and do not open."""
    said = net.asked(classes=["charge"], begins=DAY, ends=DAY)
    assert grant.verified(said).columns == (("charge", DAY),)

    net.own.check(net.answered(said).data)
    opened, _ = net.own.open(net.fetched())

    assert set(opened.records) == {"charge"}


def test_columns_beyond_the_grant_do_not_open(net: Network) -> None:
    """Custodians answer for what was signed; a folder that pretends more has no values for it."""
    said = net.asked(classes=["charge"])
    values, _ = messages.answers_of(net.answered(said).data, said)
    private = (net.own.path / "answer.key").read_bytes()
    assert net.world.roster

    for place, sealed in values.items():
        given = grant.open_values(sealed, said, place, net.world.roster.signs[place[1]], private)
        assert {cls for (cls, _), _ in given} == {"charge"}


def test_another_card_signs_nothing_that_opens(net: Network) -> None:
    """Whoever knows salt and party key and has another card gets values of another label."""
    thief = card.new()
    net.own.take_slip(net.slip(net.own.begin(thief, net.now)))
    net.own.ask(thief, Wish(), net.now)
    said = signed.decode((net.own.path / GRANT).read_bytes(), "grant")

    net.own.check(net.answered(said).data)
    opened, _ = net.own.open(net.fetched())

    assert not any(opened.records.values())


def test_a_grant_in_somebody_s_name_needs_their_signature(net: Network) -> None:
    """Headquarters, or whoever else makes a grant for a public key, is refused before a custodian is asked."""
    document = grant.verified(net.asked()).document()
    forged = signed.sign(document, card.new().seed)

    with pytest.raises(VerificationError):
        net.answered(forged)


def test_custodians_check_the_signature_too(net: Network) -> None:
    """A headquarters that skips its own check gets nothing from custodians."""
    forged = signed.sign(grant.verified(net.asked()).document(), card.new().seed)

    for index in range(3):
        with pytest.raises(VerificationError):
            net.client().ask(index, "evaluate", {"grant": forged.as_json()})


def test_the_answer_opens_for_the_subscriber_alone(net: Network) -> None:
    """Headquarters carries it and reads nothing, and neither does another grant's key."""
    said = net.asked()
    data = net.answered(said).data
    private, _ = crypto.park_keypair()
    values, _ = messages.answers_of(data, said)
    assert net.world.roster

    with pytest.raises(WrongKeyError):
        grant.open_values(values[1, 0], said, (1, 0), net.world.roster.signs[0], private)


def test_a_grant_is_good_once(net: Network) -> None:
    """Bringing it again gives nothing: it must be signed anew."""
    said = net.asked()
    net.answered(said)

    with pytest.raises(NotAllowedError, match="answered already"):
        net.answered(said)


def test_a_grant_expires(net: Network) -> None:
    """After its three days it is nothing any more, for headquarters and for custodians."""
    said = net.asked()
    net.world.pass_days(3)

    with pytest.raises(NotAllowedError, match="sign a new one"):
        net.answered(said)
    with pytest.raises(NotAllowedError, match="sign a new one"):
        net.client().ask(0, "evaluate", {"grant": said.as_json()})


def test_a_grant_for_another_store_is_refused(net: Network) -> None:
    """Headquarters of one store asks nobody for another's."""
    made = grant.verified(net.asked())
    other = Grant(bytes(16), made.public, made.salt, made.columns, made.not_before, made.expires, made.nonce,
                  made.answer)  # fmt: skip

    with pytest.raises(NotAllowedError, match="another store"):
        net.answered(other.signed(net.card.seed))


def test_a_label_has_a_quota(net: Network) -> None:
    """A stolen card, or an eager officer with one, is stopped by each custodian after a few grants a month."""
    for _ in range(roster.ACCESS_MONTH):
        net.answered(net.asked(), everybody=True)

    with pytest.raises(NotAllowedError):
        net.answered(net.asked(), everybody=True)


def test_a_forgotten_party_is_not_answered(net: Network) -> None:
    """Custodians keep a hash of its label and answer nobody, whatever old rows somebody hoarded."""
    said = net.asked()
    label = grant.verified(said).label
    for index in range(3):
        net.world.ask(index, "tombstone", {"plan": party_plan(), "hashes": [grant.tombstone(STORE, label).hex()]})

    with pytest.raises(SealedError, match="forgotten"):
        net.answered(said)


def test_what_was_sealed_under_another_label_stays_shut(tmp_path: Path) -> None:
    """Everything before the enrolment: card, headquarters and all custodians together open none of it."""
    made = network(tmp_path)
    made.seal_day(DAY, 10, label=crypto.random_bytes(16))
    made.world.at((DAY + 1) * 86_400 + 100)

    made.own.check(made.answered(made.asked(), everybody=True).data)
    opened, read = made.own.open(made.fetched())

    assert states(read) == {State.CHECKED}
    assert not any(opened.records.values())


def test_lapsed_columns_are_said(filled: Filled) -> None:
    """Where a class has lapsed, custodians have no value and the words say gone, not empty."""
    made = filled(3, 2)
    made.world.pass_days(8)
    made.own.check(made.answered(made.asked()).data)
    opened, read = made.own.open(made.fetched())

    gone = {column.cls for column, joined in read.columns.items() if joined.state is State.GONE}
    assert gone == {"place"}
    assert times(opened.records) == OWN
    said = own.said(made.own, opened, read)
    assert any(line.startswith("place 2026-07-08 to 2026-07-09: gone") for line in said)


def test_a_slip_tells_what_is_gone_and_since_when(net: Network) -> None:
    """Lapsed days, when the key began, and that another key took its place, are said in words."""
    asked = net.own.begin(net.card, net.now)
    ended, gone = (DAY + 3) * 86_400, (("place", DAY - 9), ("place", DAY - 8), ("charge", DAY))
    net.own.take_slip(net.slip(asked, since=DAY * 86_400, ended=ended, gone=gone))
    net.own.ask(net.card, Wish(), net.now)
    said = signed.decode((net.own.path / GRANT).read_bytes(), "grant")
    net.own.check(net.answered(said).data)
    lines = own.said(net.own, *net.own.open(net.fetched()))

    assert any("charge 2026-07-08, place 2026-06-29 to 2026-06-30: lapsed or erased" in line for line in lines)
    assert any("sealed to another key: if you did not register another card" in line for line in lines)


@pytest.mark.parametrize(
    ("since", "began"),
    [
        (0, "2026-07-08"),
        ((DAY - 900) * 86_400, "2026-07-08"),
        (DAY * 86_400 + 61, "2026-07-08 00:01:01 UTC"),
        ((DAY + 1) * 86_400, "2026-07-09"),
    ],
)
def test_what_a_card_opens_begins_with_what_was_sealed(net: Network, since: int, began: str) -> None:
    """Whoever has the number since 2024 is not told that a store of 2026 opens the years before it."""
    asked = net.own.begin(net.card, net.now)
    net.own.take_slip(net.slip(asked, since=since))
    net.own.ask(net.card, Wish(), net.now)
    net.own.check(net.answered(signed.decode((net.own.path / GRANT).read_bytes(), "grant")).data)

    lines = own.said(net.own, *net.own.open(net.fetched()))

    assert f"this card opens what happened from {began} on; nothing of before was ever sealed to it" in lines


def test_what_lapsed_is_told_of_the_days_asked_for_alone(net: Network) -> None:
    """Days before the window and classes that nobody asked for are not listed."""
    gone = (("contact", DAY - 3), ("place", DAY - 9), ("place", DAY - 1), ("identity", columns.month_start(DAY)))
    asked = net.own.begin(net.card, net.now)
    net.own.take_slip(net.slip(asked, gone=gone))
    net.own.ask(net.card, Wish(("place",), DAY - 2, DAY + 1), net.now)
    net.own.check(net.answered(signed.decode((net.own.path / GRANT).read_bytes(), "grant")).data)

    lines = own.said(net.own, *net.own.open(net.fetched()))

    assert [line for line in lines if "lapsed" in line] == [
        "place 2026-07-07: lapsed or erased: nobody holds their keys"
    ]


def test_an_altered_block_is_told_from_an_absent_one(net: Network) -> None:
    """A block of the person that is there and does not open was changed at the branch."""
    net.own.check(net.answered(net.asked(classes=["charge"], begins=DAY, ends=DAY)).data)
    came = messages.blocks_of(net.fetched(), STORE)
    broken = tuple(
        messages.Filled(one.bucket, one.ids, tuple(block[:-1] + bytes([block[-1] ^ 1]) for block in one.blocks))
        for one in came
    )

    opened, _ = net.own.open(messages.blocks(STORE, broken))

    assert [column.cls for column in opened.altered] == ["charge"]


def test_files_that_did_not_come_are_counted(net: Network) -> None:
    """What the branch left out is said."""
    net.own.check(net.answered(net.asked()).data)
    came = messages.blocks_of(net.fetched(), STORE)

    opened, _ = net.own.open(messages.blocks(STORE, came[1:]))

    assert opened.missing == 1


def test_blocks_of_another_bucket_are_refused(net: Network) -> None:
    """The branch cannot pass other blocks for those asked for."""
    net.own.check(net.answered(net.asked()).data)
    first, *rest = messages.blocks_of(net.fetched(), STORE)
    bits = first.bucket.bits
    other = messages.Bucket(
        first.bucket.column, first.bucket.batch, bits, messages.masked(bytes([first.bucket.prefix[0] ^ 128] * 8), bits)
    )

    for wrong in (messages.Filled(other, first.ids, first.blocks),
                  messages.Filled(first.bucket, (bytes([first.ids[0][0] ^ 128]) + first.ids[0][1:],),
                                  first.blocks[:1])):  # fmt: skip
        with pytest.raises(BadInputError, match="bucket"):
            net.own.open(messages.blocks(STORE, (wrong, *rest)))


def test_a_slip_opens_for_its_request_alone(net: Network, tmp_path: Path) -> None:
    """A copied slip is noise to whoever has another request, and so is one for a replayed request."""
    data = net.slip(net.own.begin(net.card, net.now))
    other = Folder(tmp_path / "other")
    other.begin(net.card, net.now)

    with pytest.raises(WrongKeyError):
        other.take_slip(data)


def test_a_slip_of_made_up_custodians_is_refused(net: Network) -> None:
    """Custodian sets count with headquarters' signature and a quorum, and for the store of the slip."""
    asked = net.own.begin(net.card, net.now)
    founded = net.world.founded
    forged = Signed({**founded.document, "confirms": []}, founded.signature)

    with pytest.raises(UnheldError):
        net.own.take_slip(net.slip(asked, founded=(forged,)))
    with pytest.raises(VerificationError, match="another store"):
        net.own.take_slip(net.slip(asked, store=bytes(16)))


def test_one_card_begins_and_asks(net: Network) -> None:
    """A grant is signed with the card of the request."""
    net.asked()

    with pytest.raises(BadInputError, match="another card"):
        net.own.ask(card.new(), Wish(), net.now)


def test_a_folder_is_for_one_request(net: Network) -> None:
    """A second request would make the first one's slip useless."""
    net.own.begin(net.card, net.now)

    with pytest.raises(StateError, match="made here already"):
        net.own.begin(net.card, net.now)


@pytest.mark.parametrize("step", ["ask", "check", "open"])
def test_a_step_names_the_one_before(net: Network, step: str) -> None:
    """Whoever skips a step is told which."""
    acts: dict[str, Callable[[], object]] = {
        "ask": lambda: net.own.ask(net.card, Wish(), net.now),
        "check": lambda: net.own.check(b"{}"),
        "open": lambda: net.own.open(b"{}"),
    }
    with pytest.raises(StateError, match="comes first"):
        acts[step]()


def test_days_without_files_are_refused(net: Network) -> None:
    """A wish for days that hold nothing makes no grant."""
    net.asked()

    with pytest.raises(BadInputError, match="name other days"):
        net.own.ask(net.card, Wish(begins=DAY + 50), net.now)


def test_answers_for_another_grant_are_refused(net: Network) -> None:
    """Who asks twice takes the answers of the newest grant."""
    first = net.answered(net.asked()).data
    net.asked()

    with pytest.raises(BadInputError, match="another grant"):
        net.own.check(first)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"kind":"access-blocks","v":1}', b"\xff"])
def test_what_is_no_file_of_ours_is_refused(net: Network, data: bytes) -> None:
    """Each step refuses bytes that nobody writes, and changes nothing."""
    net.own.check(net.answered(net.asked()).data)
    before = {path.name: path.read_bytes() for path in net.own.path.iterdir()}

    for act in (net.own.check, net.own.open, net.own.take_slip):
        with pytest.raises(BadInputError):
            act(data)

    assert {path.name: path.read_bytes() for path in net.own.path.iterdir()} == before


def test_words_to_compare_are_those_of_the_ceremony(net: Network) -> None:
    """A person can compare the custodian set of a slip with what the operator published."""
    net.asked()
    assert net.world.transcript

    words = own.four_words(net.own.slip())

    assert {number: len(said.split()) for number, said in words.items()} == {1: 4}


def test_columns_of_a_slip_are_days(net: Network) -> None:
    """A slip says which days there are, so that a person can name them."""
    net.asked()

    assert {columns.day_text(file.column.event_day) for file in net.own.slip().files} == {"2026-07-08", "2026-07-09"}
