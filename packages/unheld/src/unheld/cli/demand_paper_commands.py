"""demand letter, demand report: what the register says on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unheld.assembly import clock
from unheld.cli import numbers
from unheld.cli.demand_register_commands import Id, demand
from unheld.cli.output import Answer, Surface, command
from unheld.cli.store_commands import deployment
from unheld_slots import durable
from unheld_verify import columns, note, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError, UsageError

if TYPE_CHECKING:
    from unheld.demands.figures import Figures

_UNKNOWN = -1

Out = Annotated[Path, typer.Option(help="Folder for the files; what is there under the same names is replaced.")]
LogKey = Annotated[str, typer.Option("--log-key", help="With --log: the log's vkey, or @FILE.")]


@command(demand, "letter", Surface.FIGURES)
def letter(
    demand_id: Id,
    out: Out,
    signed_by: Annotated[str, typer.Option(help="The officer abroad who signs; nobody is named without it.")] = "",
) -> Answer:
    """Write the letter on a refused or narrowed demand: letter.html and letter.pdf. It never says what was named."""
    from unheld.demands import letters, register, rules  # noqa: PLC0415
    from unheld.papers.html import html  # noqa: PLC0415
    from unheld.papers.pdf import pdf  # noqa: PLC0415

    where = deployment()
    with register.opened(where) as opened:
        found = opened.find(demand_id)
    made = letters.letter(found, where.policy(), rules.load(where), signed_by)
    page, paper = out / "letter.html", out / "letter.pdf"
    _write(page, html(made).encode())
    try:
        _write(paper, pdf(made))
    except BadInputError as error:
        raise BadInputError(f"{page} is written, {paper} is not: {error}") from None
    said = [f"{page} and {paper} are written", "have a lawyer read it before it is sent: none has reviewed its texts"]
    if "DeFactoImpossibility" in found.codes and where.custodians.is_dir():
        said.append("it says that nobody in the country holds keys: here all custodians are on this machine")
    return Answer(said, {"demand": found.name, "files": [str(page), str(paper)]})


@command(demand, "report", Surface.FIGURES)
def report(
    out: Out,
    first: Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD (default: the first demand's).")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD (default: today).")] = "",
    place: Annotated[str, typer.Option("--log", help="Count this log alone, as an outsider: a folder or URL.")] = "",
    log_key: LogKey = "",
) -> Answer:
    """Write the transparency report, refusals first: report.html, report.csv and report.json."""
    from unheld.demands import figures, reporting, rules  # noqa: PLC0415
    from unheld.papers.html import html  # noqa: PLC0415

    if bool(place) != bool(log_key):
        raise UsageError("an outsider's report needs both --log and --log-key; headquarters' own needs neither")
    days = tuple(columns.day_number(day) if day else _UNKNOWN for day in (first, last))
    home, titles = "", dict[str, str]()
    if place:
        if log_key.startswith("@"):
            log_key = numbers.read_text(Path(log_key[1:]), CannotVerifyError).strip()
        key = note.parse_key(log_key)
        origin, counted = key.name, figures.from_log(tiles.open_log(place), key, _today(), *days)
    else:
        policy = deployment().policy()
        origin, home, counted = policy.origin, policy.home, _own(*days)
        titles = {law.id: law.title for pack in rules.load(deployment()).packs for law in pack.laws}
    files = [out / f"report.{kind}" for kind in ("html", "csv", "json")]
    texts = (
        html(reporting.document(counted, origin, home, titles)),
        reporting.to_csv(counted),
        reporting.to_json(counted, origin),
    )
    for path, text in zip(files, texts, strict=True):
        _write(path, text.encode())
    document = reporting.summary(counted) | {"files": [str(path) for path in files]}
    return Answer([reporting.headline(counted), *(f"  {path}" for path in files)], document)


def _own(first: int, last: int) -> Figures:
    """The figures of this register, beside this deployment's log. Works without a store."""
    from unheld.demands import figures, register  # noqa: PLC0415
    from unheld.ledger import Ledger  # noqa: PLC0415

    where = deployment()
    with register.opened(where) as opened:
        demands, kept = opened.demands(), Ledger(where.ledger).kept()
    published = figures.published_in(tiles.open_log(str(where.log)), where.log_key())
    return figures.from_register(demands, kept, published, _today(), first, last)


def _today() -> int:
    return clock().now() // 86_400


def _write(path: Path, data: bytes) -> None:
    durable.make_folders(path.parent)
    durable.write_file(path, data, 0o644)
