"""Every public reader of bytes is in the list that hostile bytes are fed from."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.kept import CORPUS
from tests.support.reader import stand
from tests.support.readers import READERS

SOURCES = Path(__file__).parents[2] / "packages"
NAMES = re.compile(
    r"(decode|parse|read|load|unseal|heard|verified)(_\w+)?|from_(bytes|document|json|entry|stream)|open_\w+|\w+_of|\w+_from"
)
GIVEN = re.compile(r"\b(bytes|Signed|Document|Any|Path|str)\b")
"""What the first argument of a reader is: bytes, text, JSON of any kind, a file."""
NO_READERS = {
    "unheld_branch.assembly.policy_of": "genesis by `policy.from_document`",
    "unheld_slots.slot.places_of": "takes a URI: under `open_slot`",
    "unheld_verify.crypto.unseal_each": "opens nothing that was altered",
    "unheld_branch.copies.letters.ask_of": "under `Keeper.handle`",
    "unheld_branch.copies.letters.open_answer": "opens what the pinned copy signed",
    "unheld_branch.copies.letters.open_letter": "under `Keeper.handle`",
    "unheld_branch.store.copying.slots_of": "takes a path",
    "unheld_branch.store.parquet.decode": "under `files.read`",
    "unheld_slots.durable.open_for_writing": "reads nothing",
    "unheld.access.values.read": "joins what `open_values` read",
    "unheld.cli.proof_commands.key_of": "hands on to `note.parse_key`",
    "unheld.cli.proof_commands.open_box": "a command: hands on to `receipt.open_box`",
    "unheld.cli.record_commands.open_parked": "a command: takes a batch's name",
    "unheld.ledger.places_of": "compares entries",
    "unheld_branch.custody.client.Remote.open_parked": "hands on to `ParkedHeader.decode`",
    "unheld_branch.keys.parties.rows.tags_from": "takes tags of our own making",
    "unheld_branch.store.store.journal_of": "hands on to `journal.fold`",
    "unheld_branch.workflows.custodians.Custodians.open_parked": "an interface",
    "unheld_custodian.custodian.Custodian.open_parked": "hands on to `ParkedHeader.decode`",
    "unheld_slots.pkcs11.worker.Worker.unseal": "runs in the token's process, asked by our own slot alone",
    "unheld_slots.toml.read": "under every reader of TOML",
    "unheld_verify.crypto.unseal": "opens nothing that was altered",
    "unheld_verify.crypto.unseal_numbered": "opens nothing that was altered",
    "unheld_verify.crypto.unseal_once": "opens nothing that was altered",
    "unheld_verify.merkle.subtree_of": "takes hashes",
    "unheld_verify.sources.FolderSource.read": "gives bytes as they are, bounded: test_hostile_bounds",
    "unheld_verify.sources.HttpSource.read": "gives bytes as they are, bounded: test_hostile_bounds",
    "unheld_verify.sources.Source.read": "an interface",
    "unheld_verify.sources.open_source": "takes an address",
    "unheld_verify.tiles.open_log": "takes an address",
    "unheld_verify.words.name_of": "takes a name: under `roster.draft_of`",
}
NO_READING = {
    "unheld_branch.store.parquet": "under `files.read`",
    "unheld.cli.upgrade_commands": "plans by `upgrade.decode`",
    "unheld_branch.copies.promoting": "genesis by `policy.from_document`",
    "unheld.cli.access_commands": "hands files on",
    "unheld.cli.casefolder_command": "hands files on",
    "unheld.cli.demand_register_commands": "hands files on",
    "unheld.cli.erase_commands": "hands files on to `plan.decode`",
    "unheld.cli.exit_commands": "hands files on",
    "unheld.cli.proof_commands": "hands files on",
    "unheld.demands.codes": "a file of the program's own",
    "unheld.exit.issuing": "papers by `paper.decode`",
    "unheld.exit.held": "hands on to `journal.fold`",
    "unheld.page": "files of the program's own",
    "unheld.page.tables": "files of the program's own",
    "unheld.workflows.access": "sets by `roster.founded_of`",
    "unheld.workflows.custody": "notes of its own, passed over when they are odd",
    "unheld.workflows.demand": "receipts by `receipt.verify`",
    "unheld_branch.store.store": "genesis by `policy.from_document`",
    "unheld_branch.store.check": "row leaves by `commitments.decode`",
    "unheld_branch.workflows.plans": "plans by `plan.decode`",
    "unheld_custodian.__main__": "its own figures",
    "unheld_custodian.pages": "which browser has the pages: unreadable is none",
    "unheld_custodian.ceremony": "what it keeps itself, sealed",
    "unheld_custodian.acts": "hands on to `plan.decode` and `ParkedHeader.decode`",
    "unheld.access.buckets": "blocks of files by `files.read`",
    "unheld.exit.casefolder": "papers by `paper.decode`",
    "unheld.workflows.doctor": "what the system says of itself",
    "unheld_branch.__main__": "a founded set by `sets.keep`",
    "unheld_branch.log.outbox": "statements of its own database",
    "unheld_branch.store.daylength": "figures of its own, passed over when they are odd",
    "unheld_branch.workflows.custodians": "a founded set by `sets.keep`",
    "unheld_slots.toml": "under every reader of TOML",
    "unheld_verify.sources": "gives bytes as they are, bounded: test_hostile_bounds",
    "unheld_slots.pkcs11.session": "answers of its own child process",
    "unheld_slots.pkcs11.worker": "asked by our own slot alone",
}
RAW = re.compile(
    r"(json|tomllib|toml|canonical|signed|plan|paper)\.(loads|decode|read)$|ParquetFile$|open_stream$|decompressobj$|\.read_bytes$"
)


def _functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for path in sorted(SOURCES.glob("*/src/**/*.py")):
        module = ".".join(path.relative_to(next(p for p in path.parents if p.name == "src")).with_suffix("").parts)
        if ".testing." in module or ".demo." in module:
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                yield f"{module}.{node.name}", node
            elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef):
                        yield f"{module}.{node.name}.{inner.name}", inner


def _is_reader(node: ast.FunctionDef) -> bool:
    given = [one for one in node.args.posonlyargs + node.args.args if one.arg not in ("self", "cls")]
    kind = ast.unparse(given[0].annotation) if given and given[0].annotation else ""
    return NAMES.fullmatch(node.name) is not None and GIVEN.search(kind) is not None


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCES.glob("*/src/**/*.py")):
        parts = path.relative_to(next(p for p in path.parents if p.name == "src")).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        if not {"testing", "demo"} & set(parts):
            yield module, ast.parse(path.read_text("utf-8"))


def _reads(tree: ast.Module) -> bool:
    calls = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return any(RAW.search(call) for call in calls)


COVERED = {name for reader in READERS.values() for name in reader.covers}


def test_every_public_reader_is_listed() -> None:
    """A function that by its name and what it takes reads bytes is in the list, or it says why it is no reader."""
    readers = {name for name, node in _functions() if not node.name.startswith("_") and _is_reader(node)}

    assert readers - COVERED == set(NO_READERS) - COVERED


def test_every_module_that_decodes_is_listed() -> None:
    """A module that decodes JSON, TOML or Parquet, unpacks, or opens a file has a reader in the list, or says why."""
    reading = {module for module, tree in _modules() if _reads(tree)}
    listed = {name.rpartition(".")[0] for name in COVERED} | {
        name.rpartition(".")[0].rpartition(".")[0] for name in COVERED
    }

    assert reading - listed == set(NO_READING)


def test_the_list_names_what_there_is() -> None:
    """What the list names is there."""
    names = {name for name, _ in _functions()} | {
        f"{module}.{node.name}" for module, tree in _modules() for node in tree.body if isinstance(node, ast.ClassDef)
    }

    assert COVERED | set(NO_READERS) <= names


def test_no_corpus_is_empty() -> None:
    """Every target has files to begin with, and every folder of files is a target's."""
    held = {folder.name: sum(1 for _ in folder.iterdir()) for folder in CORPUS.iterdir()}

    assert set(held) == set(READERS)
    assert all(held.values())


@pytest.mark.parametrize("target", READERS)
def test_the_corpus_is_stood(target: str) -> None:
    """What is kept, good files and what once broke a reader, is refused in words of ours or would be written so."""
    for path in sorted((CORPUS / target).iterdir()):
        with contextlib.redirect_stdout(io.StringIO()):
            assert stand(READERS[target], path.read_bytes()) in (True, False), path
