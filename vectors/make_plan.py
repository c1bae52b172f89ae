"""Make plan.json: a signed plan of every act and what opens it (`docs/spec/plan.md`), from fixed inputs.

All nonces are bytes 1: only a vector may be sealed so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from unheld_branch.keys.parties.root import step_plan_key
from unheld_branch.store.targets import Targets
from unheld_verify import crypto
from unheld_verify.plan import Plan

STORE, PLAN_KEY, SEED = b"\x51" * 16, b"\x77" * 32, b"\x09" * 32
EVENT_DAY = 20_639
TARGETS = {0: 2, 202607: 1}  # rows by tree


def build() -> dict[str, Any]:
    """The vectors; every input is fixed."""
    public = crypto.sign_public(SEED)
    return {
        "page": "docs/spec/plan.md",
        "headquarters": public.hex(),
        "plan_key": PLAN_KEY.hex(),
        "next_plan_key": step_plan_key(PLAN_KEY).hex(),
        "targets": [
            {"tree": number, "tag": tag.tobytes().hex(), "label": label.tobytes().hex()}
            for number, (tags, labels) in _targets().trees.items()
            for tag, label in zip(tags, labels, strict=True)
        ],
        "plans": [{"digest": plan.digest, "file": plan.encode().decode()} for plan in _plans()],
    }


def _targets() -> Targets:
    def column(byte: int, rows: int) -> Any:
        return np.array([[byte + row] * 16 for row in range(rows)], np.uint8)

    return Targets({number: (column(1 + number % 7, rows), column(100, rows)) for number, rows in TARGETS.items()})


def _plans() -> list[Plan]:
    made = "2026-07-06"
    parties = {"sealed": _sealed(_targets()), "root": crypto.sha256(b"the parties' leaves"), "leaves": 16}
    nobody = {"sealed": _sealed(Targets({}))}
    plans = [
        Plan(STORE, "parties", made, {"parties": 2, "rows": 3}, **parties),
        Plan(STORE, "day", made, {"columns": 3, "blocks_at_most": 768}, EVENT_DAY, **nobody),
        Plan(STORE, "class", made, {"columns": 1, "blocks_at_most": 256}, EVENT_DAY, "place", **nobody),
        Plan(STORE, "everything", made, {"rows": 3, "columns": 4}, **nobody),
    ]
    return [plan.signed(SEED) for plan in plans]


def _sealed(targets: Targets) -> bytes:
    return crypto.seal(PLAN_KEY, targets.encode(), b"unheld/v1/plan" + STORE, lambda count: b"\1" * count)


if __name__ == "__main__":
    Path(__file__).with_name("plan.json").write_text(json.dumps(build(), indent=1) + "\n")
