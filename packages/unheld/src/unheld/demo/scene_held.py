"""Scene 1, what is held: what somebody reads who takes everything in the country, or everything anywhere."""

from __future__ import annotations

from unheld.demo.calendar import EVENING, at
from unheld.demo.measures import Slope
from unheld.demo.replay import Replay
from unheld.testing.plain import KINDS
from unheld.testing.seizure import Order, Seizure
from unheld_verify import columns

SCENE = 1
_DAYS = "party-days"


def live(replay: Replay) -> int:
    """Let both networks live through their past; how many records there were."""
    records = replay.left.live()
    taken = replay.right.live()
    replay.right.back_up()
    old = f"{taken.too_old:,}"
    replay.tell(
        f"{records:,} records of {replay.world.history} days; unheld sealed {taken.sealed:,}, {old} were too old"
    )
    replay.scene(SCENE).note(
        f"Of {records:,} records, {old} were older than any lifetime: with unheld they were counted and not stored."
    )
    return records


def measure(replay: Replay) -> None:
    """A closed night: the country, then everything with all custodians."""
    left, branch, everywhere = replay.nights.left, replay.nights.branch, replay.nights.everywhere
    rows, night = replay.scene(SCENE), columns.day_of(replay.world.night)
    named = (left.registry_rows, branch.registry_rows)
    rows.zero("in the country: people tied to a name and an identity paper", "people", *named)
    rows.zero("in the country: days of people's lives, readable", _DAYS, left.party_days, branch.party_days)
    rows.shown("in the country: furthest day back", "days", _back(left, night), _back(branch, night))
    worst = (left.party_days, everywhere.party_days)
    rows.shown("anywhere, all three custodians seized: days of people's lives", _DAYS, *worst)
    rows.shown("anywhere: furthest day back", "days", _back(left, night), _back(everywhere, night))
    rows.note(
        "In clear on both sides lie the numbers and SIMs in service, with tariff and balance: no network works without."
        " With unheld they have no name, no identity paper and no day beside them."
    )
    rows.note(
        "Until it lapses, the past exists: whoever seizes the branch and two of three custodians reads it. That is"
        " shown here, not hidden. It ends by a calendar announced in advance, and nobody has to act."
    )


def forget_one(replay: Replay) -> None:
    """Forget one person of those whom the lists will name, and look again with every key there is."""
    who, before = replay.orders.claimant, replay.nights.everywhere
    ever = [Order([who], 0, columns.day_of(replay.world.today))]
    with at(replay.world.night, EVENING):
        done, replay.forgotten = replay.right.forget(who)
    replay.right.back_up()
    after = replay.seizer.seize(replay.right.seen(abroad=True))
    held = before.given(ever).party_days
    replay.tell(f"one person forgotten: {done.rows} rows, {done.milliseconds:.1f} ms")
    rows, one = replay.scene(SCENE), (replay.nights.left.given(ever).party_days, after.given(ever).party_days)
    rows.zero("anywhere: of one person who was forgotten", _DAYS, *one)
    rows.exactly("anywhere: of everybody else, after that", _DAYS, None, after.party_days, before.party_days - held)
    rows.note(
        f"With the same keys, the same attacker had read {held:,} days of that person a moment before. Forgetting took"
        f" {done.milliseconds:.1f} ms."
    )


def slope(replay: Replay) -> Slope:
    """How far back can be read, by kind of facts, everything seized."""
    night = columns.day_of(replay.world.night)
    ages = tuple(range(replay.world.history))

    def by_age(seized: Seizure) -> dict[str, tuple[int, ...]]:
        found = {kind: seized.by_day(kind) for kind in KINDS}
        return {kind: tuple(found[kind].get(night - age, 0) for age in ages) for kind in KINDS}

    return Slope(ages, by_age(replay.nights.left), by_age(replay.nights.everywhere))


def _back(seized: Seizure, night: int) -> int | None:
    return None if seized.furthest is None else night - seized.furthest
