"""Promises of the demo's report as text."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from unheld.demo.report import milliseconds, number, render, size
from unheld.demo.result import Attempt, DayFigures, DemoResult, Lifetime, Readable

D = date(2026, 7, 1)
GOOD = DemoResult(
    seed=3,
    subscribers=200,
    records=2_400,
    days=(DayFigures(D, 2_400, 2_390, 31, 260_000, 90_000),),
    lifetimes=(Lifetime("place", "the radio cell", 7),),
    readable=(Readable(D, "place", 180),),
    attacker=(Attempt("Before", 50, 50, False), Attempt("After", 60, 0, True)),
    sampled=50,
    forgetting_ms=2.5,
    everything_ms=1_250.0,
    log_entries=9,
    log_verified=True,
    seconds=3.0,
    slot_words="file: does not survive a snapshot of this disk",
    inventory_words="This store is 1 of 3 known places, 2 not covered.",
)
BAD_HERO, GOOD_HERO = "Do not rely on this build.", "Nothing that was forgotten could be opened again."


def test_a_kept_promise_is_said_first() -> None:
    """Where everything held, the first heading says so and the failure text is absent."""
    page = render(GOOD)

    assert GOOD_HERO in page
    assert BAD_HERO not in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"log_verified": False}, "The log did not verify."),
        ({"attacker": (Attempt("After", 60, 1, True),)}, "After: 1 of 60 folios opened."),
        ({"attacker": (GOOD.attacker[0],)}, "not tried on anything forgotten"),
        ({"attacker": (Attempt("After", 0, 0, True),)}, "After: 0 of 0 folios opened."),
        ({"attacker": (Attempt("Before", 50, 0, False), GOOD.attacker[1])}, "Before: 0 of 50 folios opened."),
        ({"attacker": ()}, "not tried on anything forgotten"),
    ],
)
def test_a_broken_promise_is_said_first(change: dict[str, object], words: str) -> None:
    """A log that fails, a forgotten folio that opens, or an attack that shows nothing: the page says which."""
    page = render(replace(GOOD, **change))  # type: ignore[arg-type]

    assert BAD_HERO in page
    assert words in page
    assert GOOD_HERO not in page


def test_nothing_is_loaded_from_anywhere() -> None:
    """No address stands in the file but the names of the SVG formats."""
    found = set(re.findall(r"(?:https?:)?//[^\s\"'<)]+", render(GOOD)))

    assert found <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_same_figures_same_page() -> None:
    """The page is drawn from the figures alone."""
    assert render(GOOD) == render(GOOD)


def test_ids_are_unique() -> None:
    """No two elements share an id, charts included."""
    ids = re.findall(r'\sid="([^"]+)"', render(GOOD))

    assert len(ids) == len(set(ids))


def test_words_are_escaped() -> None:
    """Words of a slot or inventory are text, never markup."""
    page = render(replace(GOOD, slot_words="<script>x</script>"))

    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("words", ["31 records came late", "260.0 kB", "90.0 kB", "8 July 2026", "2.5 ms", "1.2 s"])
def test_figures_stand_in_the_page(words: str) -> None:
    """What was held, when it lapses, and how fast it was forgotten stand in plain text."""
    assert words in render(GOOD)


@pytest.mark.parametrize("words", [GOOD.slot_words, GOOD.inventory_words, "custodians truly destroyed", "audited"])
def test_limits_stand_in_the_page(words: str) -> None:
    """What is not promised is on the page, with the words of slot and inventory."""
    assert words in render(GOOD)


def test_what_arrived_and_was_not_sealed_is_explained() -> None:
    """The figures add up: whoever reads two of them is told where the rest went."""
    days = (replace(GOOD.days[0], sealed=GOOD.records),)

    assert "10 could not be understood and were parked in quarantine" in render(GOOD)
    assert "quarantine" not in render(replace(GOOD, days=days))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (2_300_000_000, "2.3 GB")]
)
def test_sizes_read_well(count: int, text: str) -> None:
    """Bytes are said in the largest unit that leaves at least one."""
    assert size(count) == text


@pytest.mark.parametrize(("value", "text"), [(0.04, "0.0 ms"), (999.0, "999.0 ms"), (1_000.0, "1.0 s")])
def test_times_read_well(value: float, text: str) -> None:
    """Below a second in milliseconds, from then on in seconds."""
    assert milliseconds(value) == text


def test_numbers_have_thousands() -> None:
    """Large counts are grouped."""
    assert number(1_117_742) == "1,117,742"
