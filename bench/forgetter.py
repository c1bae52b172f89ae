"""Forgets parties one after the other in one process, as a branch's service does, and prints each act's milliseconds.

    python -m bench.forgetter STORE FILE_OF_NUMBERS

A command of its own starts Python for each act; what is measured here is the act: plan opened, rows dropped, keys of
the changed path renewed, one durable transaction, read back, old root key overwritten.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from unheld.assembly import Deployment
from unheld.plans import planning
from unheld_branch.workflows.apply import apply


def main(store: Path, numbers: Path) -> list[float]:
    """Forget them all, each by a plan of its own."""
    deployment = Deployment(store)
    custodians, times = deployment.open_custodians(), []
    with deployment.opened(write=True) as opened:
        for number in numbers.read_text("utf-8").split():
            made = planning.plan_parties(opened, [f"tel:{number}"], deployment.seed("plan")).plan
            times.append(apply(opened, custodians, made, made.digest).milliseconds)
    return times


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]))))
