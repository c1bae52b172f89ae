"""The command line. Doors only translate: every decision is below."""

from __future__ import annotations


def main() -> None:
    """Run `unheld`."""
    from unheld.cli import erase_commands, proof_commands, record_commands, store_commands  # noqa: F401, PLC0415
    from unheld.cli.app import app  # noqa: PLC0415

    app()
