"""A short life of a small store, run under a recorder: a day or two, a forgetting, one fault where asked for.

    python -m tests.support.attacked_run FOLDER SOURCES FAULT

Prints the identity that was forgotten. Each fault is a way in which erasing is got wrong in earnest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.csv

from tests.support.stores import TestStore, made_store
from unheld.testing.synthetic import Operator
from unheld_branch.keys.parties import rows, tags, tree
from unheld_branch.keys.parties.nodes import Nodes, Ref
from unheld_branch.store.openday import OpenDay, OpenDaySlot
from unheld_branch.workflows import ingest
from unheld_slots.slot import FileSlot
from unheld_verify import crypto

OPERATOR = Operator(seed=11, subscribers=60, days=2)
SMALL_NODES = {"LEAF_ROWS": 6, "LEAF_FILL": 4, "INNER_CHILDREN": 4, "INNER_FILL": 3}
HALF = 4096
moved: set[bytes] = set()


def old_root_kept() -> None:
    """A slot that marks the old half as free and leaves the secret in it."""

    def destroy(slot: FileSlot, generation: int) -> None:
        with slot.path.open("r+b") as file:
            file.seek(generation % 2 * HALF)
            file.write(bytes(8))

    FileSlot.destroy = destroy  # type: ignore[method-assign, assignment]


def slot_renamed() -> None:
    """A slot written the way files are: beside it, then renamed over it."""

    def write(slot: FileSlot, number: int, half: bytes) -> None:
        data = bytearray(slot.path.read_bytes())
        data[number * HALF : number * HALF + HALF] = half
        beside = slot.path.with_suffix(".new")
        beside.write_bytes(data)
        beside.rename(slot.path)

    FileSlot._write = write  # type: ignore[method-assign, assignment]


def slot_deleted() -> None:
    """A slot that deletes its file and makes another."""

    def write(slot: FileSlot, number: int, half: bytes) -> None:
        data = bytearray(slot.path.read_bytes())
        data[number * HALF : number * HALF + HALF] = half
        slot.path.unlink()
        slot.path.write_bytes(data)

    FileSlot._write = write  # type: ignore[method-assign, assignment]


def components_logged() -> None:
    """A debug log that prints what the open day's slot is given."""
    keep = OpenDaySlot.keep

    def logged(slot: OpenDaySlot, held: OpenDay) -> None:
        with (Path(sys.argv[1]) / "debug.log").open("a") as log:
            for pair, keys in held.keys.keys.items():
                log.write(f"DEBUG column {pair} components {keys}\n")
        keep(slot, held)

    OpenDaySlot.keep = logged  # type: ignore[method-assign, assignment]


def spilled() -> None:
    """An ingest that sorts on disk: a file that is written and removed."""
    take = ingest.take

    def spilling(draft: Any, mapping: Any, table: Any) -> None:
        spill = Path(sys.argv[1]) / "spill.csv"
        pyarrow.csv.write_csv(table, spill)
        spill.unlink()
        take(draft, mapping, table)

    ingest.take = spilling


def split_keeps_key() -> None:
    """A tree whose leaf keeps its key when it is rewritten or splits; a forgetting takes fresh keys throughout."""
    for name, value in SMALL_NODES.items():
        setattr(tree, name, value)
    read, write, drop = Nodes.read, Nodes.write, Nodes.drop
    known: dict[bytes, tuple[bytes, bytes]] = {}
    dropped: list[tuple[bytes, bytes]] = []

    def reading(nodes: Nodes, refs: Any) -> list[bytes]:
        found = read(nodes, refs)
        known.update((ref.id, (ref.key, data)) for ref, data in zip(refs, found, strict=True))
        return found

    def dropping(nodes: Nodes, node_id: bytes) -> None:
        dropped[:] = [known[node_id]] if node_id in known else []
        drop(nodes, node_id)

    def writing(nodes: Nodes, plaintext: bytes) -> Ref:
        key, before = dropped.pop() if dropped else (b"", b"")
        if forgetting or not before[:1] == plaintext[:1] == rows.LEAF_KIND:
            return write(nodes, plaintext)
        moved.update(_leaf_tags(before) - _leaf_tags(plaintext))
        nodes.random = lambda count: key if count == len(key) else crypto.random_bytes(count)
        ref = write(nodes, plaintext)
        nodes.random = crypto.random_bytes
        return ref

    Nodes.read, Nodes.drop, Nodes.write = reading, dropping, writing  # type: ignore[method-assign, assignment]


def _leaf_tags(plaintext: bytes) -> set[bytes]:
    return {tag.tobytes() for tag in rows.decode_leaf(plaintext).tags}


FAULTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "old-root-kept": old_root_kept,
    "slot-renamed": slot_renamed,
    "slot-deleted": slot_deleted,
    "components-logged": components_logged,
    "spilled": spilled,
    "split-keeps-key": split_keeps_key,
}
forgetting = False


def sealing_days(fault: str) -> list[date]:
    """How long a store lives: a fault shows after a day."""
    return OPERATOR.sealing_days if fault == "none" else OPERATOR.sealing_days[:1]


def chosen(made: TestStore) -> str:
    """Who will be forgotten: the first subscriber with records, or somebody whom a split moved."""
    numbers = OPERATOR.day(OPERATOR.sealing_days[0])["msisdn"].drop_null().unique().to_pylist()
    identities = [f"tel:{number}" for number in numbers]
    if not moved:
        return identities[0]
    with made.opened(write=False) as store:
        found = tags.tags(store.root.trees[0].tag_key, identities)
    return next(name for name, tag in zip(identities, found, strict=True) if tag.tobytes() in moved)


def first_files(made: TestStore, sources: Path, fault: str) -> str:
    """A few records before the rest. The sound store parks them and takes a registry in: every way of a record."""
    if fault != "none":
        made.ingest(sources / "few.csv")
        return ""
    made.ingest(sources / "registry.csv", by="synthetic-registry")
    return made.park(sources / "few.csv").batches[0]


def main(folder: Path, sources: Path, fault: str) -> None:
    """Live."""
    global forgetting  # noqa: PLW0603 - the one switch of a script
    FAULTS[fault]()
    made = made_store(folder, n=3, t=2, copies=1)
    for number, when in enumerate(sealing_days(fault)):
        made.open_day(when)
        if number == 0:
            batch = first_files(made, sources, fault)
        made.ingest(sources / f"cdr-{when}.csv")
        if batch and number == 1:
            made.unpark(batch)
        made.close()
        made.publish()
    who = chosen(made)
    forgetting = True
    made.forget(who)
    print(who)


if __name__ == "__main__":
    os.umask(0o077)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
