"""The proof of the claim: the branch is seized at a random moment, with all its disks ever, its credentials and a month
of recorded lines; alone, with t-1 custodians, with t of them, and after the lapse with all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.abroad import STAGES, Moment, Robber, made_abroad, robber
from unheld.testing.attacker import Attacker, Folio, Loot
from unheld.testing.planted import RECORD_CLASSES, Planted, planted
from unheld.testing.recording import Recording
from unheld.testing.synthetic import Operator
from unheld_verify import columns
from unheld_verify.custody import BRANCH
from unheld_verify.errors import AwayError, StateError

N, T = 4, 2
OPERATOR = Operator(seed=17, subscribers=10, days=30)
LIFETIMES = {"charge": 20, "contact": 8, "place": 3, "identity": 62}
LONGEST = max(LIFETIMES[cls] for cls in RECORD_CLASSES)
SEEDS = [
    0,
    pytest.param(1, marks=pytest.mark.slow),
    *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12)),
]


def drawn(seed: int, days: int) -> tuple[int, str]:
    """A day of the second half, and a stage of it."""
    dice = random.Random(seed)
    return dice.randrange(days // 2, days), dice.choice(STAGES)


@pytest.fixture(scope="module", params=[10, pytest.param(OPERATOR.days, marks=pytest.mark.long)])
def month(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robber]:
    """Days of a branch with custodians elsewhere: a month, or the first third of it."""
    days: int = request.param
    made = made_abroad(tmp_path_factory.mktemp("month"), N, T, lifetimes=LIFETIMES)
    wanted = {drawn(seed, days) for seed in range(12)}
    with robber(made) as found:
        for number, when in enumerate(OPERATOR.sealing_days[:days]):

            def seen(stage: str, number: int = number) -> None:
                found.take()
                if (number, stage) in wanted:
                    found.moment(stage)

            made.live(OPERATOR, when, seen)
        found.days = days
        yield found


def moment_of(month: Robber, seed: int) -> tuple[Moment, int]:
    """The seed's moment, and the newest sealing day at it."""
    number, stage = drawn(seed, month.days)
    day = columns.day_of(OPERATOR.sealing_days[number])
    second = (day + 1) * 86_400 + 3600 if stage == "night" else day * 86_400 + 86_399
    return next(one for one in month.moments if (one.stage, one.second) == (stage, second)), day


def attacked(recording: Recording) -> Loot:
    return Attacker(recording, OPERATOR).closure()


def folios(aimed: Planted) -> set[Folio]:
    return {
        Folio(party, column.cls, column.event_day, column.sealing_day)
        for column, parties in aimed.folios.items()
        for party in parties
    }


def of_today(moment: Moment, day: int) -> set[Folio]:
    """What the open day holds at this moment."""
    sealed = [columns.date_of(day)] if moment.stage == "sealed" else []
    return folios(planted(OPERATOR, sealed, LIFETIMES))


def living(moment: Moment, day: int) -> set[Folio]:
    """What has been sealed and has not lapsed at this moment."""
    last = day - (moment.stage == "opened")
    sealed = [when for when in OPERATOR.sealing_days if columns.day_of(when) <= last]
    today = moment.second // 86_400
    return {
        folio
        for folio in folios(planted(OPERATOR, sealed, LIFETIMES))
        if columns.due(folio.cls, folio.event_day, LIFETIMES) > today
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seized_branch_reads_at_most_today(month: Robber, seed: int) -> None:
    """Disks, slots, credentials and a month of the line open the folios of the open day, and no other."""
    moment, day = moment_of(month, seed)

    assert attacked(moment.branch).opened_folios() == of_today(moment, day)


@pytest.mark.parametrize("seed", SEEDS)
def test_fewer_than_t_custodians_add_nothing(month: Robber, seed: int) -> None:
    """With t-1 custodians' disks, slots and memory the robber reads what was asked of them, and no further folio."""
    moment, day = moment_of(month, seed)
    loot = attacked(moment.with_custodians([seed % N]))

    assert loot.opened_folios() == of_today(moment, day)
    assert loot.counts["asks"] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_t_custodians_open_what_has_not_lapsed(month: Robber, seed: int) -> None:
    """The positive control: by the same code t custodians open every folio that lives, and none that has lapsed."""
    moment, day = moment_of(month, seed)
    loot = attacked(moment.with_custodians([seed % N, (seed + 1) % N]))

    assert loot.opened_folios() == living(moment, day) | of_today(moment, day)
    assert len(loot.opened_folios()) > 0


def test_after_the_lapse_nobody_reads_anything(month: Robber) -> None:
    """Once all has lapsed, all custodians with all they ever wrote and every line recorded open no folio."""
    month.made.pass_days(LONGEST + 1)
    loot = attacked(month.moment("lapsed").with_custodians(range(N)))

    assert loot.opened_folios() == set()
    assert loot.counts["party-key"] > 0


def test_the_branchs_key_gets_no_past_day(tmp_path: Path) -> None:
    """Whoever takes the branch's signing key asks every custodian for every act: no day but today, and nothing of
    what is headquarters'."""
    made = made_abroad(tmp_path, N, T, lifetimes=LIFETIMES)
    days = OPERATOR.sealing_days[:3]
    for when in days:
        made.live(OPERATOR, when, lambda _: None)
    robbed, tomorrow = made.client(BRANCH), days[-1] + timedelta(days=2)

    for index in range(N):
        for day in (*days, tomorrow):
            with pytest.raises(StateError):
                robbed.ask(index, "open", {"day": day.isoformat()})
        for act in ("evaluate", "beat", "thaw", "retire"):
            with pytest.raises(AwayError):
                robbed.ask(index, act)


def test_a_recorded_line_sent_again_gives_nothing(tmp_path: Path) -> None:
    """Every message of a month sent again to the custodians gets answers that open for nobody who has the line."""
    made = made_abroad(tmp_path, N, T, lifetimes=LIFETIMES)
    for when in OPERATOR.sealing_days[:2]:
        made.live(OPERATOR, when, lambda _: None)
    with robber(made) as found:
        for message in made.tap.messages[::2]:
            for index in range(N):
                found.made.tap.call(index, message)
        loot = attacked(found.moment("again").branch)

    assert loot.opened_folios() == set()
    assert "column-key" not in loot.counts


def test_a_parked_batch_takes_t_custodians_though_its_shares_travelled(tmp_path: Path) -> None:
    """What was parked and unparked over the line opens for t custodians, not for t-1 with the recorded answers."""
    made = made_abroad(tmp_path, N, T, lifetimes=LIFETIMES)
    first, second = OPERATOR.sealing_days[:2]
    with robber(made) as found:
        made.live(OPERATOR, first, lambda _: found.take())
        batch = made.park(OPERATOR.day(first).slice(0, 5)).batches[0]
        found.take()
        made.open_day(second)
        made.unpark(batch)
        made.close()
        moment = found.moment("unparked")
        fewer, enough = (attacked(moment.with_custodians(held)).counts for held in ([1], [1, 2]))

    assert ("parked records" in fewer, enough["parked records"]) == (False, 1)
