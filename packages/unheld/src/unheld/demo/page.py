"""The demo's page: one HTML file that works offline, without script, on a small screen and on paper."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from unheld.demands import codes
from unheld.demo import charts
from unheld.demo.measures import Story
from unheld.demo.scenes import SCENES
from unheld.demo.terminal import figure

_ENVIRONMENT = Environment(
    loader=PackageLoader("unheld.demo", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["figure"] = figure


def render(story: Story) -> str:
    """The page of a run as the text of one HTML file."""
    titles = {code.id: code.title for code in codes.known().values()}
    return _ENVIRONMENT.get_template("page.html.j2").render(
        s=story,
        scenes=SCENES,
        slope=charts.slope_chart(story.slope),
        refusals=[(titles[code], count) for code, count in story.refusals.items()],
        hard=[measure for measure in story.measures if measure.must_be_zero],
    )
