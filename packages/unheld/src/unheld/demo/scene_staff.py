"""Scene 3, "no good options": somebody at the branch at noon with root and every password."""

from __future__ import annotations

from unheld.demo.replay import Replay
from unheld_verify import columns

SCENE = 3


def measure(replay: Replay) -> None:
    """An open day at noon: days that are over, and today."""
    replay.left.morning()
    replay.right.morning()
    replay.right.back_up()
    left, branch = replay.seizer.seize(replay.left.seen()), replay.seizer.seize(replay.right.seen())
    rows, today = replay.scene(SCENE), columns.day_of(replay.world.today)
    past, now = ([side.between(*days) for side in (left, branch)] for days in ((0, today - 1), (today, today)))
    rows.zero("readable at noon: days that are over", "party-days", *past)
    rows.shown("readable at noon: today", "party-days", *now)
    named = (left.registry_rows, branch.registry_rows)
    rows.zero("readable at noon: people tied to a name and an identity paper", "people", *named)
    rows.note(
        "Today is not protected: until the day is closed the network works with it, and whoever has root reads it."
        " So it is with what comes in late today of earlier days, until tonight."
    )
    rows.note("Staff can say truthfully that they cannot read the past. What follows for them, no program decides.")
