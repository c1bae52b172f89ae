"""The demo: 2021 replayed in five scenes, for a network as networks were kept and for the same one with unheld.

Every number is computed in this run, by one attacker for both sides. The left is the positive control: it shows that
the attacker finds what is there.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from unheld.demo import page, scene_held, scene_orders, scene_proof, scene_sale, scene_staff
from unheld.demo.bigtree import COUNTRY
from unheld.demo.calendar import EVENING, at
from unheld.demo.measures import Story
from unheld.demo.orders import ORDERS
from unheld.demo.replay import Replay, Tell
from unheld.demo.world import World
from unheld.inventory import Inventory
from unheld_slots import durable
from unheld_verify.errors import StateError

PAGE = "index.html"
_MARKER = ".unheld-demo"


@dataclass(frozen=True)
class Sizes:
    """How large the demo is: people, days of history, rows of the large tree, lists that arrive."""

    seed: int = 7
    subscribers: int = 3_000
    history: int = 365
    rows: int = 1_000_000
    lists: int = ORDERS

    @property
    def full(self) -> bool:
        """Whether the tree is as large as a country's."""
        return self.rows >= COUNTRY


def run(out: Path, sizes: Sizes, tell: Tell) -> Story:
    """Live through the year and the exit; what a reader gets is in `out` afterwards, the networks in `out/run`."""
    start = time.monotonic()
    world = World(sizes.seed, sizes.subscribers, sizes.history)
    with Replay(world, out, _emptied(out), tell, sizes.rows, sizes.lists) as replay:
        records = _live(replay)
        slope = scene_held.slope(replay)
        with replay.deployment.opened() as store:
            words = store.slot_words()
        story = Story(
            seed=sizes.seed,
            subscribers=sizes.subscribers,
            history=sizes.history,
            full=sizes.full,
            measures=tuple(sorted(replay.measures, key=lambda measure: measure.scene)),
            slope=slope,
            refusals=replay.refusals,
            records=records,
            files=replay.files,
            slot_words=words,
            inventory_words=Inventory(replay.deployment.root).words(),
            notes={scene: tuple(said) for scene, said in replay.notes.items()},
        )
    story = replace(story, seconds=time.monotonic() - start)
    durable.write_file(out / PAGE, page.render(story).encode(), 0o644)
    return story


def _live(replay: Replay) -> int:
    """In the order of time; the scenes are told in another."""
    records = scene_held.live(replay)
    scene_held.measure(replay)
    scene_held.forget_one(replay)
    scene_staff.measure(replay)
    scene_orders.measure(replay)
    with at(replay.world.today, EVENING):
        replay.right.end_day()
    scene_orders.report(replay)
    replay.right.back_up()
    scene_proof.object_to_sale(replay)
    scene_sale.hand_over(replay)
    scene_sale.country(replay)
    scene_proof.prove(replay)
    return records


def _emptied(out: Path) -> Path:
    """The folder of the run. Only a folder that an earlier demo made is emptied."""
    if out.exists() and any(out.iterdir()) and not (out / _MARKER).exists():
        raise StateError(f"{out} is not empty and not an earlier demo's: name another folder")
    shutil.rmtree(out, ignore_errors=True)
    (out / "run").mkdir(parents=True)
    (out / _MARKER).touch()
    return out / "run"
