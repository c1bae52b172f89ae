"""A recording sorted by format: which sealed objects it holds, and what lies about that is none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from unheld.testing import states
from unheld.testing.evidence_lines import Travelled
from unheld.testing.recording import DATABASE_MAGIC, Recording, Version
from unheld_branch.store import policy as policies
from unheld_branch.store.policy import Policy
from unheld_verify import canonical, columns, crypto, signed
from unheld_verify import plan as plans
from unheld_verify.columns import Column
from unheld_verify.errors import UnheldError
from unheld_verify.parked import ParkedHeader
from unheld_verify.plan import Plan

_DATE = r"(\d{4}-\d\d-\d\d)"
_BLOCKS = re.compile(rf"/blocks/(\w+)/{_DATE}/{_DATE}/\.?([0-9a-f]{{32}})\.(parquet|handles)(?:\.part)?$")
_SEALED = re.compile(r"/\.?(open|custodian)-\d+\.sealed(?:\.part)?$")
_NODE_AAD, _ROOT_AAD = b"unheld/v1/node", b"unheld/v1/root"
# formats of ours that hold no secret in clear: hashes, public keys, totals, and boxes of the register, which open with
# the escrow key and lead to no key of the store; their 32-byte strings are not tried as keys
_CLEAR = re.compile(r"/rows/|/parking-keys\.json|/genesis\.json|\.log/|\.register/.*\.box$|-wal$|-shm$|\.pyc|/lock$")
_CEREMONY = ("draft", "join", "roster", "deal", "transcript", "confirm", "complaint", "founded")


@dataclass(frozen=True)
class Sealed:
    """One AES-256-GCM object: what it is (a name of the graph), how its plaintext begins, and how to open it."""

    kind: str
    nonce: bytes
    body: bytes = field(repr=False)
    aad: bytes = field(repr=False)
    begins: bytes
    about: tuple[int, ...] = ()

    def open(self, key: bytes) -> bytes:
        """The plaintext. Raises WrongKeyError."""
        return crypto.unseal(key, self.nonce + self.body, self.aad)


@dataclass(frozen=True)
class BlockFile:
    """One column file: its column, batch, and sorted block ids."""

    column: Column
    batch: bytes
    version: Version
    ids: npt.NDArray[np.uint8] = field(repr=False)

    def blocks(self, places: Sequence[int]) -> list[bytes]:
        """The sealed blocks at these places."""
        found = pq.ParquetFile(pa.BufferReader(self.version.read())).read(["block"]).column("block")
        return [bytes(block) for block in found.take(pa.array(places, pa.int64())).to_pylist()]


@dataclass
class Evidence:
    """What an attacker has to open, and what lies about that may be a key."""

    policies: dict[bytes, Policy] = field(default_factory=dict)
    sealed: list[Sealed] = field(default_factory=list)
    files: dict[Column, list[BlockFile]] = field(default_factory=dict)
    handles: list[tuple[Column, bytes, bytes]] = field(default_factory=list)
    parked: list[tuple[ParkedHeader, bytes, bytes]] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    written: list[list[bytes]] = field(default_factory=list, repr=False)
    loose: set[bytes] = field(default_factory=set, repr=False)
    memory: set[bytes] = field(default_factory=set, repr=False)
    raw: set[bytes] = field(default_factory=set, repr=False)
    states: list[bytes] = field(default_factory=list, repr=False)
    checks: dict[tuple[int, int], str] = field(default_factory=dict)
    privates: set[bytes] = field(default_factory=set, repr=False)
    travelled: Travelled = field(default_factory=Travelled)

    def column_days(self, sealing_day: int) -> list[tuple[str, int]]:
        """(class, event day) of every column recorded that was sealed on a day."""
        return [(column.cls, column.event_day) for column in self.files if column.sealing_day == sealing_day]


def sort(recording: Recording) -> Evidence:
    """Everything recorded, by format. Raises nothing for bytes of no format: they are searched for loose keys."""
    found = Evidence()
    rest = [version for version in recording.versions if not _take_genesis(version, found)]
    for version in rest:
        if not _take(version, found):
            data = version.read()
            found.states += states.found(data)
            written = states.in_text(data)
            found.loose.update(written)
            found.written.append([] if _is_ceremony(data) else written)
            found.raw.update(states.in_bytes(data))
            found.privates.update(states.privates(data))
            found.travelled.take(data)
    for data in recording.lines:
        found.travelled.take(data)
    _take_journal(recording, found)
    for store in found.policies:
        found.sealed += _database(recording, store)
    for dump in recording.memory:
        found.states += dump.states
        found.memory.update(dump.keys)
        found.privates.update(dump.privates)
    return found


def _is_ceremony(data: bytes) -> bool:
    """Whether these bytes are a ceremony's document: digests, public keys and commitments stand in it in rows.

    Each is tried as a key; rows of them, tried as the keys of every column, would cost forty times all else.
    """
    try:
        signed.decode(data, *_CEREMONY)
    except (UnheldError, KeyError, TypeError):
        return False
    return True


def _take_genesis(version: Version, found: Evidence) -> bool:
    if not version.path.endswith(("/genesis.json", "/.genesis.json.part")):
        return False
    policy = policies.from_document(canonical.decode(version.read()))
    found.policies[policy.store_id] = policy
    return True


def _take(version: Version, found: Evidence) -> bool:
    """Whether these bytes are of a known format, and then what they hold."""
    path = version.path
    if place := _BLOCKS.search(path):
        return _take_blocks(version, place, found)
    if _CLEAR.search(path):
        return True
    data = version.read()
    if data.startswith(DATABASE_MAGIC):
        return True
    if (name := _SEALED.search(path)) and data.startswith(b"UNHSEAL1"):
        kind, begins = {"open": ("open-day-state", b"UNHOPEN"), "custodian": ("custodian-state", b"UNHCUST")}[name[1]]
        found.sealed.append(Sealed(kind, data[32:44], data[44:], data[:32] + name[1].encode(), begins))
        return True
    if data.startswith(b"UNHPARK1"):
        end = 12 + int.from_bytes(data[8:12], "big")
        found.parked.append((ParkedHeader.decode(data[12:end]), data[12:end], data[end:]))
        return True
    return _take_plan(data, found)


def _take_blocks(version: Version, place: re.Match[str], found: Evidence) -> bool:
    column = Column(place[1], columns.day_number(place[2]), columns.day_number(place[3]))
    batch = bytes.fromhex(place[4])
    if place[5] == "handles":
        found.handles.append((column, batch, version.read()))
    elif (ids := _block_ids(version)) is not None:
        files = found.files.setdefault(column, [])
        if all(file.version.held != version.held for file in files):
            files.append(BlockFile(column, batch, version, ids))
    else:
        return False
    return True


@lru_cache(maxsize=100_000)  # attacks on one growing recording read every file once
def _block_ids(version: Version) -> npt.NDArray[np.uint8] | None:
    try:
        table = pq.ParquetFile(pa.BufferReader(version.read())).read(["block_id"])
    except (pa.ArrowException, KeyError):
        return None
    return np.frombuffer(b"".join(table.column("block_id").to_pylist()), np.uint8).reshape(-1, 16)


def _take_plan(data: bytes, found: Evidence) -> bool:
    try:
        found.plans.append(plans.decode(data))
    except (UnheldError, KeyError, TypeError, ValueError):
        return False
    return True


def _database(recording: Recording, store: bytes) -> Iterator[Sealed]:
    for generation, body in recording.roots:
        aad = _ROOT_AAD + store + generation.to_bytes(8, "big")
        yield Sealed("root-node", body[:12], body[12:], aad, b'{"dedup"', (generation,))
    for node_id, body in recording.nodes:
        for kind, begins in (("leaf-node", b"\x01\0\0"), ("inner-node", b"\x02")):
            yield Sealed(kind, bytes(12), body, _NODE_AAD + store + node_id, begins)


def _take_journal(recording: Recording, found: Evidence) -> None:
    """What the journal says in clear: by component and day, the hash of its column keys."""
    for entry in map(canonical.decode, recording.journal):
        if entry["kind"] == "open":
            day = columns.day_number(entry["day"])
            found.checks |= {(int(component), day): check for component, check in entry["checks"].items()}
