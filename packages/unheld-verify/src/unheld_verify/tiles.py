"""Reading a log of tiles (C2SP tlog-tiles 0.1.0) from a folder or over HTTP, and checking all of it.

A tile holds up to 256 hashes of one level; an entry bundle holds the entries of one tile of level 0. A `Log` is what a
place serves: nothing it returns is true before it was checked against a signed checkpoint.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from unheld_verify import canonical, checkpoint, merkle, statement
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError
from unheld_verify.note import MAX_NOTE_BYTES, Key
from unheld_verify.sources import Source, open_source
from unheld_verify.words import Step, Teller, silent, step

WIDTH = 256
TILE_BYTES = WIDTH * merkle.HASH_BYTES
_BUNDLE_BYTES = WIDTH * (2 + 65_535)
_OPENING_BYTES = 1_000_000
ENTRIES = "entries"


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """Path of tile `index` of a level (0 to 63, or "entries" for entry bundles), partial when `width` is below 256."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{number}" + ("" if width == WIDTH else f".p/{width}")


def tile_widths(size: int, level: int) -> tuple[int, int]:
    """How many full tiles a level has in a log of `size` entries, and the width of its partial tile (0: none)."""
    return divmod(size >> (8 * level), WIDTH)


def levels(size: int) -> range:
    """The levels that have a tile in a log of `size` entries."""
    return range((size.bit_length() + 7) // 8)


def edge_root(edges: Sequence[list[bytes]]) -> bytes:
    """Root of a log from the hashes of each level's partial tile (empty where there is none), from level 0 up."""
    below: list[bytes] = []
    for hashes in edges:
        below = [*hashes, merkle.root(below)] if below else list(hashes)
    return merkle.root(below)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle: each after its length as u16. Raises BadInputError for an entry over 65,535 bytes."""
    if any(len(entry) > 65_535 for entry in entries):
        raise BadInputError("a log entry has at most 65,535 bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle. Raises BadInputError if it is cut off."""
    entries, place = [], 0
    while place < len(data):
        if place + 2 > len(data):
            raise BadInputError("entry bundle is cut off inside a length")
        (length,) = struct.unpack_from(">H", data, place)
        entries.append(data[place + 2 : place + 2 + length])
        place += 2 + length
    if place != len(data):
        raise BadInputError("entry bundle is cut off inside an entry")
    return entries


def opening_path(index: int) -> str:
    """Path of the published opening of entry `index`."""
    return f"openings/{index}.json"


@dataclass(frozen=True)
class Log:
    """A log at a source. Reads raise CannotVerifyError if a part is missing, BadInputError if it is malformed."""

    source: Source

    def checkpoint(self) -> bytes:
        """The signed checkpoint as bytes."""
        return self.source.read("checkpoint", MAX_NOTE_BYTES)

    def hashes(self, level: int, index: int, width: int) -> list[bytes]:
        """The first `width` hashes of a tile."""
        data, held = self._tile(level, index, width, TILE_BYTES)
        if len(data) != held * merkle.HASH_BYTES:
            raise BadInputError(f"{tile_path(level, index, held)} has {len(data)} bytes, not {held} hashes")
        return [data[i : i + merkle.HASH_BYTES] for i in range(0, width * merkle.HASH_BYTES, merkle.HASH_BYTES)]

    def entries(self, index: int, width: int) -> list[bytes]:
        """The first `width` entries of a bundle."""
        data, held = self._tile(ENTRIES, index, width, _BUNDLE_BYTES)
        entries = decode_bundle(data)
        if len(entries) != held:
            raise BadInputError(f"{tile_path(ENTRIES, index, held)} has {len(entries)} entries, not {held}")
        return entries[:width]

    def entry(self, index: int, size: int) -> bytes:
        """Entry `index` of the log of `size` entries."""
        number, place = divmod(index, WIDTH)
        return self.entries(number, min(WIDTH, size - number * WIDTH))[place]

    def find(self, entry: bytes, size: int) -> int:
        """The index of an entry. Raises CannotVerifyError if it is not among the first `size`."""
        for number in range(-(-size // WIDTH)):
            bundle = self.entries(number, min(WIDTH, size - number * WIDTH))
            if entry in bundle:
                return number * WIDTH + bundle.index(entry)
        raise CannotVerifyError(f"the entry is not among the {size} of the log: it may not be published yet")

    def opened(self, size: int) -> list[int]:
        """Entries among the first `size` whose openings may be published: those listed, or all where none can be."""
        names = self.source.names("openings")
        if names is None:
            return list(range(size))
        return sorted(int(name[:-5]) for name in names if name[:-5].isdecimal() and int(name[:-5]) < size)

    def opening(self, index: int) -> statement.Opening:
        """The published opening of entry `index`, in form only: compare its `entry` with the log's."""
        data = self.source.read(opening_path(index), _OPENING_BYTES)
        return statement.parse_opening(canonical.decode(data))

    def subtree(self, size: int) -> merkle.Subtree:
        """Ranges of the tree of `size` entries, from its tiles."""

        def ranged(start: int, end: int) -> bytes:
            count = end - start
            if count & (count - 1):
                split = start + merkle.split_point(count)
                return merkle.node_hash(ranged(start, split), ranged(split, end))
            level, height = divmod(count.bit_length() - 1, 8)
            number, place = divmod(start >> (8 * level), WIDTH)
            full, partial = tile_widths(size, level)
            return merkle.root(
                self.hashes(level, number, WIDTH if number < full else partial)[place : place + (1 << height)]
            )

        return ranged

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries, from the right edge of the tiles."""
        widths = [(level, *tile_widths(size, level)) for level in levels(size)]
        return edge_root([self.hashes(level, full, partial) if partial else [] for level, full, partial in widths])

    def _tile(self, level: int | str, index: int, width: int, limit: int) -> tuple[bytes, int]:
        """A tile or bundle of at least `width`, and the width it should have."""
        try:
            return self.source.read(tile_path(level, index, width), limit), width
        except CannotVerifyError:
            if width == WIDTH:
                raise
            missing = f"neither {tile_path(level, index, width)} nor the full one can be had"
        try:  # a log may drop a partial tile once the full one stands
            return self.source.read(tile_path(level, index), limit), WIDTH
        except CannotVerifyError as error:
            raise CannotVerifyError(f"{missing}: {error}") from None


def open_log(place: str) -> Log:
    """A log in a folder, or at an http(s) URL."""
    return Log(open_source(place))


def verify_log(log: Log, key: Key, tell: Teller = silent) -> Checkpoint:
    """Check a whole log: signature, entries against tiles, every tile, root, published openings.

    Every finished step is told. Raises VerificationError naming the tile that is false, CannotVerifyError naming the
    part that is missing, BadInputError naming the part that is malformed.
    """
    with step(1, "checkpoint"):
        head = checkpoint.verify(log.checkpoint(), key)
    tell(Step(1, "checkpoint", f"signed by {key.name} ({key.key_id.hex()}): {head.size} entries"))
    with step(2, "entries"):
        roots = _verify_entries(log, head.size)
    tell(Step(2, "entries", f"all {head.size} are there and hash to the tiles of level 0"))
    with step(3, "tiles"):
        root = _verify_tiles(log, head.size, roots)
    tell(Step(3, "tiles", "every tile holds the hashes of the tiles below it"))
    with step(4, "root"):
        if root != head.root:
            raise VerificationError("the tiles do not lead to the signed root")
    tell(Step(4, "root", f"the tiles lead to the signed root {head.root.hex()}"))
    with step(5, "openings"):
        words = _verify_openings(log, head)
    tell(Step(5, "openings", words))
    return head


def verify_bundle(log: Log, number: int, width: int) -> tuple[list[bytes], list[bytes]]:
    """The entries of a bundle and their hashes. Raises VerificationError if its tile of level 0 holds others."""
    entries = log.entries(number, width)
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    if hashes != log.hashes(0, number, width):
        raise VerificationError(f"{tile_path(0, number, width)} does not hold the hashes of its entries")
    return entries, hashes


def _verify_entries(log: Log, size: int) -> list[bytes]:
    """The roots of the full tiles of level 0, and after them the hashes of the partial one."""
    full, partial = tile_widths(size, 0)
    roots = [merkle.root(verify_bundle(log, number, WIDTH)[1]) for number in range(full)]
    return roots + (verify_bundle(log, full, partial)[1] if partial else [])


def _verify_tiles(log: Log, size: int, hashes: list[bytes]) -> bytes:
    """Root of the tree, after comparing the tiles of level 1 and above with the hashes below."""
    full, _ = tile_widths(size, 0)
    below, edges = hashes[:full], [hashes[full:]]
    for level in levels(size)[1:]:
        full, partial = tile_widths(size, level)
        for number in range(full + (partial > 0)):
            width = WIDTH if number < full else partial
            if log.hashes(level, number, width) != below[number * WIDTH : number * WIDTH + width]:
                raise VerificationError(f"{tile_path(level, number, width)} does not hold the roots of the tiles below")
        edges.append(below[full * WIDTH :])
        below = [merkle.root(below[number * WIDTH : (number + 1) * WIDTH]) for number in range(full)]
    return edge_root(edges)


def published(log: Log, head: Checkpoint) -> Iterator[tuple[int, statement.Opening]]:
    """Every published opening with its entry's index, checked one by one.

    Raises as `verify_log`. Of a log over HTTP, which lists nothing, there are none.
    """
    for name in log.source.names("openings") or ():
        index = name.removesuffix(".json")
        if not checkpoint.is_decimal(index) or name == index or int(index) >= head.size:
            raise BadInputError(f"openings/{name} belongs to no entry of the log")
        opening = log.opening(int(index))
        statement.verify(opening, head.origin)
        if opening.entry != log.entry(int(index), head.size):
            raise VerificationError(f"openings/{name} does not open entry {index}")
        yield int(index), opening


def _verify_openings(log: Log, head: Checkpoint) -> str:
    if log.source.names("openings") is None:
        return "not checked: published openings cannot be listed over HTTP, verify a folder or a receipt for them"
    said = [opening.statement for _, opening in published(log, head)]
    if len({one["store"] for one in said if one["kind"] == "genesis"}) > 1:
        raise VerificationError("the log tells of two stores: which of them an erasure is of, nobody can say")
    return f"{len(said)} published, each opens its entry"
