"""The case folder: what a claimant hands to a court, a BagIt folder that anybody can check (docs/spec/casefolder.md).

In it are the public log, proofs, papers and letters, and how to verify them with public tools. Nothing of a store is
needed, and nothing of another person goes in.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import bagit  # type: ignore[import-untyped]

from unheld import page
from unheld.assembly import Deployment
from unheld.exit import foreign, issuing
from unheld.exit.casetexts import for_sed, how_to_verify, what_this_proves
from unheld_slots import durable
from unheld_verify import bag, checkpoint, merkle, paper, promises, proof, receipt, statement, tiles, words
from unheld_verify.checkpoint import Checkpoint
from unheld_verify.errors import BadInputError, CannotVerifyError
from unheld_verify.note import Key
from unheld_verify.receipt import Party
from unheld_verify.sources import FolderSource
from unheld_verify.statement import Opening
from unheld_verify.tiles import ENTRIES, WIDTH, Log

MAX_LETTER_BYTES = 100_000_000
_FILE_BYTES = 20_000_000
_MODE = 0o644
_NAME = re.compile(r"[^.\W](?:[\w .,()\[\]&'+=@-]{0,118}[\w,()\[\]&'+=@-])?")
_PERSON = "the person whom this receipt names"
# Statements of these kinds are proven one by one; whoever needs another makes its receipt from the log beside them.
_PROVEN = {"lapse", "standstill"}
_PROVEN |= {kind for kind in statement.KINDS if kind.startswith(("erase-", "demand-"))}


@dataclass(frozen=True)
class Wanted:
    """What goes into a case folder.

    `party` is out of a person's box; `deployment` is asked for the papers of its register.
    """

    log: Path
    key: Key
    receipts: Sequence[Path] = ()
    party: Party | None = None
    papers: Sequence[Path] = ()
    letters: Sequence[Path] = ()
    deployment: Deployment | None = None


@dataclass
class Built:
    """What went in: proofs and papers by name with their words, letters, those nobody's numbers were looked for in,
    and papers the log does not tell of yet. `known`: names of the log, of groups and papers, which may be of digits."""

    head: Checkpoint
    known: tuple[str, ...] = ()
    identity: str = ""
    proofs: dict[str, str] = field(default_factory=dict)
    papers: dict[str, str] = field(default_factory=dict)
    letters: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    broken: tuple[promises.Broken, ...] = ()
    not_proven: dict[str, None] = field(default_factory=dict)


def build(out: Path, wanted: Wanted, today: str) -> Built:
    """Make the folder `out`, which is new or empty, and verify it. Nothing is there unless all of it is.

    Raises BadInputError for a receipt or a number of another person, VerificationError for what is false.
    """
    issuing.check_out(out)
    staged = out.with_name(f".{out.name}.part")
    shutil.rmtree(staged, ignore_errors=True)
    try:
        durable.make_folders(staged)
        built = _fill(staged, wanted)
        bagit.make_bag(str(staged), _info(built, today), checksums=list(bag.ALGORITHMS))
        bag.verify(staged, wanted.key)
        if out.exists():
            out.rmdir()
        staged.rename(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return built


def _fill(folder: Path, wanted: Wanted) -> Built:
    head = _copy_log(wanted.log, folder / "log", wanted.key)
    log = Log(FolderSource(folder / "log"))
    tiles.verify_log(log, wanted.key)
    openings = sorted(tiles.published(log, head), key=lambda item: item[0])
    built = Built(head, _known_names(wanted.key, openings), broken=promises.broken(log, head))
    party = _given(folder, wanted, built)
    _prove(folder, built, openings, party, _Prover(log, head, wanted.key))
    _papers(folder, wanted, built, {index: opening.statement for index, opening in openings})
    _letters(folder, wanted, built)
    counts = {str(value) for _, opening in openings for value in opening.statement.values() if type(value) is int}
    counts = {count for count in counts if len(count) >= foreign.LEAST}
    texts = {
        "chronology.csv": _chronology(openings),
        "HOW-TO-VERIFY.txt": how_to_verify(wanted.key, papers=bool(built.papers)),
        "WHAT-THIS-PROVES.txt": what_this_proves(
            built.proofs, built.papers, built.broken, [promises.CLOSED, *built.not_proven]
        ),
    }
    for name, text in texts.items():
        _check_nobody_else(name, text, built, counts)
        _write(folder / name, text.encode())
    # Program text that is the same for everybody; its tables of numbers are nobody's.
    _write(folder / "receipt.html", page.build().encode())
    return built


def _known_names(key: Key, openings: Iterable[tuple[int, Opening]]) -> tuple[str, ...]:
    """Random names, in which digits may stand together: the log's, also as a command writes it, and those of groups."""
    groups = {str(opening.statement["group"]) for _, opening in openings if opening.statement["kind"] == "standstill"}
    return (key.name, for_sed(key), *sorted(groups))


def _copy_log(source: Path, folder: Path, key: Key) -> Checkpoint:
    """Copy the files that the log has at its present checkpoint, and no others."""
    log = Log(FolderSource(source))
    signed = log.checkpoint()
    head = checkpoint.verify(signed, key)
    _write(folder / "checkpoint", signed)
    for index in log.opened(head.size):
        _copy(source, tiles.opening_path(index), folder)
    kinds: list[tuple[int | str, int]] = [(ENTRIES, 0), *((level, level) for level in tiles.levels(head.size))]
    for level, like in kinds:
        full, partial = tiles.tile_widths(head.size, like)
        for number in range(full):
            _copy(source, tiles.tile_path(level, number), folder)
        if partial and not _copy(source, tiles.tile_path(level, full, partial), folder, missing=True):
            _copy(source, tiles.tile_path(level, full, WIDTH), folder)
    return head


def _copy(source: Path, path: str, folder: Path, *, missing: bool = False) -> bool:
    if missing and not (source / path).is_file():
        return False
    _write(folder / path, FolderSource(source).read(path, _FILE_BYTES))
    return True


def _given(folder: Path, wanted: Wanted, built: Built) -> Party | None:
    """Take in the receipts that were given; the one person that they and the box are about."""
    persons = [wanted.party] if wanted.party else []
    for path in wanted.receipts:
        data = _read(path, proof.MAX_PROOF_BYTES)
        try:
            found = receipt.verify(data, wanted.key)
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}") from None
        _keep(folder, built, proof.parse(data).index, found, data)
        if found.party is not None:
            persons.append(found.party)
    if len({person.identity for person in persons}) > 1:
        raise BadInputError("the receipts are of more than one person: make a case folder for each; nothing was made")
    built.identity = persons[0].identity if persons else ""
    return wanted.party


@dataclass(frozen=True)
class _Prover:
    """Makes receipts under the copied log's checkpoint."""

    log: Log
    head: Checkpoint
    key: Key

    def receipt(self, index: int, opening: Opening, party: Party | None) -> bytes:
        path = merkle.prove_inclusion(index, self.head.size, self.log.subtree(self.head.size))
        return receipt.encode(opening, party, index, path, self.log.checkpoint())


def _prove(
    folder: Path, built: Built, openings: Iterable[tuple[int, Opening]], party: Party | None, prover: _Prover
) -> None:
    """Prove what the log says of forgetting, lapses, demands and standstills, and what it says to the party."""
    own = {opening.entry for opening in receipt.openings_of(party, prover.log, prover.key)} if party else set()
    for index, opening in openings:
        whom = [None] if opening.statement["kind"] in _PROVEN else []
        for person in [*whom, *([party] if opening.entry in own else [])]:
            data = prover.receipt(index, opening, person)
            _keep(folder, built, index, receipt.verify(data, prover.key), data)


def _keep(folder: Path, built: Built, index: int, found: receipt.Receipt, data: bytes) -> None:
    whose = "log" if found.party is None else "party"
    name = f"proofs/{whose}-{index:06d}-{found.statement['kind']}.tlog-proof"
    _write(folder / name, data)
    # The text is printed and passed on; whose receipt it is stands in the receipt alone.
    built.proofs[name] = found.says.replace(found.party.identity, _PERSON) if found.party else found.says
    built.not_proven |= dict.fromkeys(found.not_proven)


def _papers(folder: Path, wanted: Wanted, built: Built, stated: Mapping[int, statement.Statement]) -> None:
    for where, data in _papers_of(wanted, built):
        try:
            checked = paper.verify(data, wanted.key)
        except BadInputError as error:
            raise BadInputError(f"{where}: {error}") from None
        name = f"papers/{issuing.name(checked.paper)}.json"
        _write(folder / name, data)
        built.papers[name] = checked.says
        if since := bag.sealed_since(checked, stated):
            built.not_proven[f"{name}: {since}"] = None
        built.known = (*built.known, issuing.name(checked.paper))
        built.not_proven |= dict.fromkeys(checked.not_proven)


def _papers_of(wanted: Wanted, built: Built) -> Iterator[tuple[Path, bytes]]:
    """Given papers as they are, the register's with the proofs that the log has for them."""
    for path in wanted.papers:
        yield path, _read(path, paper.MAX_PAPER_BYTES)
    if wanted.deployment is None:
        return
    for path in sorted((wanted.deployment.register / "papers").glob("*.json")):
        try:
            made = paper.decode(_read(path, paper.MAX_PAPER_BYTES))
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}; put back the register's last good copy") from None
        try:
            yield path, issuing.prove(wanted.deployment, made).encode()
        except CannotVerifyError:
            built.waiting.append(issuing.name(made))


def _letters(folder: Path, wanted: Wanted, built: Built) -> None:
    for path in wanted.letters:
        name, data = f"letters/{path.name}", _read(path, MAX_LETTER_BYTES)
        if not _NAME.fullmatch(path.name):
            raise BadInputError(f"{path}: give it a plain name of letters, digits, points and dashes")
        if any(_alike(name) == _alike(other) for other in built.letters):
            raise BadInputError(
                f"{path}: there are two letters of that name, to some computers at least; give one another name"
            )
        _check_nobody_else(str(path), path.name, built)
        text = _text(data)
        if text is None:
            built.unread.append(name)
        else:
            _check_nobody_else(str(path), text, built)
        _write(folder / name, data)
        built.letters.append(name)


def _alike(name: str) -> str:
    """What names have in common that are one and the same on some computers."""
    return unicodedata.normalize("NFKC", name).casefold()


def _text(data: bytes) -> str | None:
    """A text file's text; None for pictures, PDF and the like, whose numbers a person has to look for."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or text.startswith("%PDF-") else text


def _check_nobody_else(place: str, text: str, built: Built, counts: Iterable[str] = ()) -> None:
    """Refuse a text with a number of another person; `counts` are the log's own figures, where a text repeats those."""
    if line := foreign.first_line(text, built.identity, (*built.known, *counts)):
        raise BadInputError(
            f"{place}: line {line} holds a number that is not this person's; take it out, nothing was made"
        )


def _chronology(openings: Sequence[tuple[int, Opening]]) -> str:
    """The log's statements by date, in plain words."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["day", "entry", "kind", "words"])
    for index, opening in sorted(openings, key=lambda item: (item[1].statement["day"], item[0])):
        said = opening.statement
        writer.writerow([said["day"], index, said["kind"], words.one_line(words.says(said))])
    return table.getvalue()


def _info(built: Built, today: str) -> dict[str, str]:
    head = built.head
    return {
        "Source-Organization": "not named: whoever hands this folder over",
        "External-Description": f"Case folder of the public log {head.origin}: {head.size} entries, "
        f"{len(built.proofs)} proofs, {len(built.papers)} papers, {len(built.letters)} letters",
        "External-Identifier": f"{head.origin} {head.size} {head.root.hex()}",
        "Bagging-Date": today,
    }


def _read(path: Path, limit: int) -> bytes:
    return FolderSource(path.parent).read(path.name, limit)


def _write(path: Path, data: bytes) -> None:
    durable.make_folders(path.parent, 0o755)
    durable.write_file(path, data, _MODE)
