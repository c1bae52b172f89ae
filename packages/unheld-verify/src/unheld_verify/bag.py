"""A case folder: a BagIt folder (RFC 8493) with a log, proofs and papers, checked offline (docs/spec/casefolder.md).

The manifests show that the folder is whole; whoever changes a file can write them anew. What its log, proofs and
papers say is shown by the log's key alone, which comes from elsewhere.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unheld_verify import checkpoint, crypto, merkle, paper, promises, proof, receipt, statement, tiles, words
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.errors import BadInputError, CannotVerifyError, UnheldError, VerificationError
from unheld_verify.note import Key
from unheld_verify.promises import Promises
from unheld_verify.receipt import Receipt
from unheld_verify.sources import FolderSource
from unheld_verify.tiles import WIDTH, Log
from unheld_verify.words import Step, Teller, silent, step

DECLARATION, INFO = "bagit.txt", "bag-info.txt"
LOG, PROOFS, PAPERS = "data/log", "data/proofs", "data/papers"
ALGORITHMS = {"sha256": 64, "sha512": 128}
MAX_FILES = 100_000
MAX_DEPTH = 10
MAX_BYTES = 4 << 30
_MAX_TAG_BYTES = 64 << 20
_DECLARED = re.compile(r"BagIt-Version: (?:0\.97|1\.0)\nTag-File-Character-Encoding: UTF-8\n")
_OPENING = re.compile(r"openings/(0|[1-9][0-9]{0,19})\.json")
_SEALS = {"open", "batch", "close", "parked"}
_TAGS = {DECLARATION, INFO} | {f"{kind}-{name}.txt" for kind in ("manifest", "tagmanifest") for name in ALGORITHMS}


@dataclass(frozen=True)
class CaseFolder:
    """A verified case folder: the log's head, what its proofs and papers say by file, and promises kept or broken."""

    head: Checkpoint
    receipts: Mapping[str, Receipt]
    papers: Mapping[str, paper.Checked]
    promises: Promises
    says: str
    not_proven: tuple[str, ...]


def is_case_folder(place: Path) -> bool:
    """Whether a folder is to be checked as a case folder: it says that it is a bag. Verifies nothing."""
    return (place / DECLARATION).is_file()


def verify(folder: Path, key: Key, tell: Teller = silent) -> CaseFolder:
    """Check a case folder with the log's key; every finished step is told.

    Raises VerificationError (something differs), CannotVerifyError (something is missing) or BadInputError (no form of
    a case folder, or the receipts are of two persons), each naming the step. A broken promise is no error.
    """
    with step(1, "form"):
        sizes = _files(folder)
        _check_form(folder, sizes)
    tell(Step(1, "form", f"a BagIt folder of {len(sizes)} files, {sum(sizes.values()):,} bytes; no link in it"))
    with step(2, "manifests"):
        listed = _verify_manifests(folder, sizes)
    tell(Step(2, "manifests", f"every file is as listed, and none is there that is not: {', '.join(listed)}"))
    with step(3, "log"):
        log = Log(FolderSource(folder / LOG))
        head = tiles.verify_log(log, key)
        _check_log_files(sizes, head.size)
    tell(Step(3, "log", f"the log {head.origin} verifies whole: {head.size} entries"))
    with step(4, "proofs"):
        receipts = _verify_proofs(folder, sizes, key, _Roots(log, head))
    tell(Step(4, "proofs", f"receipts: {len(receipts)}; each holds, and its checkpoint is of this same log"))
    with step(5, "papers"):
        papers = _verify_papers(folder, sizes, key, _Roots(log, head))
    tell(Step(5, "papers", f"papers: {len(papers)}; each holds, and its checkpoints are of this same log"))
    with step(6, "one person"):
        tell(Step(6, "one person", _one_person(receipts)))
    with step(7, "promises"):
        stated = _shown(folder, receipts, papers)
        found = promises.kept(log, head, stated)
    tell(Step(7, "promises", found.words))
    said = f"The case folder is whole; its log {head.origin} holds {head.size} entries, and all its proofs hold."
    tell(Step(8, "meaning", said))
    stated |= {index: opening.statement for index, opening in tiles.published(log, head)}
    since = [f"{path}: {line}" for path, item in papers.items() if (line := sealed_since(item, stated))]
    return CaseFolder(head, receipts, papers, found, said, (*since, *_not_proven(receipts, papers)))


def sealed_since(checked: paper.Checked, stated: Mapping[int, statement.Statement]) -> str:
    """What a certificate does not cover: that the store went on after the erasure it rests on. Empty if it did not.

    `stated` are the log's statements by their entry.
    """
    if checked.paper.kind != "certificate":
        return ""
    claimed = checked.paper.body["destroyed"].items()
    erased = [at for at, said in stated.items() if said["kind"] == "erase-everything" and claimed <= said.items()]
    since = sorted(at for at, said in stated.items() if said["kind"] in _SEALS and at > max(erased, default=-1))
    if not since:
        return ""
    day = stated[since[0]]["day"]
    return f"the store went on after the erasure (entry {since[0]}, {day}): the certificate covers nothing of that."


def _files(folder: Path) -> dict[str, int]:
    """Sizes of all files by path. Refuses links, and whatever is no file or folder."""
    sizes: dict[str, int] = {}
    for path, size in _walk(folder, "", 0):
        sizes[path] = size
        if len(sizes) > MAX_FILES:
            raise BadInputError(f"more than {MAX_FILES} files: too much for a case folder")
    if sum(sizes.values()) > MAX_BYTES:
        raise BadInputError(f"more than {MAX_BYTES} bytes: too much for a case folder")
    return sizes


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > MAX_DEPTH:
        raise BadInputError(f"{prefix} lies deeper than {MAX_DEPTH} folders")
    try:
        with os.scandir(folder / prefix) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = prefix + entry.name
            mode = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(mode.st_mode):
                yield from _walk(folder, f"{path}/", depth + 1)
            elif stat.S_ISREG(mode.st_mode):
                yield path, mode.st_size
            else:
                raise BadInputError(f"{path} is a link or no file: a case folder holds files only")
    except OSError as error:
        raise CannotVerifyError(f"{folder / prefix} cannot be read: {error.strerror}") from None


def _check_form(folder: Path, sizes: Mapping[str, int]) -> None:
    if not _DECLARED.fullmatch(_text(folder, sizes, DECLARATION)):
        raise BadInputError(f"{DECLARATION} does not declare BagIt 0.97 or 1.0 in UTF-8")
    alike: dict[str, str] = {}
    for path in sizes:
        _check_path(path)
        other = alike.setdefault(unicodedata.normalize("NFKC", path).casefold(), path)
        if other != path:
            raise BadInputError(f"{path!r} and {other!r} are one name to some computers: where copied, one is lost")
        if not path.startswith("data/") and path not in _TAGS:
            raise BadInputError(
                f"{path} is no file of a case folder: beside data/ there are {', '.join(sorted(_TAGS))}"
            )
    payload = [size for path, size in sizes.items() if path.startswith("data/")]
    said = re.findall(r"^Payload-Oxum: *(.*)$", _text(folder, sizes, INFO), re.MULTILINE)
    if len(said) != 1 or not re.fullmatch(r"[0-9]{1,20}\.[0-9]{1,20}", said[0]):
        raise BadInputError(f"{INFO} does not tell the Payload-Oxum once, as BYTES.FILES")
    if said[0] != f"{sum(payload)}.{len(payload)}":
        raise VerificationError(f"{INFO} tells of {said[0]} bytes and files, data/ holds {sum(payload)}.{len(payload)}")


def _check_path(path: str) -> None:
    """Refuse a path that could lead out of the folder, or be read in two ways."""
    parts = path.split("/")
    if "" in parts or "." in parts or ".." in parts or not path.isprintable() or set(path) & set("\\%:"):
        raise BadInputError(f"{path!r} is no path of a case folder: plain names only, without % : or backslash")


def _text(folder: Path, sizes: Mapping[str, int], path: str) -> str:
    if path not in sizes:
        raise CannotVerifyError(f"{path} is missing")
    if sizes[path] > _MAX_TAG_BYTES:
        raise BadInputError(f"{path} is larger than {_MAX_TAG_BYTES} bytes")
    try:
        return _read(folder, path, _MAX_TAG_BYTES).decode()
    except UnicodeDecodeError:
        raise BadInputError(f"{path} is not UTF-8") from None


def _read(folder: Path, path: str, limit: int) -> bytes:
    return FolderSource(folder).read(path, limit)


def _verify_manifests(folder: Path, sizes: Mapping[str, int]) -> list[str]:
    """Compare every file with every manifest that is there; the names of the manifests."""
    payload = {path for path in sizes if path.startswith("data/")}
    tags = {path for path in sizes if not path.startswith(("data/", "tagmanifest-"))}
    checked = []
    for kind, covered in (("manifest", payload), ("tagmanifest", tags)):
        for name, digits in ALGORITHMS.items():
            path = f"{kind}-{name}.txt"
            if path in sizes or name == "sha256":
                _verify_manifest(folder, covered, _listed(path, _text(folder, sizes, path), digits), path)
                checked.append(path)
    return checked


def _listed(place: str, text: str, digits: int) -> dict[str, str]:
    """Digests by path."""
    found: dict[str, str] = {}
    lines = text.split("\n")
    if lines.pop() != "":
        raise BadInputError(f"{place}: the last line is cut off")
    for number, line in enumerate(lines, 1):
        parts = re.fullmatch(rf"([0-9a-f]{{{digits}}}) +(\S.*)", line)
        if parts is None:
            raise BadInputError(f"{place}: line {number} is no digest of {digits} hex digits and a path")
        _check_path(parts[2])
        if parts[2] in found:
            raise BadInputError(f"{place}: line {number} lists a file a second time")
        found[parts[2]] = parts[1]
    return found


def _verify_manifest(folder: Path, covered: set[str], listed: Mapping[str, str], place: str) -> None:
    for path in sorted(covered ^ set(listed)):
        raise VerificationError(
            f"{path} is not listed in {place}" if path in covered else f"{path} is missing: {place}"
        )
    algorithm = place.removesuffix(".txt").rpartition("-")[2]
    for path, digest in listed.items():
        if _digest(folder / path, algorithm) != digest:
            raise VerificationError(f"{path} is not the file that {place} lists: it was changed")


def _digest(path: Path, algorithm: str) -> str:
    try:
        return crypto.file_digest(path, algorithm).hex()
    except OSError as error:
        raise CannotVerifyError(f"{path} cannot be read: {error.strerror}") from None


def _inside(sizes: Iterable[str], folder: str) -> list[str]:
    return sorted(path for path in sizes if path.startswith(f"{folder}/"))


def _check_names(sizes: Mapping[str, int], folder: str, form: re.Pattern[str], what: str) -> None:
    for path in _inside(sizes, folder):
        if not form.fullmatch(path[len(folder) + 1 :]):
            raise BadInputError(f"{path} {what}: it does not belong there")


def _check_log_files(sizes: Mapping[str, int], size: int) -> None:
    """Refuse what a log of this size does not have: in a file that nobody reads, anything could be handed on."""
    expected = {"checkpoint"}
    kinds: list[tuple[int | str, int]] = [(tiles.ENTRIES, 0), *((level, level) for level in tiles.levels(size))]
    for level, height in kinds:
        full, partial = tiles.tile_widths(size, height)
        expected |= {tiles.tile_path(level, number) for number in range(full)}
        if partial:
            narrow, wide = tiles.tile_path(level, full, partial), tiles.tile_path(level, full)
            expected.add(narrow if f"{LOG}/{narrow}" in sizes else wide)
    for path in _inside(sizes, LOG):
        if path[len(LOG) + 1 :] not in expected and not _OPENING.fullmatch(path[len(LOG) + 1 :]):
            raise BadInputError(f"{path} is no file of a public log of {size} entries: it does not belong there")


def _shown(
    folder: Path, receipts: Mapping[str, Receipt], papers: Mapping[str, paper.Checked]
) -> dict[int, statement.Statement]:
    """What receipts and the proofs of papers state, by entry."""
    found = {proof.parse(_read(folder, path, proof.MAX_PROOF_BYTES)).index: item for path, item in receipts.items()}
    for checked in papers.values():
        found |= {
            proof.parse(data).index: item for data, item in zip(checked.paper.proofs, checked.receipts, strict=True)
        }
    return {index: item.statement for index, item in found.items()}


@dataclass(frozen=True)
class _Roots:
    """What the folder's log was at smaller sizes, so that a proof of another log of the same key shows."""

    log: Log
    head: Checkpoint

    def check(self, signed: bytes, key: Key) -> None:
        """Refuse a checkpoint that this log does not continue."""
        seen = checkpoint.verify(signed, key)
        if seen.size > self.head.size:
            raise CannotVerifyError("it was made from a newer log than the one in the folder: put the newer log there")
        if self._root(seen.size) != seen.root:
            raise VerificationError("it is of another log that the same key signed: its owner shows two histories")

    def _root(self, size: int) -> bytes:
        if size == self.head.size:
            return self.head.root
        full, partial = tiles.tile_widths(size, 0)
        roots = [merkle.root(self.log.hashes(0, number, WIDTH)) for number in range(full)]
        rest = self._partial(full, partial)
        return merkle.root([*roots, merkle.root(rest)] if rest else roots)

    def _partial(self, number: int, width: int) -> list[bytes]:
        """The first hashes of a tile that is wider by now."""
        return self.log.hashes(0, number, min(WIDTH, self.head.size - number * WIDTH))[:width] if width else []


def _verify_proofs(folder: Path, sizes: Mapping[str, int], key: Key, roots: _Roots) -> dict[str, Receipt]:
    _check_names(sizes, PROOFS, re.compile(r"[^/]+\.tlog-proof"), "is no receipt")
    found = {}
    for path in _inside(sizes, PROOFS):
        with _named(path):
            data = _read(folder, path, proof.MAX_PROOF_BYTES)
            found[path] = receipt.verify(data, key)
            roots.check(proof.parse(data).checkpoint, key)
    return found


def _verify_papers(folder: Path, sizes: Mapping[str, int], key: Key, roots: _Roots) -> dict[str, paper.Checked]:
    _check_names(sizes, PAPERS, re.compile(r"[^/]+\.json"), "is no paper")
    found = {}
    for path in _inside(sizes, PAPERS):
        with _named(path):
            checked = paper.verify(_read(folder, path, paper.MAX_PAPER_BYTES), key)
            for item in checked.paper.proofs:
                roots.check(proof.parse(item).checkpoint, key)
            found[path] = checked
    return found


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Name the file in whatever its check raises."""
    try:
        yield
    except UnheldError as error:
        raise type(error)(f"{path}: {error}") from None


def _one_person(receipts: Mapping[str, Receipt]) -> str:
    """Refuse a folder with receipts of two persons: nobody's proof belongs into another's hands."""
    persons: dict[str, str] = {}
    for path, found in receipts.items():
        if found.party is not None:
            persons.setdefault(found.party.identity, path)
    if len(persons) > 1:
        raise BadInputError(f"another person's receipt is in it: compare {' and '.join(sorted(persons.values())[:2])}")
    return "the receipts that name somebody name one and the same" if persons else "no receipt in it names anybody"


def _not_proven(receipts: Mapping[str, Receipt], papers: Mapping[str, paper.Checked]) -> tuple[str, ...]:
    lines = [line for item in receipts.values() for line in item.not_proven]
    lines += [line for item in papers.values() for line in item.not_proven]
    own = [line for line in dict.fromkeys(lines) if line not in words.NOT_PROVEN]
    return (
        "Nothing shows who made this folder. Its letters, tables and texts are as listed, and prove nothing.",
        promises.CLOSED,
        *own,
        *words.NOT_PROVEN,
    )
