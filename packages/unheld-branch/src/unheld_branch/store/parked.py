"""Parked batches: written for weeks without custodians, and nobody here can read them (`docs/spec/parked.md`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import BinaryIO

from unheld_slots import durable
from unheld_verify import crypto, formats
from unheld_verify.columns import components, held
from unheld_verify.custody import called
from unheld_verify.errors import BadInputError, StateError, WrongKeyError
from unheld_verify.parked import SHARE_BYTES, ParkedHeader, seal_box

SEGMENT_BYTES = 4 * 1024 * 1024

_MAGIC = b"UNHPARK1"
_HEADER_MOST = 1024 * 1024


def write_parked(  # noqa: PLR0913 - what the format's header names
    path: Path,
    pieces: Iterable[bytes],
    *,
    store: bytes,
    batch: bytes,
    reason: str,
    period: int,
    set_number: int,
    t: int,
    publics: Sequence[bytes],
) -> ParkedHeader:
    """Seal `pieces` to the custodians' public keys (in order, all n of them) and write the file durably.

    Holds about two segments at a time. The batch key exists only inside this call.
    """
    n = len(publics)
    shares = {number: crypto.random_bytes(SHARE_BYTES) for number in range(len(components(n, t)))}
    boxes = tuple(
        seal_box(public, (store, batch), index, {number: shares[number] for number in held(n, t, index)})
        for index, public in enumerate(publics)
    )
    header = ParkedHeader(store, batch, reason, period, set_number, n, t, boxes)
    durable.write_stream(path, encoded(header, crypto.xor(list(shares.values())), pieces))
    return header


def encoded(header: ParkedHeader, key: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of a parked file, piece by piece."""
    head = header.encode()
    yield _MAGIC + len(head).to_bytes(4, "big") + head
    digest = crypto.sha256(head)
    for number, (plaintext, last) in enumerate(_segments(pieces)):
        sealed = crypto.seal_numbered(key, number, plaintext, digest + bytes([last]))
        yield len(sealed).to_bytes(4, "big")
        yield sealed


def read_header(path: Path) -> ParkedHeader:
    """The header of a parked file. It is believed only once a segment opened. Raises BadInputError."""
    with path.open("rb") as file:
        return ParkedHeader.decode(_read_head(file, path))


def open_parked(path: Path, shares: Mapping[int, Mapping[int, bytes]], names: Sequence[str] = ()) -> Iterator[bytes]:
    """The plaintext, a segment at a time, given what t custodians opened: shares by custodian and component.

    Where shares differ, those of t that open the first segment are the true ones: whoever lies shuts nothing. `names`
    is what an error calls the custodians.
    Every piece is authentic, but the whole is complete only when the iteration ends without an error. Raises StateError
    when shares are missing, WrongKeyError when no t of them open it or the file was altered or cut between segments,
    and BadInputError when it was cut inside one.
    """
    with path.open("rb") as file:
        head = _read_head(file, path)
        header, digest = ParkedHeader.decode(head), crypto.sha256(head)
        prefix, number, key = _read(file, 4, path), 0, b""
        while prefix:
            sealed = _read(file, _segment_length(prefix, path, number), path)
            prefix = file.read(4)
            aad = digest + bytes([not prefix])
            key = key or _key(header, shares, sealed, aad, names)
            yield _open(key, number, sealed, aad, path)
            number += 1


def _segments(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) > SEGMENT_BYTES:
            yield bytes(waiting[:SEGMENT_BYTES]), False
            del waiting[:SEGMENT_BYTES]
    yield bytes(waiting), True


def _open(key: bytes, number: int, sealed: bytes, aad: bytes, path: Path) -> bytes:
    try:
        return crypto.unseal_numbered(key, number, sealed, aad)
    except WrongKeyError:
        raise WrongKeyError(
            f"{path}: segment {number} does not open: the file was altered or cut, or a share is wrong"
        ) from None


def _key(
    header: ParkedHeader, shares: Mapping[int, Mapping[int, bytes]], sealed: bytes, aad: bytes, names: Sequence[str]
) -> bytes:
    """The key that t of the custodians give and that opens segment 0; if none does, the one that all give together."""
    for chosen in combinations(sorted(shares), header.t):
        with suppress(WrongKeyError):
            key = _join(header, {index: shares[index] for index in chosen}, names)
            crypto.unseal_numbered(key, 0, sealed, aad)
            return key
    return _join(header, shares, names)


def _join(header: ParkedHeader, shares: Mapping[int, Mapping[int, bytes]], names: Sequence[str]) -> bytes:
    giver: dict[int, int] = {}
    for index, given in sorted(shares.items()):
        for component, share in given.items():
            other = giver.setdefault(component, index)
            if len(share) != SHARE_BYTES or share != shares[other][component]:
                one, two = called(names, other), called(names, index)
                raise WrongKeyError(f"{one} and {two} give different shares of component {component}")
    wanted = range(len(components(header.n, header.t)))
    if set(giver) != set(wanted):
        raise StateError(
            f"{len(shares)} custodians gave shares, {header.t} of {header.n} are needed to open this batch"
        )
    return crypto.xor([shares[giver[component]][component] for component in wanted])


def _segment_length(prefix: bytes, path: Path, number: int) -> int:
    length = int.from_bytes(prefix, "big")
    if len(prefix) != 4 or not crypto.TAG_BYTES <= length <= SEGMENT_BYTES + crypto.TAG_BYTES:
        raise BadInputError(f"{path}: the length of segment {number} is cut off or out of bounds")
    return length


def _read_head(file: BinaryIO, path: Path) -> bytes:
    start = _read(file, len(_MAGIC) + 4, path)
    length = int.from_bytes(start[len(_MAGIC) :], "big")
    formats.check_magic("parked", start, path)
    if not start.startswith(_MAGIC) or length > _HEADER_MOST:
        raise BadInputError(f"{path}: not a parked batch of a version known here")
    return _read(file, length, path)


def _read(file: BinaryIO, count: int, path: Path) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise BadInputError(f"{path}: it ends too early: get it again from where it came")
    return data
