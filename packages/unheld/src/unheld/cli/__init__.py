"""The command line. Doors only translate: every decision is below."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `unheld`."""
    try:
        from unheld.cli import (  # noqa: F401, PLC0415
            access_commands,
            casefolder_command,
            copy_commands,
            custody_commands,
            demand_paper_commands,
            demand_register_commands,
            demo_command,
            erase_commands,
            exit_commands,
            page_command,
            proof_commands,
            record_commands,
            store_commands,
            upgrade_commands,
        )
        from unheld.cli.app import call  # noqa: PLC0415

        code = call(sys.argv[1:])
    except KeyboardInterrupt:  # while the parts were loaded: nothing had begun
        code = 130
    raise SystemExit(code)
