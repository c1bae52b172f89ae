"""Something small to hand over: one tariff, and the file that says so."""

from __future__ import annotations

from pathlib import Path

_SPEC = '[tables.tariffs]\nfile = "tariffs.csv"\ncolumns = { name = "tariff", price = "price" }\n'


def one_tariff(folder: Path) -> Path:
    """Write both into a folder; gives the hand-over's file."""
    (folder / "tariffs.csv").write_text("name,price\nNight,2\n")
    (folder / "handover.toml").write_text(_SPEC)
    return folder / "handover.toml"
