"""Issue papers: sign them, have the log name them, keep them in the register, write them for people, prove them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unheld import assembly
from unheld.assembly import Deployment
from unheld.inventory import FILE as INVENTORY
from unheld.inventory import Inventory
from unheld.ledger import Ledger
from unheld.papers.document import Document
from unheld.papers.html import html
from unheld.papers.pdf import pdf
from unheld_branch.kernel import locks
from unheld_slots import durable
from unheld_verify import checkpoint, columns, merkle, paper, receipt, statement, tiles
from unheld_verify.errors import CannotVerifyError, NoStoreError, UsageError
from unheld_verify.paper import Body, Paper
from unheld_verify.statement import Opening, Statement

_FOLDER = "papers"
_FILE_MODE = 0o644
_RESTS_ON = ("erase-everything", "lapse")
Sheets = Mapping[str, bytes]


@dataclass(frozen=True)
class Proofs:
    """What `prove_all` made of the kept papers: files written, and papers the log does not tell of yet."""

    written: tuple[Path, ...]
    waiting: tuple[str, ...]


def today() -> str:
    """The date of every act here, by the clock."""
    return columns.day_text(assembly.clock().now() // 86_400)


def statements(deployment: Deployment) -> list[Statement]:
    """What was ever stated: what the public log tells, in its order, then what waits in headquarters' ledger."""
    told = [opening for _, opening in openings(deployment)]
    entries = {opening.entry for opening in told}
    waiting = [kept.opening for kept in Ledger(deployment.ledger).kept() if kept.opening.entry not in entries]
    return [opening.statement for opening in told + waiting]


def openings(deployment: Deployment) -> Iterator[tuple[int, Opening]]:
    """The public log's openings with their places, in the log's order. Unknown ones are passed over."""
    log = tiles.open_log(str(deployment.log))
    for index in log.opened(checkpoint.verify(log.checkpoint(), deployment.log_key()).size):
        try:
            yield index, log.opening(index)
        except CannotVerifyError:
            continue


def draft(deployment: Deployment, kind: str, body: Body) -> Paper:
    """A signed paper that nothing names yet."""
    policy = deployment.policy()
    made = paper.make(kind, policy.origin, policy.store_id.hex(), today(), body)
    return made.signed(deployment.seed("plan"))


def issue(deployment: Deployment, made: Paper) -> None:
    """Have the log name a paper, then keep it. Hold the register's lock.

    A crash between leaves a digest in the log of a paper that nobody has: it says nothing.
    """
    said = statement.make(made.log, "paper", made.day, paper=made.kind, digest=made.digest.hex())
    Ledger(deployment.ledger).post(statement.commit(said))
    keep(deployment, made)


def keep(deployment: Deployment, made: Paper) -> Path:
    """Keep a paper in the register."""
    folder = deployment.register / _FOLDER
    durable.make_folders(folder)
    path = folder / f"{name(made)}.json"
    durable.write_file(path, made.encode())
    return path


def name(made: Paper) -> str:
    """What a paper's files are called among others."""
    return f"{made.kind}-{made.digest.hex()[:8]}"


def sheets(document: Document) -> Sheets:
    """A paper for people. Made before the log names it: what cannot be printed must not be issued."""
    return {"html": html(document).encode(), "pdf": pdf(document)}


def write(folder: Path, made: Paper, shown: Sheets) -> list[Path]:
    """Write a paper into a folder: JSON for programs, HTML and PDF for people."""
    pieces = {"json": made.encode(), **shown}
    return [put(folder / f"{made.kind}.{kind}", data) for kind, data in pieces.items()]


def put(path: Path, data: bytes) -> Path:
    """Write one file that is handed out."""
    durable.make_folders(path.parent)
    durable.write_file(path, data, _FILE_MODE)
    return path


def capital(words: str) -> str:
    """A sentence's first letter as a capital."""
    return words[:1].upper() + words[1:]


def check_out(folder: Path) -> None:
    """Refuse a folder that holds something: what is handed out must be what was made now."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder}: not empty; name a new folder")


def prove(deployment: Deployment, made: Paper) -> Paper:
    """A paper with every proof that its kind rests on, verified with the log's key alone.

    Raises CannotVerifyError while the log does not hold them.
    """
    found = sorted(_wanted(made, deployment), key=lambda item: item[0])
    proven = made.proven([proof for _, proof in found])
    paper.verify(proven.encode(), deployment.log_key())
    return proven


def prove_all(deployment: Deployment, out: Path) -> Proofs:
    """Prove every paper in the register that the log tells of, and write it into a folder."""
    written, waiting = list[Path](), list[str]()
    for path in sorted((deployment.register / _FOLDER).glob("*.json")):
        made = paper.decode(path.read_bytes())
        try:
            proven = prove(deployment, made)
        except CannotVerifyError:
            waiting.append(name(made))
            continue
        keep(deployment, proven)
        written.append(put(out / path.name, proven.encode()))
    return Proofs(tuple(written), tuple(waiting))


def inventory(deployment: Deployment) -> Inventory | None:
    """The inventory, kept in the register too since it outlives the store; None where there is none any more."""
    kept = deployment.register / INVENTORY
    if (deployment.root / INVENTORY).is_file():
        listed = (deployment.root / INVENTORY).read_bytes()
        if not kept.is_file() or kept.read_bytes() != listed:
            durable.write_file(kept, listed)
        return Inventory(deployment.root)
    return Inventory(deployment.register) if kept.is_file() else None


def known_inventory(deployment: Deployment) -> Inventory:
    """The store's inventory, or the register's copy where the store is gone. Raises NoStoreError without either."""
    deployment.policy()
    found = Inventory(deployment.root) if deployment.has_store else inventory(deployment)
    if found is None:
        raise NoStoreError(f"{deployment.root}: {inventory_words(None)}")
    return found


def note_place(deployment: Deployment, name: str, checked: str, **said: Any) -> Inventory:
    """`Inventory.note`, and its copy in the register. Raises LockedError: two at once would lose one of them."""
    deployment.policy()
    with locks.locked(deployment.register / "lock", exclusive=True):
        listed = known_inventory(deployment)
        listed.note(name, checked, **said)
        inventory(deployment)
    return listed


def inventory_words(found: Inventory | None) -> str:
    """The sentence that every paper says of copies elsewhere."""
    if found is None:
        return "the inventory is gone with the store: which other places hold such data is UNKNOWN"
    return found.words()


def _wanted(made: Paper, deployment: Deployment) -> Iterator[tuple[tuple[int, int], bytes]]:
    """Proofs in the order that they stand in a paper: founding, the paper, erasures, then lapses, the newest first.

    Lapses beyond a paper's size stay in the public log, where everybody finds them.
    """
    log, room = tiles.open_log(str(deployment.log)), paper.MAX_PAPER_BYTES // 2
    signed = log.checkpoint()
    size = checkpoint.verify(signed, deployment.log_key()).size
    tree = log.subtree(size)
    rests = _RESTS_ON if made.kind == "certificate" else ()
    for index, opening in reversed(list(openings(deployment))):
        kind = opening.statement["kind"]
        if kind == "paper" and opening.statement["digest"] != made.digest.hex():
            continue
        if kind not in {"genesis", "paper", *rests}:
            continue
        path = merkle.prove_inclusion(index, size, tree)
        proof = receipt.encode(opening, None, index, path, signed)
        room -= 2 * len(proof) if kind == "lapse" else 0
        if kind != "lapse" or room > 0:
            yield (("genesis", "paper", *_RESTS_ON).index(kind), -index if kind == "lapse" else index), proof
