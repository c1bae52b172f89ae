"""Writing the public log as a folder of static tiles (C2SP tlog-tiles 0.1.0), durably and so that it may be repeated.

Only the checkpoint says what the log is; files beyond its size are debris of a publication that did not end, and the
next one writes over them. A size that was once signed is never given other entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unheld_slots.durable import make_folder, write_file
from unheld_verify import canonical, checkpoint, crypto, merkle, note, statement, tiles
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.errors import BadInputError, NoStoreError, RolledBackError, StateError, VerificationError
from unheld_verify.proof import Proof
from unheld_verify.sources import FolderSource, Source
from unheld_verify.tiles import ENTRIES, WIDTH, Log, tile_path, tile_widths

# The folder is public: any web server may hand it out.
_FILE_MODE, _FOLDER_MODE = 0o644, 0o755


class LogWriter:
    """Appends to the log in a folder. One writer at a time: the caller holds the store's lock.

    `seed` is the log's Ed25519 seed (32 bytes), `origin` its name and its key's name. `seen` is a checkpoint that this
    key is known to have signed, kept elsewhere: a folder that is older is continued as it was then, or not at all.
    """

    def __init__(self, folder: Path, seed: bytes, origin: str, seen: Checkpoint | None = None) -> None:
        """Open the log in `folder`.

        Raises NoStoreError if none was created there, VerificationError if its checkpoint was not signed by this key
        for this origin or the right edge of its tiles does not lead to the signed root.
        """
        self._folder = folder
        self._seed = seed
        self._seen = seen
        self.key = note.Key(origin, crypto.sign_public(seed))
        self._log = Log(FolderSource(folder))
        self._bundles: dict[int, list[bytes]] = {}
        if not (folder / "checkpoint").exists():
            raise NoStoreError(f"{folder} holds no log: create one, or put its checkpoint back")
        self._head = checkpoint.verify(self._log.checkpoint(), self.key)
        if self._log.root(self._head.size) != self._head.root:
            raise VerificationError(f"{folder}: the tiles do not lead to the signed root; put back the last good copy")

    @classmethod
    def create(cls, folder: Path, seed: bytes, origin: str) -> LogWriter:
        """Begin an empty log in `folder` (made if missing; its parent exists). Repeating it on an empty log is fine.

        Raises StateError where tiles stand without a checkpoint: a second beginning would fork the log.
        """
        if (folder / "checkpoint").exists():
            writer = cls(folder, seed, origin)
            if writer.size:
                raise StateError(f"{folder} already holds a log of {writer.size} entries: open it, nothing was changed")
            return writer
        if (folder / "tile").exists():
            raise StateError(
                f"{folder} holds tiles but no checkpoint: put it back; a second beginning would fork the log"
            )
        # A crash before the write leaves no log, or an empty folder; after it, an empty log.
        make_folder(folder, _FOLDER_MODE)
        empty = Checkpoint(origin, 0, merkle.EMPTY_ROOT)
        write_file(folder / "checkpoint", checkpoint.sign(empty, seed), _FILE_MODE)
        return cls(folder, seed, origin)

    @property
    def size(self) -> int:
        """The number of published entries."""
        return self._head.size

    @property
    def root(self) -> bytes:
        """The Merkle root of the published entries."""
        return self._head.root

    def append(self, start: int, entries: Sequence[bytes]) -> Checkpoint:
        """Publish 32-byte entries as numbers `start`, `start` + 1, … and return the checkpoint that covers them.

        Idempotent: after a crash or an unknown outcome open the log again and call it with the same `start` and
        entries; the log becomes the same, whatever had been written. Raises BadInputError for an entry of another
        length, StateError (nothing changed) if `start` leaves a gap or other entries stand there already, and
        RolledBackError (nothing changed) if a size that was seen would be given other entries.
        """
        if any(len(entry) != statement.ENTRY_BYTES for entry in entries):
            raise BadInputError(f"every log entry has {statement.ENTRY_BYTES} bytes")
        if start > self.size:
            raise StateError(f"the log has {self.size} entries: publish what is missing before {start}")
        published = [self._log.entry(index, self.size) for index in range(start, min(self.size, start + len(entries)))]
        if published != list(entries[: len(published)]):
            raise StateError(f"other entries are already published from {start}: the log was written from elsewhere")
        if new := entries[len(published) :]:
            self._check_seen(new)
            self._publish(new)
        return self._head

    def publish_opening(self, index: int, opening: statement.Opening) -> None:
        """Publish what entry `index` says. Repeating it is fine.

        Raises VerificationError if the opening is not of this entry and this log, BadInputError outside the log.
        """
        if not 0 <= index < self.size:
            raise BadInputError(f"entry {index} is not published: the log has {self.size}")
        statement.verify(opening, self._head.origin)
        if opening.entry != self._log.entry(index, self.size):
            raise VerificationError(f"the opening does not open entry {index}")
        self._write(tiles.opening_path(index), canonical.encode(opening.to_json()))

    def entry(self, index: int) -> bytes:
        """A published entry. Bundles are read once, and compared with their tiles.

        Raises BadInputError outside the log, VerificationError where bundle and tile differ.
        """
        if not 0 <= index < self.size:
            raise BadInputError(f"entry {index} is not published: the log has {self.size}")
        number, place = divmod(index, WIDTH)
        width = min(WIDTH, self.size - number * WIDTH)
        if len(self._bundles.get(number, ())) < width:
            self._bundles[number] = tiles.verify_bundle(self._log, number, width)[0]
        return self._bundles[number][place]

    def checkpoint(self) -> bytes:
        """The signed checkpoint of what is published."""
        return self._log.checkpoint()

    @property
    def source(self) -> Source:
        """Where the log is read from."""
        return self._log.source

    def has_opening(self, index: int) -> bool:
        """Whether the opening of entry `index` is published."""
        return (self._folder / tiles.opening_path(index)).exists()

    def prove(self, index: int) -> Proof:
        """The inclusion of entry `index` under the present checkpoint. Raises BadInputError outside the log."""
        path = merkle.prove_inclusion(index, self.size, self._log.subtree(self.size))
        return Proof(index, tuple(path), self._log.checkpoint())

    def _check_seen(self, new: Sequence[bytes]) -> None:
        """Whoever reads the log compares checkpoints: one size with two roots is a fork, however it came about."""
        if self._seen is None or self.size > self._seen.size or self.root == self._seen.root:
            return
        entries = [*(self.entry(index) for index in range(self.size)), *new][: self._seen.size]
        if merkle.root([merkle.leaf_hash(entry) for entry in entries]) != self._seen.root:
            raise RolledBackError(
                f"{self._folder}: this log has {self.size} entries, and its key has signed {self._seen.size} of which "
                "these are not the same: put back the newest copy of the folder, from whoever mirrors it"
            )

    def _publish(self, entries: Sequence[bytes]) -> None:
        """Write bundles, tiles, checkpoint, in this order, each whole and durable before the next.

        A crash after any bundle or tile leaves the old checkpoint: readers see the old log, whose files are all there
        (a wider partial tile is another file, and a full one stands beside its partial). A crash after the checkpoint
        leaves the new log, and only the caller's note of it is missing: `append` finds the entries in their place.
        """
        old, new = self.size, self.size + len(entries)
        self._write_bundles(old, entries)
        hashes = [merkle.leaf_hash(entry) for entry in entries]
        edges: list[list[bytes]] = []
        for level in tiles.levels(new):
            edge, hashes = self._write_tiles(level, old, hashes)
            edges.append(edge)
        head = Checkpoint(self._head.origin, new, tiles.edge_root(edges))
        self._write("checkpoint", checkpoint.sign(head, self._seed))
        self._head = head

    def _write_bundles(self, size: int, entries: Sequence[bytes]) -> None:
        """Write the bundles that change when `entries` follow on `size`."""
        number, partial = tile_widths(size, 0)
        held = tiles.verify_bundle(self._log, number, partial)[0] if partial else []
        for index, part in _numbered(number, held + list(entries)):
            self._write(tile_path(ENTRIES, index, len(part)), tiles.encode_bundle(part))

    def _write_tiles(self, level: int, size: int, new: list[bytes]) -> tuple[list[bytes], list[bytes]]:
        """Write the tiles of a level that change when `new` hashes follow on the log of `size` entries.

        Returns the hashes of the level's last, partial tile, and the roots of the tiles now full.
        """
        number, partial = tile_widths(size, level)
        held = self._log.hashes(level, number, partial) if partial else []
        if not new:
            return held, []
        parts = _numbered(number, held + new)
        for index, part in parts:
            self._write(tile_path(level, index, len(part)), b"".join(part))
        roots = [merkle.root(part) for _, part in parts if len(part) == WIDTH]
        return [] if len(roots) == len(parts) else parts[-1][1], roots

    def _write(self, path: str, data: bytes) -> None:
        place = self._folder / path
        for parent in reversed(Path(path).parents[:-1]):
            make_folder(self._folder / parent, _FOLDER_MODE)
        write_file(place, data, _FILE_MODE)


def _numbered(first: int, items: list[bytes]) -> list[tuple[int, list[bytes]]]:
    """Items cut into tiles, with their numbers from `first`."""
    return [(first + at // WIDTH, items[at : at + WIDTH]) for at in range(0, len(items), WIDTH)]
