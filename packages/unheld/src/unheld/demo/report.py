"""The demo's report: one HTML file that works offline, without script, on a small screen and on paper."""

from __future__ import annotations

from datetime import date, timedelta

from jinja2 import Environment, PackageLoader, StrictUndefined

from unheld.demo import charts
from unheld.demo.result import DemoResult, Lifetime

_ENVIRONMENT = Environment(
    loader=PackageLoader("unheld.demo", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(result: DemoResult) -> str:
    """The report of a run as the text of one HTML file. Needs at least one day, one class and one attempt."""
    return _ENVIRONMENT.get_template("report.html.j2").render(
        r=result,
        failures=_failures(result),
        sealed=sum(day.sealed for day in result.days),
        late=sum(day.late for day in result.days),
        plain=sum(day.bytes_plain for day in result.days),
        stored=sum(day.bytes_sealed for day in result.days),
        after=[attempt for attempt in result.attacker if attempt.must_fail],
        bytes_chart=charts.bytes_chart(result.days),
        readable_chart=charts.readable_chart(result.readable),
        readable_table=_readable_table(result),
        lapses=[_lapse(result, lifetime) for lifetime in result.lifetimes],
    )


def _failures(result: DemoResult) -> list[str]:
    """In plain words, each promise this run did not keep."""
    words = [] if result.log_verified else ["The log did not verify."]
    if not any(attempt.must_fail for attempt in result.attacker):
        words.append("The attacker was not tried on anything forgotten, so nothing is shown.")
    for attempt in result.attacker:
        if not attempt.as_promised:
            words.append(f"{attempt.moment}: {number(attempt.opened)} of {number(attempt.folios_tried)} folios opened.")
    return words


def _lapse(result: DemoResult, lifetime: Lifetime) -> dict[str, str]:
    """When the facts of the first and of the last sealed day lapse."""
    first, last = (day(result.days[n].day + timedelta(days=lifetime.days)) for n in (0, -1))
    return {
        "name": lifetime.name,
        "holds": lifetime.holds,
        "days": str(lifetime.days),
        "first": first,
        "last": last,
    }


def _readable_table(result: DemoResult) -> list[tuple[str, list[str]]]:
    """The chart as rows: a day, then one figure a class in the order of `lifetimes`."""
    found = {(point.day, point.name): number(point.party_days) for point in result.readable}
    days = dict.fromkeys(point.day for point in result.readable)
    return [(charts.short(d), [found.get((d, kind.name), "0") for kind in result.lifetimes]) for d in days]


def number(value: float) -> str:
    """`1117742` as `1,117,742`."""
    return f"{value:,.0f}"


def size(count: int) -> str:
    """Bytes in the largest unit that leaves at least one: `53.2 MB`."""
    for unit, bound in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= bound:
            return f"{count / bound:.1f} {unit}"
    return f"{count} bytes"


def milliseconds(value: float) -> str:
    """`1.6 ms`, and from a second on `2.3 s`."""
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.1f} ms"


def day(value: date) -> str:
    """A date as `6 July 2026`."""
    return f"{value.day} {value:%B %Y}"


_ENVIRONMENT.filters.update(number=number, size=size, ms=milliseconds, day=day, short=charts.short)
