"""Scene 4, the sale: what a buyer gets who takes over every disk, and every backup that was ever made."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from unheld.demo import bigtree
from unheld.demo.calendar import EVENING, NOON, at
from unheld.demo.replay import Replay
from unheld.demo.world import BINDINGS, SALE_KNOWN, TARIFFS
from unheld.workflows import leave
from unheld_slots import durable

SCENE = 4
_FORM = """\
buyer = "a buyer in the replay"

[numbers]
bare = "international"
plmn = ["00101"]

[tables.bindings]
file = "{file}"
columns = {{ msisdn = "msisdn", imsi = "imsi", tariff = "tariff" }}

[tables.tariffs]
file = "{tariffs}"
columns = {{ tariff = "tariff", price = "price" }}
"""


def hand_over(replay: Replay) -> None:
    """After the standstill: the manifest, the drop, the certificate."""
    day = SALE_KNOWN + timedelta(days=replay.deployment.policy().standstill_days)
    form = spec(replay)
    with at(day, NOON):
        handed = leave.hand_over(replay.deployment, replay.out / "handover", form)
        rows = sum(table["rows"] for table in handed.paper.body["tables"] if table["table"] == "bindings")
        plan = leave.plan_drop(replay.deployment)
        dropped = leave.drop(replay.deployment, plan, plan.digest[:8])
    replay.right.back_up()
    with at(day, EVENING):
        leave.certify(replay.deployment, replay.out / "certificate", None)
    replay.right.back_up()
    replay.tell(f"everyone forgotten: {dropped.applied.rows:,} rows, {dropped.applied.milliseconds:.1f} ms")
    replay.link("the manifest", replay.out / "handover" / "manifest.html")
    replay.link("the certificate", replay.out / "certificate" / "certificate.pdf")
    _measure(replay, rows)


def _measure(replay: Replay, lines: int) -> None:
    left = replay.seizer.seize(replay.left.seen())
    right = replay.seizer.seize(replay.right.seen(abroad=True))
    rows, people = replay.scene(SCENE), replay.world.subscribers
    rows.exactly("a working network: numbers and SIMs handed over", "lines", left.registry_rows, lines, people)
    rows.zero("records of calls that the buyer reads", "records", left.records, right.records)
    rows.zero("days of people's lives that the buyer reads", "party-days", left.party_days, right.party_days)
    rows.zero("people tied to a name and an identity paper", "people", left.registry_rows, right.registry_rows)


def spec(replay: Replay) -> Path:
    """The hand-over's file: which columns of what the network works with go to the buyer."""
    path = replay.run / "handover.toml"
    folder = replay.right.service.relative_to(replay.run)
    text = _FORM.format(file=(folder / BINDINGS).as_posix(), tariffs=(folder / TARIFFS).as_posix())
    durable.write_file(path, text.encode())
    return path


def country(replay: Replay) -> None:
    """A tree as large as a country's, and the drop of its keys."""
    made = bigtree.drop(replay.run / "country", replay.world.seed, replay.big_rows)
    took = f"dropped in {made.drop_milliseconds:,.0f} ms"
    replay.tell(f"a tree of {made.rows:,} rows built in {made.building_seconds:.0f} s, {took}")
    rows = replay.scene(SCENE)
    rows.zero("a large tree: rows that a backup opens after the drop", "rows", made.rows, made.after)
    rows.shown("a large tree: time to drop all its keys", "ms", None, round(made.drop_milliseconds, 1))
    rows.note("In the row on the large tree, the left is what the same backup opened before the drop.")
    if made.rows < bigtree.COUNTRY:
        words = f"The large tree has {made.rows:,} rows in this run;"
        rows.note(f"{words} unheld demo --full builds and drops all {bigtree.COUNTRY:,}.")
