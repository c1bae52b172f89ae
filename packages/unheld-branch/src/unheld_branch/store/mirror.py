"""The files of a store: what a copy needs of them to be the store one day, and what the journal names no more.

Ciphertext (`blocks/`, `parked/`, `rows/`) never changes once it is named. What lies beside it is small, and a copy has
all of it as it is now: custodian sets, plans that wait, what custodians attested, settings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from unheld_branch.store import files
from unheld_branch.store.journal import Catalog
from unheld_slots import durable
from unheld_verify import crypto
from unheld_verify.errors import BadInputError

NAMED = ("blocks", "parked", "rows")
_BESIDE = ("sets", "pending", "attestations", "totals")
_OWN = (
    "genesis.json",
    "database.toml",
    "catalog.db",
    "catalog.db-wal",
    "catalog.db-shm",
    "catalog.db-journal",
    "lock",
    "copies.json",
    "copy.json",
)


def side(folder: Path) -> dict[str, str]:
    """Path and SHA-256 (hex) of every file that stands beside the ciphertext and that a copy has too."""
    return {name: crypto.file_sha256(folder / name).hex() for name in _side(folder)}


def _side(folder: Path) -> Iterator[str]:
    for top in sorted(folder.iterdir()) if folder.is_dir() else ():
        if top.name in (*NAMED, *_OWN):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            # The open day's keys stay where they are; what is being written is not there yet.
            if path.is_file() and path.suffix not in (".sealed", ".part"):
                yield str(path.relative_to(folder))


def named(folder: Path, catalog: Catalog) -> list[str]:
    """The ciphertext that the journal names, where it is there."""
    opened = [file.path for batch in catalog.open_batches() for file in batch.files]
    found = {file.path for file in catalog.live_files()} | {batch.path for batch in catalog.waiting()}
    found |= {str(Path(path).with_suffix(".handles")) for path in opened}
    found |= {f"rows/{number}.bin" for number in catalog.row_files}
    return [path for path in sorted(found) if (folder / path).is_file()]


def tidy(folder: Path, catalog: Catalog) -> None:
    """Remove ciphertext that the journal no longer names: after a crash, a merge, a replacement, a lapse."""
    live = {file.path for file in catalog.live_files()}
    for path in files.orphans(folder, live):
        durable.remove_file(path)
    live |= {batch.path for batch in catalog.waiting()} | {f"rows/{number}.bin" for number in catalog.row_files}
    for path in sorted([*(folder / "parked").glob("*"), *(folder / "rows").glob("*")]):
        if path.is_file() and str(path.relative_to(folder)) not in live:
            durable.remove_file(path)
    for path in sorted(part for beside in ("", *_BESIDE) for part in (folder / beside).glob(".*.part")):
        durable.remove_file(path)


def lacking(folder: Path, side_: Mapping[str, str], named_: Collection[str]) -> list[str]:
    """Which of these a copy in `folder` lacks or has otherwise; side files that are not listed go."""
    for path in [*side_, *named_]:
        checked_path(path)
    for name in set(_side(folder)) - set(side_):
        durable.remove_file(folder / name)
    stale = [path for path, sha in side_.items() if not _same(folder / path, sha)]
    return [*stale, *(path for path in named_ if not (folder / path).is_file())]


def _same(path: Path, sha256: str) -> bool:
    return path.is_file() and crypto.file_sha256(path).hex() == sha256


def checked_path(path: str) -> Path:
    """A path below a store's folder. Raises BadInputError for one that leads elsewhere or to what is the copy's own."""
    parts = Path(path).parts
    if not parts or path != "/".join(parts) or ".." in parts or parts[0] == "/" or parts[0] in _OWN or "\0" in path:
        raise BadInputError(f"{path[:80]!r}: is no place for a file of a copy")
    if parts[-1].startswith(".") or Path(path).suffix in (".sealed", ".part"):
        raise BadInputError(f"{path[:80]!r}: is no place for a file of a copy")
    return Path(path)
