"""How long this machine has run: a clock that nobody sets back, for as long as it is not started anew."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Uptime:
    """A boot of this machine, and seconds since it, sleep included."""

    boot: str
    seconds: int


def uptime() -> Uptime:
    """Of this machine. Where the system names no boots, all are one."""
    boot = _BOOT_ID.read_text("ascii").strip() if _BOOT_ID.is_file() else ""
    return Uptime(boot, int(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))))
