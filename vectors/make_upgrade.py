"""Make upgrade.json: signed upgrade plans (`docs/spec/upgrade.md`), from fixed inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_verify import crypto
from unheld_verify.upgrade import Part, UpgradePlan

STORE, SEED = b"\x51" * 16, b"\x09" * 32
REGISTER, WHOLE = Part("register", 1, 2), Part("store", 1, 2)


def build() -> dict[str, Any]:
    """The vectors; every input is fixed."""
    plans = [
        UpgradePlan(STORE, "2026-07-06", "0.2.0", parts).signed(SEED)
        for parts in ((WHOLE,), (REGISTER,), (REGISTER, WHOLE), (Part("store", 2, 4),))
    ]
    return {
        "page": "docs/spec/upgrade.md",
        "headquarters": crypto.sign_public(SEED).hex(),
        "plans": [{"digest": plan.digest, "file": plan.encode().decode()} for plan in plans],
    }


if __name__ == "__main__":
    Path(__file__).with_name("upgrade.json").write_text(json.dumps(build(), indent=1) + "\n")
