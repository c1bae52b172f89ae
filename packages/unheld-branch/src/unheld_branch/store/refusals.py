"""Plans that the branch refused, for headquarters to see: `refused-plans.json` in the store's folder.

    {"v":1, "refused":{"<plan digest, or nothing>":{"day":date, "act":name, "why":words}}}

One entry a plan that headquarters signed, and one for all files that it did not: whoever drops files there fills
nothing and pushes nothing out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unheld_slots import durable
from unheld_verify import canonical, columns
from unheld_verify.errors import BadInputError
from unheld_verify.words import one_line

KEPT_DAYS = 31
_FILE = "refused-plans.json"
_WORDS_MOST = 500


@dataclass(frozen=True)
class Refusal:
    """A plan that was refused: when, its digest and act (both empty when headquarters did not sign it), and why."""

    day: str
    digest: str
    act: str
    why: str


def note(folder: Path, one: Refusal) -> None:
    """Tell of it for a month, or until the same plan is applied."""
    _write(folder, {**_read(folder), one.digest: one}, columns.day_number(one.day))


def forget(folder: Path, digest: str) -> None:
    """A plan was applied after all."""
    held = _read(folder)
    if held.pop(digest, None) is not None:
        _write(folder, held, 0)


def listed(folder: Path, today: int) -> list[Refusal]:
    """The refusals of the last month, the newest first."""
    recent = (one for one in _read(folder).values() if columns.day_number(one.day) + KEPT_DAYS > today)
    return sorted(recent, key=lambda one: one.day, reverse=True)


def _read(folder: Path) -> dict[str, Refusal]:
    path = folder / _FILE
    try:
        found: dict[str, Any] = canonical.decode(path.read_bytes())["refused"] if path.is_file() else {}
        read = {digest: Refusal(digest=digest, **fields) for digest, fields in found.items()}
        words = [text for one in read.values() for text in (one.act, one.why) if columns.day_number(one.day) >= 0]
    except (OSError, BadInputError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(f"{path}: cannot be read ({error}); remove it, it only tells of refused plans") from None
    if not all(isinstance(text, str) for text in words):
        raise BadInputError(f"{path}: a field is no text; remove it, it only tells of refused plans")
    return read


def _write(folder: Path, held: dict[str, Refusal], today: int) -> None:
    kept = {
        digest: {name: one_line(text)[:_WORDS_MOST] for name, text in asdict(one).items() if name != "digest"}
        for digest, one in held.items()
        if columns.day_number(one.day) + KEPT_DAYS > today
    }
    durable.write_file(folder / _FILE, canonical.encode({"v": 1, "refused": kept}))
