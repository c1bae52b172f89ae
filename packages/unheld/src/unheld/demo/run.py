"""The demo: a synthetic network lives for two weeks, an attacker tries it, a party is forgotten, then everyone.

Every figure of the report is computed in this run. The attacker who succeeds before a forgetting (the positive control)
is the same code as the one who fails after it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from unheld.assembly import Deployment
from unheld.demo.operator import Network
from unheld.demo.report import render
from unheld.demo.result import Attempt, DemoResult, Lifetime, Readable
from unheld.inventory import Inventory
from unheld.plans.planning import Planned
from unheld.testing.attacker import Attacker
from unheld.testing.planted import Planted, planted
from unheld.testing.recorder import Copies
from unheld.testing.synthetic import Operator
from unheld.workflows.founding import Wishes
from unheld_branch.records.mapping import mapping_of
from unheld_slots import durable
from unheld_verify import columns, receipt, tiles
from unheld_verify.errors import StateError

_MARKER = ".unheld-demo"
_MAPPINGS = Path(__file__).parent / "mappings"
_HOLDS = {
    "charge": "when, how long, how much",
    "contact": "the other party, SIM and device",
    "place": "the radio cell",
}
_SAMPLE = 400
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How large the demo is."""

    seed: int = 7
    subscribers: int = 20_000
    days: int = 14


def run(out: Path, sizes: Sizes, tell: Tell) -> DemoResult:
    """Live through it; the report, a receipt and everything of the run are in `out` afterwards."""
    start = time.monotonic()
    base = _emptied(out)
    network = _network(base, sizes)
    with Copies([base]) as recorder:
        _live(network, recorder, tell)
        attempts, times, box = _forget(network, recorder, tell)
    _receipt(network, box, out, tell)
    head = tiles.verify_log(tiles.open_log(str(network.deployment.log)), network.deployment.log_key())
    tell(f"log: {head.size} entries verified")
    with network.deployment.opened() as store:
        words = store.slot_words()
    result = DemoResult(
        seed=sizes.seed,
        subscribers=sizes.subscribers,
        records=sum(day.records for day in network.figures),
        days=tuple(network.figures),
        lifetimes=tuple(Lifetime(name, _HOLDS[name], columns.LIFETIME_DEFAULTS[name]) for name in _HOLDS),
        readable=tuple(_readable(network)),
        attacker=tuple(attempts),
        sampled=min(_SAMPLE, sizes.subscribers),
        forgetting_ms=times[0],
        everything_ms=times[1],
        log_entries=head.size,
        log_verified=True,
        seconds=time.monotonic() - start,
        slot_words=words,
        inventory_words=Inventory(network.deployment.root).words(),
    )
    durable.write_file(out / "report.html", render(result).encode(), 0o644)
    return result


def _emptied(out: Path) -> Path:
    """The folder of the run. Only a folder that an earlier demo made is emptied."""
    if out.exists() and any(out.iterdir()) and not (out / _MARKER).exists():
        raise StateError(f"{out} is not empty and not an earlier demo's: name another folder")
    shutil.rmtree(out, ignore_errors=True)
    (out / "run").mkdir(parents=True)
    (out / _MARKER).touch()
    return out / "run"


def _network(base: Path, sizes: Sizes) -> Network:
    operator = Operator(sizes.seed, sizes.subscribers, sizes.days)
    registry, calls = (mapping_of(_MAPPINGS / name) for name in ("synthetic-registry.toml", "synthetic.toml"))
    return Network(operator, Deployment(base / "store"), registry, calls, base / "sources")


def _live(network: Network, recorder: Copies, tell: Tell) -> None:
    copy = network.deployment.root.with_name("copy")
    network.found(Wishes(n=3, t=2, copies=[copy]))
    tell(f"a network of {network.operator.subscribers:,} subscribers who cannot exist, custodians 2 of 3, one copy")
    for day in network.days():
        network.live(day)
        recorder.take()
        lived = network.figures[-1]
        tell(
            f"{day}: {lived.sealed:,} of {lived.records:,} records sealed, {lived.late:,} came late; "
            "day closed, due keys lapsed"
        )


def _forget(network: Network, recorder: Copies, tell: Tell) -> tuple[list[Attempt], tuple[float, float], Planned]:
    """Attack, forget one, attack, forget everyone, attack."""
    last = network.days()[-1]
    sample = _sample(network)
    who = sample[0]
    held = _held(network, last).of(sample)
    one, rest = held.of([who]), held.but([who])
    attempts = [_attack(network, recorder, sample, [("before: every key alive", held, False)], tell)[0]]
    done, planned = network.forget(who, last)
    tell(f"one party forgotten: {done.rows} rows, key overwritten in {done.milliseconds:.1f} ms, two trees")
    moments = [("after: the party forgotten", one, True), ("after: everybody else", rest, False)]
    attempts += _attack(network, recorder, sample, moments, tell)
    everyone = network.forget_everyone(last)
    tell(f"everyone forgotten: {everyone.rows:,} rows, key overwritten in {everyone.milliseconds:.1f} ms")
    attempts += _attack(network, recorder, sample, [("after: everyone forgotten", held, True)], tell)
    network.publish(last)
    return attempts, (done.milliseconds, everyone.milliseconds), planned


def _sample(network: Network) -> list[str]:
    """Subscribers whose every folio the attacker tries: the first of the registry, which is in random order."""
    numbers: Sequence[str] = network.operator.registry()["msisdn"].slice(0, _SAMPLE).to_pylist()
    return [f"tel:{number}" for number in numbers]


def _held(network: Network, day: date) -> Planted:
    """Folios that exist on the evening of `day`: sealed so far, and not lapsed."""
    truth = planted(network.operator, [one for one in network.days() if one <= day], columns.LIFETIME_DEFAULTS)
    today = columns.day_of(day)
    alive = {column: who for column, who in truth.folios.items() if _due(column) > today}
    return Planted(alive)


def _due(column: columns.Column) -> int:
    return columns.due(column.cls, column.event_day, columns.LIFETIME_DEFAULTS)


def _attack(
    network: Network, recorder: Copies, sample: Sequence[str], moments: Sequence[tuple[str, Planted, bool]], tell: Tell
) -> list[Attempt]:
    """One attack with every byte copied so far and every key alive now; what it opens of each expectation."""
    loot = Attacker(recorder.recording(), network.operator, among=sample).closure()
    attempts = []
    for moment, expected, must_fail in moments:
        figures = loot.figures(expected)
        attempts.append(Attempt(moment, figures.folios_tried, figures.opened, must_fail))
        tell(f"attacker, {moment}: {figures.opened:,} of {figures.folios_tried:,} folios opened")
    return attempts


def _readable(network: Network) -> list[Readable]:
    """Folios for which keys existed at the end of each day, by class."""
    found = []
    for day in network.days():
        held = _held(network, day)
        for name in _HOLDS:
            count = sum(len(who) for column, who in held.folios.items() if column.cls == name)
            found.append(Readable(day, name, count))
    return found


def _receipt(network: Network, planned: Planned, out: Path, tell: Tell) -> None:
    """Open the forgotten party's box as that person would, complete the receipt from the public log, check it."""
    log, key = tiles.open_log(str(network.deployment.log)), network.deployment.log_key()
    party = receipt.open_box(receipt.parse_claim_code(planned.claim_code), planned.box)
    made = receipt.complete(receipt.opening_of(party, log, key), party, log, key)
    durable.write_file(out / "receipt.tlog-proof", made)
    receipt.verify(made, key)
    tell("receipt of the forgotten party completed from the public log and verified")
