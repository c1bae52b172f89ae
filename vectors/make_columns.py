"""Make columns.json: components, chains, keys and the column function of `docs/spec/column.md`, from fixed inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unheld_verify import columns

DAY = 20_640  # 2026-07-06
LABELS = bytes(range(32))


def build() -> dict[str, Any]:
    """The vectors; every input is fixed."""
    chain = bytes(range(32))
    links = [chain, columns.next_link(chain), columns.next_link(columns.next_link(chain))]
    day_key = columns.day_key(chain, DAY)
    keys = [columns.column_key(columns.day_key(bytes([number]) * 32, DAY), "contact", DAY - 1) for number in range(3)]
    pushed = {("contact", DAY): {0: keys[0], 1: keys[1]}, ("charge", DAY): {0: keys[2], 1: keys[0]}}
    return {
        "page": "docs/spec/column.md",
        "components": [
            {"n": n, "t": t, "subsets": [list(subset) for subset in columns.components(n, t)]}
            for n, t in ((1, 1), (3, 2), (5, 3), (4, 4))
        ],
        "chain": [link.hex() for link in links],
        "day": DAY,
        "day_key": day_key.hex(),
        "column_keys": [
            {"class": cls, "d": DAY - 1, "key": columns.column_key(day_key, cls, DAY - 1).hex()}
            for cls in columns.CLASSES
        ],
        "function": {
            "keys": [key.hex() for key in keys],
            "labels": LABELS.hex(),
            "values": columns.evaluate(keys, LABELS).hex(),
        },
        "checks": {
            "keys": [[cls, d, number, key.hex()] for (cls, d), held in pushed.items() for number, key in held.items()],
            "checks": {str(number): check for number, check in columns.checks(pushed).items()},
        },
        "window": {
            "late_days": 3,
            "lifetimes": {"charge": 90, "contact": 30, "place": 2, "identity": 62},
            "pairs": [
                list(pair) for pair in columns.window(DAY, 3, {"charge": 90, "contact": 30, "place": 2, "identity": 62})
            ],
        },
        "park": [
            {
                "reason": reason,
                "day": DAY,
                "period": columns.park_period(reason, DAY),
                "due": columns.park_due(reason, columns.park_period(reason, DAY), 45),
            }
            for reason in columns.PARK_REASONS
        ],
    }


if __name__ == "__main__":
    Path(__file__).with_name("columns.json").write_text(json.dumps(build(), indent=1) + "\n")
