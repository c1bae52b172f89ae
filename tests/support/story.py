"""Runs of the demo small enough for tests: everything real, fewer people, days, lists and rows."""

from __future__ import annotations

from pathlib import Path

from unheld.demo.measures import Measure, Slope, Story
from unheld.demo.run import Sizes, run

TINY = {"subscribers": 60, "history": 40, "rows": 500, "lists": 12}


def tiny(out: Path, seed: int) -> Story:
    """A run of seed `seed` in a few seconds."""
    return run(out, Sizes(seed, **TINY), lambda _: None)


def sample(*more: Measure) -> Story:
    """A made-up story of every kind of row, for what is drawn from one."""
    ages = tuple(range(120))
    left = {kind: tuple(2_400 for _ in ages) for kind in ("charge", "contact", "place")}
    days = {"charge": 90, "contact": 30, "place": 7}
    right = {kind: tuple(2_400 if age < days[kind] else 0 for age in ages) for kind in days}
    rows = [
        Measure(1, "days of people's lives, readable", "party-days", 975_411, 0, 0),
        Measure(1, "furthest day back", "days", 393, None),
        Measure(2, "lists refused", "orders", None, 200, 200),
        Measure(3, "readable at noon: today", "party-days", 2_392, 2_392),
        Measure(4, "time to drop", "ms", None, 512.4),
        Measure(5, "files of the case folder", "files", None, 962, 962),
    ]
    return Story(
        seed=7,
        subscribers=3_000,
        history=120,
        full=False,
        measures=(*rows, *more),
        slope=Slope(ages, left, right),
        refusals={"NoIndependentAuthorisation": 200, "MultipleTargets": 175, "InsufficientInformation": 103},
        records=4_381_623,
        files={"the letter": "letter.pdf", "the receipt": "claimant/forgotten.tlog-proof"},
        seconds=61.4,
        slot_words="file: does not survive a snapshot of this disk",
        inventory_words="this store is 1 of 3 known places holding such data, 1 not covered",
        notes={1: ("Until it lapses, the past exists.",), 3: ("Today is not protected.",)},
    )
