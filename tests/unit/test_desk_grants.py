"""Evaluation for a grant: the subscriber's signature and headquarters' ask, or nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.ceremony import DAY, NOON, STORE, World, party_plan, plan_of
from unheld_verify import columns, crypto, grant, note, signed
from unheld_verify.errors import (
    BadInputError,
    NotAllowedError,
    SealedError,
    UnheldError,
    VerificationError,
    WrongKeyError,
)
from unheld_verify.grant import Grant
from unheld_verify.signed import Signed

SUBSCRIBER = b"s" * 32
SALT = b"t" * 16
TODAY = {"day": columns.day_text(DAY)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.of(tmp_path).found()
    for index in range(3):
        world.ask(index, "open", TODAY)
    return world


def asked(answer: bytes | None = None, **changed: Any) -> Grant:
    """A grant for two classes of today."""
    made = Grant(
        STORE, crypto.sign_public(SUBSCRIBER), SALT, (("charge", DAY), ("contact", DAY)), NOON - 60, NOON + 3600,
        crypto.random_bytes(16), answer or crypto.park_keypair()[1],
    )  # fmt: skip
    return replace(made, **changed)


def body(said: Signed) -> dict[str, Any]:
    """Of the ask."""
    return {"grant": said.as_json()}


def test_any_two_of_three_give_the_column_function(world: World) -> None:
    """What each custodian says joins to F(label), and the third says the same where it overlaps."""
    private, public = crypto.park_keypair()
    made = asked(public)
    said = made.signed(SUBSCRIBER)
    found: list[dict[int, bytes]] = []
    keys: dict[int, bytes] = {}
    for index, desk in enumerate(world.desks):
        answer = world.ask(index, "evaluate", body(said))
        assert answer["grant"] == said.digest.hex()
        sealed = note.base64_bytes(answer["values"], "values")
        values = grant.open_values(sealed, said, (1, index), world.roster.signs[index], private)  # type: ignore[union-attr]
        assert set(values) == {(("charge", DAY), DAY), (("contact", DAY), DAY)}
        found.append(dict(values[("charge", DAY), DAY]))
        (state,) = desk._kept.whole.sets.values()
        keys |= {name[3]: key for name, key in state.keys.items() if name[:3] == (1, DAY, DAY)}
    expected = columns.evaluate([keys[0], keys[1], keys[2]], made.label)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert grant.join(list((found[one] | found[other]).values())) == expected
        assert all(found[other][at] == value for at, value in found[one].items() if at in found[other])


def test_headquarters_reads_no_value(world: World) -> None:
    """It carries what only the subscriber's one-time key opens."""
    said = asked().signed(SUBSCRIBER)
    sealed = note.base64_bytes(world.ask(0, "evaluate", body(said))["values"], "values")
    with pytest.raises(WrongKeyError):
        grant.open_values(sealed, said, (1, 0), world.roster.signs[0], crypto.park_keypair()[0])  # type: ignore[union-attr]


def test_values_of_another_custodian_are_not_taken(world: World) -> None:
    """A value is bound to who said it, and to the grant it was said for."""
    private, public = crypto.park_keypair()
    said = asked(public).signed(SUBSCRIBER)
    sealed = note.base64_bytes(world.ask(0, "evaluate", body(said))["values"], "values")
    with pytest.raises(VerificationError):
        grant.open_values(sealed, said, (1, 0), world.roster.signs[1], private)  # type: ignore[union-attr]
    with pytest.raises(WrongKeyError):
        grant.open_values(sealed, asked(public).signed(SUBSCRIBER), (1, 0), world.roster.signs[0], private)  # type: ignore[union-attr]


def refuses(world: World, said: Signed, error: type[UnheldError], words: str) -> None:
    """The first custodian refuses and counts nothing."""
    (before,) = world.desks[0]._kept.whole.sets.values()
    with pytest.raises(error, match=words):
        world.ask(0, "evaluate", body(said))
    (after,) = world.desks[0]._kept.whole.sets.values()
    assert (after.used, after.asked, after.day_asked) == (before.used, before.asked, before.day_asked)


def test_a_grant_that_another_key_signed_is_refused(world: World) -> None:
    """Headquarters alone cannot ask for anybody."""
    refuses(world, asked().signed(b"h" * 32), VerificationError, "signature")


@pytest.mark.parametrize("change", [{"columns": (("charge", DAY),)}, {"expires": NOON + 7200}, {"salt": b"u" * 16}])
def test_an_altered_grant_is_refused(world: World, change: dict[str, Any]) -> None:
    """Columns, time and label are what the subscriber signed."""
    made = asked()
    forged = Signed(replace(made, **change).document(), made.signed(SUBSCRIBER).signature)
    refuses(world, forged, VerificationError, "signature")


def test_a_grant_for_another_store_is_refused(world: World) -> None:
    """It names its store."""
    refuses(world, asked(store=bytes(16)).signed(SUBSCRIBER), NotAllowedError, "another store")


@pytest.mark.parametrize("times", [(NOON + 60, NOON + 90), (NOON - 90, NOON)])
def test_a_grant_out_of_its_time_is_refused(world: World, times: tuple[int, int]) -> None:
    """By the custodian's clock."""
    said = asked(not_before=times[0], expires=times[1]).signed(SUBSCRIBER)
    refuses(world, said, NotAllowedError, "not good at this time")


def test_a_grant_that_is_good_for_too_long_is_refused(world: World) -> None:
    """A week is the most."""
    said = asked(expires=NOON + 8 * 86_400).signed(SUBSCRIBER)
    refuses(world, said, BadInputError, "grant")


def test_a_grant_is_answered_once(world: World) -> None:
    """Another ask with it is refused; the very same ask, whose answer was lost, is answered again."""
    said = asked().signed(SUBSCRIBER)
    letter = world.letter(0, "evaluate", body(said))
    assert letter.sent(world.desks[0])["grant"] == letter.sent(world.desks[0])["grant"]
    refuses(world, said, NotAllowedError, "answered already")


def test_a_used_grant_is_refused_after_a_restart(world: World) -> None:
    """Single use is on the disk before the answer leaves."""
    said = asked().signed(SUBSCRIBER)
    world.ask(0, "evaluate", body(said))
    world.reopen(0)
    refuses(world, said, NotAllowedError, "answered already")


def test_a_forgotten_party_is_answered_no_more(world: World) -> None:
    """A branch that hoarded the old row gains nothing."""
    stone = grant.tombstone(STORE, asked().label).hex()
    world.ask(0, "tombstone", {"plan": party_plan(), "hashes": [stone]})
    refuses(world, asked().signed(SUBSCRIBER), SealedError, "forgotten")


def test_an_erased_column_is_answered_no_more(world: World) -> None:
    """The other class is answered; with nothing left the answer says so."""
    world.ask(0, "erase", {"plan": plan_of("class", DAY, "charge")})
    private, public = crypto.park_keypair()
    said = asked(public).signed(SUBSCRIBER)
    sealed = note.base64_bytes(world.ask(0, "evaluate", body(said))["values"], "values")
    values = grant.open_values(sealed, said, (1, 0), world.roster.signs[0], private)  # type: ignore[union-attr]
    assert {pair for pair, _ in values} == {("contact", DAY)}
    world.ask(0, "erase", {"plan": plan_of("class", DAY, "contact")})
    refuses(world, asked().signed(SUBSCRIBER), SealedError, "no key of these columns")


def test_a_column_of_days_to_come_gives_nothing(world: World) -> None:
    """A grant is answered from what was sealed, and never makes a day."""
    said = asked(columns=(("charge", DAY + 5),)).signed(SUBSCRIBER)
    refuses(world, said, SealedError, "no key of these columns")


def test_a_fifth_grant_of_a_month_is_refused(world: World) -> None:
    """Whoever has a subscriber's paper still cannot ask every day; another subscriber can."""
    for _ in range(4):
        world.ask(0, "evaluate", body(asked().signed(SUBSCRIBER)))
    refuses(world, asked().signed(SUBSCRIBER), NotAllowedError, "30 days are the most")
    other = asked(public=crypto.sign_public(b"o" * 32)).signed(b"o" * 32)
    assert world.ask(0, "evaluate", body(other))


def test_a_new_month_counts_anew_under_a_new_key(world: World) -> None:
    """The counts of a month say nothing of whose they were once its key is gone."""
    for _ in range(4):
        world.ask(0, "evaluate", body(asked().signed(SUBSCRIBER)))
    (before,) = world.desks[0]._kept.whole.sets.values()
    world.after(30)
    world.tick(0)
    (idle,) = world.desks[0]._kept.whole.sets.values()
    assert (idle.month_key, dict(idle.asked), dict(idle.used)) == (b"", {}, {})
    assert len(before.month_key) == 32
    assert asked().label not in before.asked


def test_more_than_fifty_a_day_are_refused(world: World) -> None:
    """A custodian opens slowly, whoever signs."""
    for number in range(50):
        seed = number.to_bytes(32, "big")
        world.ask(0, "evaluate", body(asked(public=crypto.sign_public(seed)).signed(seed)))
    refuses(world, asked().signed(SUBSCRIBER), NotAllowedError, "a day are the most")


def test_no_label_is_in_the_memory(world: World) -> None:
    """Not in the state, not in the journal."""
    made = asked()
    world.ask(0, "evaluate", body(made.signed(SUBSCRIBER)))
    plaintext = world.desks[0]._kept._sealed.load()
    for secret in (made.label, made.public, made.salt):
        assert secret not in plaintext
        assert secret.hex().encode() not in plaintext


def test_a_document_that_is_no_grant_is_refused(world: World) -> None:
    """Another signed document opens nothing."""
    with pytest.raises(BadInputError, match="where grant belongs"):
        world.ask(0, "evaluate", body(signed.sign({"v": 1, "kind": "draft"}, SUBSCRIBER)))
