"""The command line. Doors only translate: every decision is below."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

PARTS: dict[str, tuple[str, ...]] = {
    "access": ("access_commands",),
    "casefolder": ("casefolder_command",),
    "copy": ("copy_commands",),
    "custody": ("custody_commands",),
    "demand": ("demand_paper_commands", "demand_register_commands"),
    "demo": ("demo_command",),
    "erase": ("erase_commands",),
    "exit": ("exit_commands",),
    "receipt": ("page_command", "proof_commands"),
    "log": ("proof_commands",),
    **dict.fromkeys(("map", "ingest", "day", "park", "lapse", "canary", "run"), ("record_commands",)),
    **dict.fromkeys(("init", "status", "check", "doctor", "inventory"), ("store_commands",)),
    "upgrade": ("upgrade_commands",),
}
"""The modules that make each first word's commands: others are not loaded, for loading takes longer than most acts."""


def main() -> None:
    """Run `unheld`."""
    try:
        prepare(sys.argv[1:])
        from unheld.cli.app import call  # noqa: PLC0415

        code = call(sys.argv[1:])
    except KeyboardInterrupt:  # while the parts were loaded: nothing had begun
        code = 130
    raise SystemExit(code)


def prepare(words: Sequence[str]) -> None:
    """Load the commands that a call needs: all of them, unless its first word says whose it is."""
    parts = PARTS.get(_first(words), sorted({part for parts in PARTS.values() for part in parts}))
    for part in parts if list(words) != ["--version"] else ():
        import_module(f"unheld.cli.{part}")


def _first(words: Sequence[str]) -> str:
    """The first word behind the global options; empty where help was asked for before it."""
    left = iter(words)
    for word in left:
        if word == "--store":
            next(left, "")
        elif word == "--help" or not word.startswith("-"):
            return word
    return ""
