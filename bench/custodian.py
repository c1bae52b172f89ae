"""One custodian of 7, of whom 4 open a day: a year of its life, and how fast it answers grants. Prints one JSON line.

python -m bench.custodian FOLDER GRANTS DAYS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

from unheld_custodian import moves
from unheld_custodian.custodian import Custodian
from unheld_custodian.kept import NAME, Kept
from unheld_custodian.state import State, Whole, encode
from unheld_slots.slot import FileSlot
from unheld_verify import columns, crypto
from unheld_verify.grant import Grant
from unheld_verify.roster import Draft

N, T = 7, 4
BEGINS = 20_636
_GRANTED_DAYS = 30
_NOON = 43_200


def begun() -> State:
    """The first custodian of a set on the defaults, on its first day."""
    names = tuple(f"Custodian {index}" for index in range(N))
    draft = Draft(
        bytes(16), 1, T, names, BEGINS, columns.LIFETIME_DEFAULTS, columns.LATE_DAYS_DEFAULT, bytes(32), bytes(32),
        "log.example",
    )  # fmt: skip
    chains = {number: crypto.random_bytes(32) for number in columns.held(N, T, 0)}
    return moves.begun(draft, 0, crypto.random_bytes(32), chains, bytes(32), BEGINS)


def lived(days: int) -> tuple[State, int, float]:
    """The state after so many days, the most bytes it ever had, and the median of a day's milliseconds."""
    state, most, took = begun(), 0, []
    for day in range(BEGINS, BEGINS + days):
        begin = time.perf_counter()
        state = moves.lapsed(state, day)
        state = moves.issued(moves.parking(moves.opened(state, day, day), day), day, crypto.random_bytes(32))
        most = max(most, len(encoded(state)))
        state = moves.closed(state, day, day)
        took.append((time.perf_counter() - begin) * 1000)
    return state, most, median(took)


def encoded(state: State) -> bytes:
    """The plaintext of the sealed memory."""
    return encode(Whole("Custodian 0", {b"": (0, 0, 0)}, {(state.store, state.set): state}))


def granted(folder: Path, state: State, grants: int) -> tuple[float, float]:
    """Seconds a grant for 30 days of every class takes, its durable count and sealed answer included; and its values.

    Each is another label's: a label has few a month.
    """
    today = state.next_day
    whole = Whole("Custodian 0", {b"": (0, 0, 0)}, {(state.store, state.set): state})
    second = today * moves.DAY_SECONDS + _NOON
    custodian = Custodian(Kept.create(folder / NAME, FileSlot.create(folder / "a.slot"), whole), (bytes(16), 1), second)
    pairs = columns.in_order(
        pair for pair in columns.living(today, state.lifetimes) if today - _GRANTED_DAYS <= pair[1] < today
    )
    took, count = [], len([name for name in state.keys if (columns.CLASS_NAMES[name[0]], name[1]) in set(pairs)])
    for number in range(grants):
        seed = number.to_bytes(32, "big")
        asked = Grant(
            bytes(16), crypto.sign_public(seed), bytes(16), tuple(pairs), second, second + 600, bytes(16),
            crypto.park_keypair()[1],
        ).signed(seed)  # fmt: skip
        begin = time.perf_counter()
        custodian.evaluate(asked, asked.digest)
        took.append(time.perf_counter() - begin)
    return median(took), float(count)


def main(folder: Path, grants: int, days: int) -> dict[str, float]:
    """All figures."""
    state, most, day_ms = lived(days)
    seconds, values = granted(folder, state, grants)
    return {"state": most, "keys": len(state.keys), "day_ms": day_ms, "grant_s": seconds, "values": values}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
