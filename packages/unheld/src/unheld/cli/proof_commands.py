"""log and receipt: what outsiders check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unheld.cli import numbers
from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.store_commands import deployment
from unheld.inventory import Inventory
from unheld.workflows import custody, running
from unheld_slots import durable
from unheld_verify import checkpoint, note, receipt, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError, UsageError
from unheld_verify.note import Key
from unheld_verify.tiles import Log
from unheld_verify.words import NOT_PROVEN, Step

log = group("log", "The public log.")
receipts = group("receipt", "Receipts: proofs that outlive the data.")

LogKey = Annotated[str, typer.Option("--log-key", help="The log's vkey, or @FILE; default: this store's own.")]
Place = Annotated[str, typer.Option("--log", help="Folder or URL of the log; default: this store's own.")]


def key_of(given: str) -> Key:
    """The log's key as it was given, or the store's own. Raises CannotVerifyError where there is neither."""
    if given.startswith("@"):
        given = numbers.read_text(Path(given[1:]), CannotVerifyError).strip()
    if given:
        return note.parse_key(given)
    if settings.store is None:
        raise CannotVerifyError("no log key: give --log-key VKEY, or --store for its own")
    return deployment().log_key()


def _log(given: str) -> Log:
    return tiles.open_log(given or str(deployment().log))


def _store_words() -> list[str]:
    from unheld.exit import issuing  # noqa: PLC0415

    if settings.store is None or not deployment().register.is_dir():
        return []
    where = deployment()
    return [issuing.inventory_words(Inventory(where.root) if where.has_store else issuing.inventory(where))]


@command(log, "head", Surface.FIGURES)
def head(place: Place = "", log_key: LogKey = "") -> Answer:
    """The newest signed checkpoint."""
    key = key_of(log_key)
    found = checkpoint.verify(_log(place).checkpoint(), key)
    document = {"origin": found.origin, "size": found.size, "root": found.root.hex()}
    return Answer([f"{found.origin}: {counted(found.size, 'entry', 'entries')}, root {found.root.hex()}"], document)


@command(log, "publish", Surface.FIGURES)
def publish() -> Answer:
    """Publish what waits, filled up with dummies; let custodians hear headquarters: once a day, by the clock."""
    where = deployment()
    if where.has_store:
        with where.opened(write=True) as store:
            count = running.publish(where, store)
    else:
        where.policy()
        count = running.publish(where, None)
    heard = custody.heard(where)
    said = [f"{counted(count, 'log entry', 'log entries')} published, dummies included"]
    said += [f"{counted(heard, 'custodian')} heard headquarters"] if heard else []
    return Answer(said, {"published": count, "heard": heard})


@command(log, "verify", Surface.FIGURES)
def verify(
    place: Annotated[str, typer.Argument(help="Folder or URL of the log.")] = "", log_key: LogKey = ""
) -> Answer:
    """Check a whole log. Exit 20: something is false; 21: something is missing."""
    steps: list[Step] = []
    found = tiles.verify_log(_log(place), key_of(log_key), steps.append)
    said = [f"{item.number} {item.name}: {item.words}" for item in steps]
    document = {"size": found.size, "root": found.root.hex(), "steps": [item.__dict__ for item in steps]}
    return Answer([*said, "VERIFIED", *NOT_PROVEN], document | {"not_proven": list(NOT_PROVEN)})


@command(log, "prove", Surface.FIGURES)
def prove(
    out: Annotated[Path, typer.Option(help="Where to write the receipt (.tlog-proof).")],
    index: Annotated[int, typer.Option(min=-1, help="The entry's index; or use --kind.")] = -1,
    kind: Annotated[str, typer.Option(help="The newest statement of this kind, e.g. lapse.")] = "",
    place: Place = "",
    log_key: LogKey = "",
) -> Answer:
    """Make the receipt of a published statement."""
    if (index < 0) == (not kind):
        raise UsageError("name the entry with exactly one of --index and --kind")
    found, key = _log(place), key_of(log_key)
    at = index if index >= 0 else _newest(found, key, kind)
    made = receipt.complete(found.opening(at), None, found, key)
    durable.write_file(out, made, 0o644)
    said = receipt.verify(made, key)
    return Answer([f"{out}: {said.says}"], {"receipt": str(out), "index": at, "statement": said.statement})


def _newest(found: Log, key: Key, kind: str) -> int:
    size = checkpoint.verify(found.checkpoint(), key).size
    for at in reversed(found.opened(size)):
        try:
            if found.opening(at).statement.get("kind") == kind:
                return at
        except CannotVerifyError:
            continue
    raise CannotVerifyError(f"the log has no published statement of kind {kind}: publish first")


@command(receipts, "check", Surface.ONE_PARTY)
def check(file: Annotated[Path, typer.Argument(help="A receipt (.tlog-proof).")], log_key: LogKey = "") -> Answer:
    """Check a receipt offline, step by step, in plain words."""
    if not file.is_file():
        raise BadInputError(f"{file}: there is no such receipt")
    steps: list[Step] = []
    found = receipt.verify(file.read_bytes(), key_of(log_key), steps.append)
    said = [f"{item.number} {item.name}: {item.words}" for item in steps]
    said += ["VERIFIED", found.says, "What this does not prove:", *(f"  {line}" for line in found.not_proven)]
    document: dict[str, Any] = {"statement": found.statement, "says": found.says, "not_proven": list(found.not_proven)}
    return Answer([*said, *_store_words()], document | {"steps": [item.__dict__ for item in steps]})


@command(receipts, "open", Surface.ONE_PARTY)
def open_box(
    box: Annotated[Path, typer.Argument(help="The box that was made with the plan.")],
    out: Annotated[Path, typer.Option(help="Where to write the receipt (.tlog-proof).")],
    code: Annotated[str, typer.Option("--code", help="@FILE with the claim code; asks when absent.")] = "",
    place: Place = "",
    log_key: LogKey = "",
) -> Answer:
    """Open a person's box with its claim code and complete the receipt from the public log."""
    if not box.is_file():
        raise BadInputError(f"{box}: there is no such box")
    party = receipt.open_box(receipt.parse_claim_code(claim_code(code)), box.read_bytes())
    found, key = _log(place), key_of(log_key)
    made = receipt.complete(receipt.opening_of(party, found, key), party, found, key)
    durable.write_file(out, made)
    return Answer([f"receipt written to {out}; check it with unheld receipt check {out}"], {"receipt": str(out)})


def claim_code(given: str) -> str:
    """A claim code out of @FILE, or asked for. Raises UsageError when it was typed as an argument."""
    if not given:
        return settings.ask("claim code", hidden=True)
    if not given.startswith("@"):
        raise UsageError("a claim code is never an argument: give @FILE, or type it when asked")
    return numbers.read_text(Path(given[1:])).strip()
