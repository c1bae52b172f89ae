"""Own records on paper: JSON and CSV for programs, one page to read, and in plain words what was checked."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from unheld.access.folder import Folder
from unheld.access.messages import Slip
from unheld.access.opening import Opened
from unheld.access.values import Read, State
from unheld.papers.document import Bullets, Document, Heading, Notice, Paragraph, Table
from unheld.papers.html import html
from unheld_slots import durable
from unheld_verify import canonical, columns, custody, spoken
from unheld_verify.columns import EventColumn
from unheld_verify.roster import spoken_digest
from unheld_verify.signed import from_json

_DAY = 86_400
_FORMULA = ("=", "+", "-", "@")


def write(out: Path, folder: Folder, opened: Opened, read: Read) -> list[Path]:
    """Write `records.json`, `records.csv` and `records.html`, each for its owner alone."""
    durable.make_folders(out)
    words = said(folder, opened, read)
    files = {
        "records.json": canonical.encode({"v": 1, "records": _whole(opened.records), "said": words}),
        "records.csv": _csv(opened.records),
        "records.html": html(_document(folder.slip(), opened, words)).encode(),
    }
    for name, data in files.items():
        durable.write_file(out / name, data)
    return [out / name for name in files]


def said(folder: Folder, opened: Opened, read: Read) -> list[str]:
    """What was checked and what was not, of what was asked for, a sentence each."""
    slip, wish = folder.slip(), folder.wish()
    lines = [f"{_days(found)} {state.value}" for state, found in _by_state(read).items()]
    lines += [*wrong(slip, read)]
    lines += [f"{_called(slip, number, index)}: {why}" for (number, index), why in sorted(read.refused.items())]
    lines += [f"{_days([(column.cls, column.event_day)])} altered: a block of yours is there and does not open"
              for column in opened.altered]  # fmt: skip
    if opened.missing:
        lines.append(f"{opened.missing} files did not come: lapsed since the slip, or left out by the branch")
    gone = [pair for pair in slip.gone if wish.wants(pair)]
    lines += [f"{_days(gone)} lapsed or erased: nobody holds their keys"] if gone else []
    return lines + _time_of_key(slip)


def wrong(slip: Slip, read: Read) -> list[str]:
    """Which custodians gave wrong values, by name; of two that differ, both."""
    lines = [f"{_called(slip, number, index)} gave wrong values" for number, index in read.liars]
    return lines + [
        f"{_called(slip, number, one)} or {_called(slip, number, two)} gave wrong values"
        for number, one, two in read.pairs
    ]


def _called(slip: Slip, number: int, index: int) -> str:
    found = slip.rosters().get(number)
    return f"{custody.called(found.draft.names if found else (), index)} (set {number})"


def four_words(slip: Slip) -> dict[int, str]:
    """The four words of each custodian set, to be compared with what the operator published."""
    scripts = [from_json(one.document["transcript"], "transcript") for one in slip.founded]
    return {
        number: " ".join(spoken.words(spoken_digest(one))) for number, one in zip(slip.rosters(), scripts, strict=True)
    }


def headquarters(slip: Slip) -> str:
    """What the custodians know headquarters by, which asks them; of two different ones, both."""
    return " and ".join(sorted({spoken.caller(one.draft.headquarters) for one in slip.rosters().values()}))


def _time_of_key(slip: Slip) -> list[str]:
    lines = [f"this card opens what happened from {_began(slip)} on; nothing of before was ever sealed to it"]
    if slip.ended:
        ended = _moment(slip.ended)
        lines.append(
            f"since {ended} your number is sealed to another key: if you did not register another card, and the number "
            "is still yours, somebody else did; ask, and tell others"
        )
    return lines


def _began(slip: Slip) -> str:
    """Since when there is anything for the card: its row may name a holder of long before the store sealed a day."""
    pairs = [*slip.gone, *((file.column.cls, file.column.event_day) for file in slip.files)]
    sealed = min((day for cls, day in pairs if cls != "identity"), default=0) * _DAY
    second = max(slip.since, sealed)
    return _moment(second) if second else "the beginning"


def _moment(second: int) -> str:
    """A day, with the time of day where it is not midnight; in UTC."""
    when = datetime.fromtimestamp(second, UTC)
    return f"{when:%Y-%m-%d}" if second % _DAY == 0 else f"{when:%Y-%m-%d %H:%M:%S} UTC"


def _by_state(read: Read) -> dict[State, list[EventColumn]]:
    found: dict[State, list[EventColumn]] = defaultdict(list)
    for column, joined in sorted(read.columns.items()):
        found[joined.state].append((column.cls, column.event_day))
    return {state: found[state] for state in State if state in found}


def _days(pairs: Sequence[EventColumn]) -> str:
    """`contact 2026-07-01 to 2026-07-03;` for each class."""
    by_class: dict[str, list[int]] = defaultdict(list)
    for cls, day in columns.in_order(set(pairs)):
        by_class[cls].append(day)
    return ", ".join(f"{cls} {_spans(days)}" for cls, days in by_class.items()) + ":"


def _spans(days: Sequence[int]) -> str:
    spans: list[list[int]] = []
    for day in days:
        if spans and day == spans[-1][1] + 1:
            spans[-1][1] = day
        else:
            spans.append([day, day])
    texts = [
        columns.day_text(first) + (f" to {columns.day_text(last)}" if last > first else "") for first, last in spans
    ]
    return " and ".join(texts)


def _whole(records: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Canonical JSON has no floats: degrees are texts there."""
    return {
        cls: [{name: str(value) if isinstance(value, float) else value for name, value in record.items()}
              for record in listed]
        for cls, listed in records.items()
    }  # fmt: skip


def _names(listed: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in listed for name in record))


def _csv(records: Mapping[str, list[dict[str, Any]]]) -> bytes:
    """All classes in one table. A text that a spreadsheet would run as a formula gets an apostrophe in front."""
    rows = [{"class": cls, **record} for cls, listed in sorted(records.items()) for record in listed]
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, ["class", *[name for name in _names(rows) if name != "class"]], restval="")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _document(slip: Slip, opened: Opened, words: Sequence[str]) -> Document:
    tables = [_table(cls, listed) for cls, listed in opened.records.items() if listed]
    nothing = [Paragraph("Nothing of yours was found in the days you asked for.")] if not tables else []
    return Document(
        "Your own records",
        "what this phone network holds sealed of you, opened with your card on your own machine",
        "en",
        date.fromisoformat(columns.day_text(slip.today)),
        (
            Notice("For you alone", "Keep this page as you keep your card, or delete it once you read it.", "warning"),
            Heading("What was checked"),
            Bullets(tuple(words)),
            Paragraph(
                "A bucket of every file was asked for, so the branch did not learn on which days you have records. "
                "It can leave a block out; it cannot know which one is yours."
            ),
            *nothing,
            *tables,
            Paragraph(
                "Whom you had contact with stands here as an alias: a name of that one day, which nobody can resolve "
                "without that party's own keys."
            ),
        ),
        "Made on your own machine from what branch, headquarters and custodians handed over. Times are UTC.",
    )


def _table(cls: str, listed: Sequence[Mapping[str, Any]]) -> Table:
    names = _names(listed)
    rows = tuple(tuple(str(record.get(name, "")) for name in names) for record in listed)
    return Table(f"{cls}: {len(listed)} records", tuple(names), rows)
