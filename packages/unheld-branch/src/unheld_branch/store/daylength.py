"""How long a day may stay open, whatever the clock says: `opened.json` notes when it opened by the machine's uptime.

A clock that is set back would keep a day's keys here for ever. A machine that was started anew counts from its start.
"""

from __future__ import annotations

from pathlib import Path

from unheld_branch.kernel.uptime import Uptime
from unheld_slots import durable
from unheld_verify import canonical, custody
from unheld_verify.errors import BadInputError

HOURS_MOST = 25
_FILE = "opened.json"
_DAY = 86_400


def note(folder: Path, day: int, now: Uptime) -> None:
    """A day opens now."""
    document = {"v": 1, "day": day, "boot": now.boot, "since": now.seconds}
    durable.write_file(folder / _FILE, canonical.encode(document))


def over(folder: Path, day: int, clock: int, now: Uptime) -> bool:
    """Whether the open `day` must close: its next push is due, it ended, or it was open for a day and an hour."""
    return clock >= (day + 1) * _DAY - custody.EARLY_SECONDS or _seconds(folder, day, now) > HOURS_MOST * 3600


def _seconds(folder: Path, day: int, now: Uptime) -> int:
    path = folder / _FILE
    try:
        document = canonical.decode(path.read_bytes()) if path.is_file() else {}
    except BadInputError:  # as if the machine had been started anew: it closes no later
        document = {}
    same = (document.get("day"), document.get("boot")) == (day, now.boot)
    since = int(document["since"]) if same else 0
    return now.seconds - since if since <= now.seconds else now.seconds  # where the system names no boots
