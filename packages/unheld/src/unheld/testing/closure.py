"""The closure of the key disclosure graph over what was recorded: every edge, again and again, until nothing is new.

Which edges there are is data (`disclosure`); a step here says how one of them is walked. A step sees each instance of
what it needs once. Two kinds of steps: opening a sealed kind with every key it may be opened by, and computing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from unheld.testing import closure_lines, disclosure, states
from unheld.testing.disclosure import Edge, Graph
from unheld.testing.evidence import Evidence, Sealed
from unheld.testing.recording import Recording
from unheld_branch.keys.columns import DayKeys
from unheld_branch.keys.parties import root as root_nodes
from unheld_branch.keys.parties import rows as row_format
from unheld_branch.keys.parties import tree as tree_format
from unheld_branch.store import targets
from unheld_branch.store.blocks import Place
from unheld_branch.store.policy import Policy
from unheld_custodian import state as custodian_states
from unheld_custodian.state import Whole
from unheld_verify import canonical, columns, crypto
from unheld_verify.columns import CLASS_NAMES, Column
from unheld_verify.errors import UnheldError, WrongKeyError

# walked in bulk once the keys are known (`folios`): they have an instance for every party and column
BULK = ("column function", "value of a component", "folio", "split of a folio", "block")
# not walked: what they give opens no sealed kind of the store, or they start from what a person alone holds
ASIDE = ("handle of a party", "row opening", "box key", "receipt-box")
_GROUPS_MOST = 2000  # of loose keys that follow each other, as many are tried as the components of a column


@dataclass
class Held:
    """What the attacker holds, by name in the graph. An instance is a tuple or the bytes of a key."""

    found: defaultdict[str, set[Any]] = field(default_factory=lambda: defaultdict(set), repr=False)
    used: defaultdict[str, set[Any]] = field(default_factory=lambda: defaultdict(set), repr=False)

    def add(self, name: str, *instances: Any) -> None:
        """Hold these too."""
        self.found[name].update(instances)

    def fresh(self, edge: str, name: str) -> list[Any]:
        """Instances of `name` that this edge has not seen."""
        seen = self.used[f"{edge}/{name}"]
        new = [instance for instance in self.found[name] if instance not in seen]
        seen.update(new)
        return new

    def size(self) -> int:
        """How much is held."""
        return sum(map(len, self.found.values()))


class Lock:
    """Sealed objects. Tells which of them a key opens, by a block of keystream before the whole is tried.

    AES-256-GCM encrypts the first 16 bytes of a plaintext with AES(key, nonce ‖ 2): one call for all objects, and the
    beginnings that the formats fix leave few to open. So every key meets every object, and it stays fast.
    """

    def __init__(self, objects: Sequence[Sealed]) -> None:
        self._objects = objects
        counters = [one.nonce + b"\0\0\0\2" for one in objects]
        distinct = sorted(set(counters))
        self._blocks = b"".join(distinct)
        place = {counter: number for number, counter in enumerate(distinct)}
        self._stream = np.array([place[counter] for counter in counters], np.int64)
        self._bodies = _first_bytes(one.body for one in objects)
        self._begins = _first_bytes(one.begins for one in objects)
        self._masks = _first_bytes(b"\xff" * len(one.begins) for one in objects)

    def opened(self, key: bytes) -> list[tuple[Sealed, bytes]]:
        """(object, plaintext) of every object that this key opens."""
        if not self._objects:
            return []
        stream = np.frombuffer(crypto.aes_blocks(key, self._blocks), np.uint64)[::2][self._stream]
        found = []
        for place in np.flatnonzero(((stream ^ self._bodies) & self._masks) == self._begins).tolist():
            try:
                found.append((self._objects[place], self._objects[place].open(key)))
            except WrongKeyError:
                continue
        return found


def _first_bytes(texts: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(b"".join(text[:8].ljust(8, b"\0") for text in texts), np.uint64)


class Closure:
    """Walks the graph from what is held at the end until nothing is new."""

    def __init__(self, recording: Recording, evidence: Evidence, graph: Graph | None = None) -> None:
        self.graph = graph or disclosure.load()
        self.evidence = evidence
        self.held = Held()
        self.rows: dict[tuple[bytes, int], set[tuple[bytes, bytes]]] = defaultdict(set)
        self._lock = Lock(evidence.sealed)
        self._opened: dict[bytes, list[tuple[Sealed, bytes]]] = {}
        self._last_day = max((column.sealing_day for column in evidence.files), default=0)
        self._seize(recording)

    def run(self) -> None:
        """Walk every edge until nothing is new. Raises KeyError for an edge that no step here walks."""
        edges = [edge for edge in self.graph.edges if edge.name not in (*BULK, *ASIDE)]
        before = -1
        while self.held.size() != before:
            before = self.held.size()
            for edge in edges:
                STEPS[edge.name](self, edge)

    def gain(self, edge: Edge, name: str, *instances: Any) -> None:
        """Hold what this edge yields; what the graph does not say it yields is not taken."""
        if name in edge.yields:
            self.held.add(name, *instances)

    def _seize(self, recording: Recording) -> None:
        """What is held without opening anything: slots, and what lies about in files and memory."""
        slots = self.graph.kept_in("slot")
        for data in recording.slots.values():
            for name in slots:
                self.held.add(name, *states.in_bytes(data))
        likely = self.evidence.memory | self.evidence.loose
        for name in (*slots, "node-key"):
            self.held.add(name, *likely, *self.evidence.raw)
        self.held.add("plan-key", *((0, key) for key in likely))
        for state in self.evidence.states:
            self._seize_state(state)
        for policy in self.evidence.policies.values():
            self._seize_written(len(columns.components(policy.n, policy.t)))
            self._seize_links(policy, likely)
        closure_lines.seize(self, likely)

    def _seize_state(self, data: bytes) -> None:
        """Keys of a whole state found outside any seal."""
        match states.parsed(data):
            case (directory, DayKeys() as keys):
                self.take_day(_ANY, directory, keys)
            case (_, Whole() as whole):
                self.take_custodian(_ANY, whole)
            case (_, bytes(secret)):
                for name in self.graph.kept_in("slot"):
                    self.held.add(name, secret)

    def _seize_written(self, components: int) -> None:
        """Keys written one after the other may be the components of a column: of which one is not said."""
        for keys in self.evidence.written:
            starts = range(min(_GROUPS_MOST, len(keys) - components + 1))
            groups = {tuple(keys[at : at + components]) for at in starts}
            for column in self.evidence.files:
                self.held.add("column-key-set", *((column, group) for group in groups))

    def _seize_links(self, policy: Policy, likely: Collection[bytes]) -> None:
        """A loose key may be a day key or a chain: the hashes in the journal confirm it."""
        known = {(day, check): component for (component, day), check in self.evidence.checks.items()}
        for key, day in product(likely, {day for day, _ in known}):
            window = columns.window(day, policy.late_days, policy.lifetimes)
            for name, day_key in (("day-key", key), ("chain", columns.day_key(key, day))):
                keys = (columns.column_key(day_key, *pair) for pair in window)
                place = (day, crypto.sha256(b"unheld/v1/check", *keys).hex())
                if place in known:
                    self.held.add(name, (known[place], day, key))

    # --- what sealed kinds give, once open

    def open_all(self, edge: Edge) -> Iterator[tuple[Sealed, bytes]]:
        """Every object of this kind that a key not yet tried opens."""
        (name,) = edge.needs
        for key in self.held.fresh(edge.name, name):
            assert isinstance(key, bytes)
            if key not in self._opened:  # a key that lies about is tried by several edges, and opens the same for each
                self._opened[key] = self._lock.opened(key)
            yield from (one for one in self._opened[key] if one[0].kind == edge.name)

    def root_node(self, edge: Edge) -> None:
        """Trees, their tag keys, the plan key and the keys of file digests."""
        for _, plaintext in self.open_all(edge):
            root = canonical.decode(plaintext)
            self.gain(edge, "plan-key", (0, bytes.fromhex(root["plan_key"])))
            self.gain(edge, "dedup-key", *map(bytes.fromhex, root["dedup"].values()))
            for tree in root["trees"].values():
                self.gain(edge, "tag-key", bytes.fromhex(tree["tag_key"]))
                if tree["key"]:
                    self.gain(edge, "node-key", bytes.fromhex(tree["key"]))

    def inner_node(self, edge: Edge) -> None:
        """The keys of its children."""
        for _, plaintext in self.open_all(edge):
            self.gain(edge, "node-key", *(entry[32:].tobytes() for entry in tree_format.decode_inner(plaintext)))

    def leaf_node(self, edge: Edge) -> None:
        """Rows: party key, label, tag."""
        for _, plaintext in self.open_all(edge):
            rows = row_format.decode_leaf(plaintext)
            columns_ = (rows.tags, rows.keys, rows.labels)
            tags, keys, labels = ([one.tobytes() for one in column] for column in columns_)
            self.gain(edge, "party-key", *zip(keys, labels, strict=True))
            self.gain(edge, "label", *labels)
            self.gain(edge, "tags", *tags)
            for place, ended in enumerate(rows.ended.tolist()):
                self.rows[tags[place], ended].add((keys[place], labels[place]))

    def open_day_state(self, edge: Edge) -> None:
        """The column keys of the open day, all components."""
        for _, plaintext in self.open_all(edge):
            match states.parsed(plaintext):
                case (directory, DayKeys() as keys):
                    self.take_day(edge, directory, keys)

    def take_day(self, edge: Edge, directory: bytes, keys: DayKeys) -> None:
        """Hold an open day's keys."""
        self.gain(edge, "directory-key", *filter(None, [directory]))
        sets = ((Column(*pair, keys.day), components) for pair, components in keys.keys.items())
        self.gain(edge, "column-key-set", *sets)

    def custodian_state(self, edge: Edge) -> None:
        """Chains, column keys and parking keys of the components that a custodian holds."""
        for _, plaintext in self.open_all(edge):
            self.take_custodian(edge, custodian_states.decode(plaintext))

    def take_custodian(self, edge: Edge, whole: Whole) -> None:
        """Hold a custodian's keys, of every set."""
        for state in whole.sets.values():
            self.gain(edge, "chain", *((number, state.next_day, link) for number, link in state.chains.items()))
            keys = ((Column(CLASS_NAMES[cls], d, e), number, key) for (cls, d, e, number), key in state.keys.items())
            self.gain(edge, "column-key", *keys)
            self.gain(edge, "park-private-key", *((state.index, *period, key) for period, key in state.park.items()))
            self.gain(edge, "custodian-sign-seed", state.sign)
        for ceremony in whole.ceremonies.values():
            closure_lines.take_ceremony(self, edge, ceremony)

    def handles_file(self, edge: Edge) -> None:
        """Which blocks of an open batch belong together."""
        for key, (column, batch, sealed) in product(self.held.fresh(edge.name, "directory-key"), self.evidence.handles):
            for policy in self.evidence.policies.values():
                place = Place(policy.store_id, policy.set_number, column, batch)
                if _opens(key, sealed, place.handles_aad):
                    self.gain(edge, "handles of an open batch", (column, batch))

    def parked_segments(self, edge: Edge) -> None:
        """The records of a parked batch, or its raw lines."""
        for batch, key in self.held.fresh(edge.name, "batch-key"):
            for header, head, body in self.evidence.parked:
                if header.batch == batch and _opens_segments(key, crypto.sha256(head), body):
                    self.gain(edge, "parked records", batch)

    def plan_entries(self, edge: Edge) -> None:
        """Whom a plan would forget."""
        for (_, key), plan in product(self.held.fresh(edge.name, "plan-key"), self.evidence.plans):
            with suppress(UnheldError):
                for tags, labels in targets.opened(plan, key).trees.values():
                    self.gain(edge, "tags", *(tag.tobytes() for tag in tags))
                    self.gain(edge, "label", *(label.tobytes() for label in labels))

    # --- computing

    def step_chain(self, edge: Edge) -> None:
        """Forward to the last sealing day that left anything."""
        for number, day, link in self.held.fresh(edge.name, "chain"):
            if day < self._last_day:
                self.gain(edge, "chain", (number, day + 1, columns.next_link(link)))

    def day_key(self, edge: Edge) -> None:
        """Of the chain's own day."""
        for number, day, link in self.held.fresh(edge.name, "chain"):
            self.gain(edge, "day-key", (number, day, columns.day_key(link, day)))

    def column_key(self, edge: Edge) -> None:
        """Of every column recorded of that sealing day."""
        for number, day, key in self.held.fresh(edge.name, "day-key"):
            for pair in self.evidence.column_days(day):
                self.gain(edge, "column-key", (Column(*pair, day), number, columns.column_key(key, *pair)))

    def all_components(self, edge: Edge) -> None:
        """Of every column whose components are all there."""
        if not self.held.fresh(edge.name, "column-key"):
            return
        given: dict[Column, dict[int, list[bytes]]] = defaultdict(lambda: defaultdict(list))
        for column, number, key in self.held.found["column-key"]:
            given[column][number].append(key)
        for policy, column in product(self.evidence.policies.values(), given):
            parts = [given[column][number] for number in range(len(columns.components(policy.n, policy.t)))]
            self.gain(edge, "column-key-set", *((column, keys) for keys in product(*parts)))

    def batch_key(self, edge: Edge) -> None:
        """Of every parked batch whose shares are all there."""
        shares: dict[bytes, dict[int, bytes]] = defaultdict(dict)
        for batch, number, share in self.held.found["park-share"]:
            shares[batch][number] = share
        for header, _, _ in self.evidence.parked:
            if len(shares[header.batch]) == len(columns.components(header.n, header.t)):
                self.gain(edge, "batch-key", (header.batch, crypto.xor(list(shares[header.batch].values()))))

    def step_plan_key(self, edge: Edge) -> None:
        """As far ahead as there are plans."""
        for steps, key in self.held.fresh(edge.name, "plan-key"):
            if steps < len(self.evidence.plans):
                self.gain(edge, "plan-key", (steps + 1, root_nodes.step_plan_key(key)))


_ANY = Edge(
    "", (), ("column-key-set", "directory-key", "chain", "column-key", "park-private-key", "ceremony-private-key",
             "chain-seed"),
)  # fmt: skip

STEPS: Mapping[str, Callable[[Closure, Edge], None]] = {
    "root-node": Closure.root_node,
    "inner-node": Closure.inner_node,
    "leaf-node": Closure.leaf_node,
    "open-day-state": Closure.open_day_state,
    "custodian-state": Closure.custodian_state,
    "handles-file": Closure.handles_file,
    "parked-box": closure_lines.parked_boxes,
    "parked-segments": Closure.parked_segments,
    "plan-entries": Closure.plan_entries,
    "step the chain": Closure.step_chain,
    "day key from chain": Closure.day_key,
    "column key from day key": Closure.column_key,
    "all components of a column": Closure.all_components,
    "batch key of a parked batch": Closure.batch_key,
    "plan key steps": Closure.step_plan_key,
    "letter": closure_lines.letters,
    "answer": closure_lines.answers,
    "deal-box": closure_lines.deal_boxes,
    "chain from seed": closure_lines.chain_from_seed,
    "values-box": closure_lines.values_boxes,
    "values of all components": closure_lines.all_values,
}


def _opens(key: Any, sealed: bytes, aad: bytes) -> bool:
    try:
        crypto.unseal(key, sealed, aad)
    except WrongKeyError:
        return False
    return True


def _opens_segments(key: bytes, digest: bytes, body: bytes) -> bool:
    """Whether the first segment opens, as one of more or as the only one."""
    sealed = body[4 : 4 + int.from_bytes(body[:4], "big")]
    for last in (0, 1):
        with suppress(WrongKeyError):
            crypto.unseal_numbered(key, 0, sealed, digest + bytes([last]))
            return True
    return False
