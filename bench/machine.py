"""Which machine measured, in words that name nobody's machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import duckdb


def words() -> str:
    """Cores, processor, versions."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {_processor()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
