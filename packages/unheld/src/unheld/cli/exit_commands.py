"""exit: hand over a network without its past, wait when a group objects, forget everyone, certify it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unheld.cli import numbers
from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.store_commands import deployment
from unheld_slots import durable
from unheld_verify import note
from unheld_verify.errors import BadInputError, UsageError

if TYPE_CHECKING:
    from unheld.workflows.leave import Issued
    from unheld_verify.plan import Plan

leaving = group("exit", "Leave: hand over a network without its past; forget everyone; certify it.")
groups = typer.Typer(
    name="exit group", help="Groups that may object to a handover.", no_args_is_help=True, rich_markup_mode=None
)
leaving.add_typer(groups, name="group")

Out = Annotated[Path, typer.Option(help="A new folder for what is handed out.")]
Form = Annotated[Path | None, typer.Option(help="The filled-in form (TOML).")]
Blank = Annotated[bool, typer.Option("--blank", help="Only write an empty form into --out.")]


@command(leaving, "manifest", Surface.FIGURES)
def manifest(
    out: Out, spec: Annotated[Path, typer.Option(help="Which columns of which files fill the allowed ones (TOML).")]
) -> Answer:
    """Write what a buyer receives, and its manifest. One value that may not leave, and nothing does."""
    from unheld.workflows import leave  # noqa: PLC0415

    made = leave.hand_over(deployment(), out, spec)
    tables = made.paper.body["tables"]
    said = [f"handed over to {out}, with their manifest; no person's past is in them"]
    said += [f"  {table['file']}: {counted(table['rows'], 'row')}, SHA-256 {table['sha256']}" for table in tables]
    said.append(f"  {made.paper.body['inventory']}")
    figures = [{name: table[name] for name in ("table", "file", "rows", "sha256", "stayed")} for table in tables]
    return Answer([*said, *_waits(made)], _document(made) | {"tables": figures})


@command(leaving, "buyer", Surface.FIGURES)
def buyer(out: Out, form: Form = None, blank: Blank = False) -> Answer:
    """Sign what is known of a buyer: facts with source and date; what is unknown stays unknown."""
    from unheld.exit import buyer as buyers  # noqa: PLC0415
    from unheld.workflows import leave  # noqa: PLC0415

    if blank:
        return _blank(out / "buyer.toml", buyers.BLANK, form, {"owned": []})
    if form is None:
        raise UsageError("name the filled-in form: --form FILE; --blank writes an empty one")
    made = leave.record_buyer(deployment(), out, form)
    owned = made.paper.body["owned"]
    said = [f"buyer record of {made.paper.body['buyer']}"]
    said += [f"  of {item['of']}: {item['known_percent']} percent known, {_rest(item)}" for item in owned]
    return Answer([*said, *_waits(made)], _document(made) | {"owned": owned})


def _rest(item: dict[str, str]) -> str:
    return f"{item['unknown_percent']} percent UNKNOWN" if item["unknown_percent"] != "0" else "nothing unknown"


@command(groups, "add", Surface.FIGURES)
def add(vkey: Annotated[str, typer.Argument(help="The group's public key, from unheld exit group key.")]) -> Answer:
    """Register a group's public key: it may object once to a handover. The key becomes public, not who holds it."""
    from unheld.workflows import leave  # noqa: PLC0415

    key = leave.register_group(deployment(), vkey)
    return Answer(
        [f"{key.name} may object to a handover; the log tells of the key at its next cadence"], {"group": key.name}
    )


@command(groups, "key", Surface.FIGURES)
def make_key(out: Annotated[Path, typer.Option(help="Where to write the private key; keep it.")]) -> Answer:
    """Make a group's key, on the group's own machine: its name is random and tells nobody who they are."""
    from unheld.exit import objection as objections  # noqa: PLC0415

    _new(out)
    key = objections.new_key()
    durable.write_file(out, key.encode().encode())
    vkey = note.format_key(key.public)
    said = [f"private key {out}: keep it to yourselves", f"  public key, for headquarters: {vkey}"]
    return Answer(said, {"key": str(out), "vkey": vkey})


@command(leaving, "objection", Surface.FIGURES)
def objection(
    key: Annotated[Path, typer.Option(help="The group's private key.")],
    log_origin: Annotated[str, typer.Option(help="The public log's name.")],
    store_id: Annotated[str, typer.Option("--store", help="The store, 32 hex digits, from the log.")],
    words: Annotated[Path, typer.Option(help="A text file: why you object. It will be read by others.")],
    out: Annotated[Path, typer.Option(help="Where to write the signed note.")],
) -> Answer:
    """Sign an objection to a handover, on the group's own machine; it needs no store."""
    from unheld.exit import issuing  # noqa: PLC0415
    from unheld.exit import objection as objections  # noqa: PLC0415

    _new(out)
    try:
        signer = objections.decode_key(numbers.read_text(key))
        made = objections.sign(signer, log_origin, store_id, issuing.today(), numbers.read_text(words))
    except BadInputError as error:
        raise BadInputError(f"{key}, {words}: {error}") from None
    durable.write_file(out, made, 0o644)
    digest = objections.verify(made, [signer.public]).digest
    said = [f"objection {out} by {signer.name}, SHA-256 {digest}", "  send it to headquarters; one a group counts"]
    return Answer(said, {"objection": str(out), "group": signer.name, "digest": digest})


@command(leaving, "standstill", Surface.FIGURES)
def standstill(
    note_file: Annotated[Path | None, typer.Option("--objection", help="A group's signed note.")] = None,
) -> Answer:
    """Take an objection: no handover for the days that genesis pinned. Without one: what runs, and what was broken."""
    from unheld.workflows import leave  # noqa: PLC0415

    where, begun = deployment(), list[str]()
    if note_file is not None:
        if not note_file.is_file():
            raise BadInputError(f"{note_file}: there is no such note; unheld exit objection makes one")
        begun = [f"begun: {leave.object_to(where, note_file.read_bytes()).words}"]
    found = leave.pauses(where)
    running = [f"running: {pause.words}" for pause in found.running] or ["no standstill runs"]
    over = len(found.all) - len(found.running)
    said = [*begun, *running, f"  {counted(over, 'standstill')} over; a standstill does not stop a forgetting"]
    said += [
        f"BROKEN: {one.group} objected, no handover from {one.begins} until before {one.ends}; a handover's "
        f"manifest is dated {one.day}"
        for one in found.broken
    ]
    document = {
        "running": [asdict(pause) for pause in found.running],
        "over": over,
        "broken": [
            {"group": one.group, "begins": one.begins, "ends": one.ends, "handed_over": one.day} for one in found.broken
        ],
    }
    problems = [f"{counted(len(found.broken), 'standstill')} broken"] if found.broken else []
    return Answer(said, document, 20 if found.broken else 0, problems)


@command(leaving, "drop", Surface.FIGURES)
def drop(
    plan_file: Annotated[
        Path | None, typer.Argument(metavar="PLAN", help="A plan by unheld erase plan --everything; else one is made.")
    ] = None,
    confirm: Annotated[str, typer.Option(help="With PLAN, for scripts: first 8 or more digits of its digest.")] = "",
) -> Answer:
    """Forget everyone, from headquarters. What it destroys are keys; it cannot be undone."""
    from unheld.exit import issuing  # noqa: PLC0415
    from unheld.workflows import leave  # noqa: PLC0415

    if confirm and plan_file is None:
        raise UsageError("--confirm belongs to a PLAN: unheld erase plan --everything --out PLAN shows its digest")
    where = deployment()
    plan = leave.plan_drop(where) if plan_file is None else _read(plan_file)
    words = issuing.inventory_words(issuing.inventory(where))
    typed = confirm or settings.ask("\n".join([*_shown(plan, words), "type the first 8 digits of the digest"]))
    done = leave.drop(where, plan, typed.strip())
    policy = where.policy()
    said = [
        f"key overwritten: {counted(done.applied.rows, 'row')} in {counted(done.copies, 'copy', 'copies')} of the tree",
        f"  erasable slot: {done.slot}",
        f"  custodians who attest that they erased: {done.applied.custodians} of {policy.n}, {policy.t} open a day",
        f"  {words}",
        "  the log tells of it; unheld exit certificate certifies it",
    ]
    document = {"rows": done.applied.rows, "copies": done.copies, "erasable_slot": done.slot, "inventory": words}
    custodians = {"attested": done.applied.custodians, "custodians": policy.n, "threshold": policy.t}
    return Answer(said, document | custodians | {"digest": plan.digest, "published": done.published})


def _shown(plan: Plan, inventory: str) -> list[str]:
    counts = ", ".join(f"{name} {count:,}" for name, count in plan.counts.items())
    return [
        f"this would forget everyone: {counts}; it cannot be undone",
        f"  {inventory}",
        "  what stays: the register of demands, the papers, the public log; nothing in them opens a record",
        f"  plan made {plan.made}, digest {plan.digest}",
    ]


def _read(path: Path) -> Plan:
    from unheld_verify import plan as plans  # noqa: PLC0415

    if not path.is_file():
        raise BadInputError(f"{path}: there is no such plan; unheld erase plan --everything makes one")
    try:
        return plans.decode(path.read_bytes())
    except BadInputError as error:
        raise BadInputError(f"{path}: is no plan: {error}") from None


@command(leaving, "certificate", Surface.FIGURES)
def certificate(out: Out, form: Form = None, blank: Blank = False) -> Answer:
    """Certify that the keys of this store were destroyed, when nothing is held any more; proofs are in the paper."""
    from unheld.exit import certificate as certificates  # noqa: PLC0415
    from unheld.workflows import leave  # noqa: PLC0415

    if blank:
        none = {"destroyed": {}, "proofs": 0, "attested": 0, "custodians": 0, "threshold": 0, "unaccounted": 0}
        return _blank(out / "certificate.toml", certificates.blank(), form, none | {"inventory": ""})
    made = leave.certify(deployment(), out, form)
    body = made.paper.body
    said = [
        f"{body['title']}: {out / 'certificate.json'}, with {counted(len(made.paper.proofs), 'proof')}",
        f"  destroyed on {body['destroyed']['day']}, {body['destroyed']['slots']}",
        f"  custodians: {body['erase']['attested']} of {body['erase']['custodians']} attest",
        f"  {body['inventory']['words']}",
        "  anybody checks it with the log's public key: unheld-verify certificate.json --log-key KEY",
    ]
    document = _document(made) | {"destroyed": body["destroyed"], "proofs": len(made.paper.proofs)}
    custodians = {name: body["erase"][name] for name in ("attested", "custodians", "threshold", "unaccounted")}
    return Answer(said, document | custodians | {"inventory": body["inventory"]["words"]})


@command(leaving, "proofs", Surface.FIGURES)
def proofs(out: Out) -> Answer:
    """Write every paper with its proofs, once the log tells of it."""
    from unheld.workflows import leave  # noqa: PLC0415

    made = leave.prove(deployment(), out)
    said = [f"{path}: proven with the log's key alone" for path in made.written]
    said += [f"{name}: waits for the log; unheld log publish" for name in made.waiting]
    document = {"papers": [str(path) for path in made.written], "waiting": list(made.waiting)}
    return Answer(said or ["no paper was made yet"], document)


def _blank(path: Path, text: str, form: Path | None, rest: dict[str, Any]) -> Answer:
    """An empty form. The document has the keys that the command always has."""
    if form is not None:
        raise UsageError("--blank writes an empty form; --form reads a filled-in one: give one of the two")
    _new(path)
    durable.make_folders(path.parent)
    durable.write_file(path, text.encode(), 0o644)
    return Answer(
        [f"empty form {path}: fill it in, then give it with --form"], {"digest": "", "files": [str(path)]} | rest
    )


def _new(path: Path) -> None:
    if path.exists():
        raise UsageError(f"{path} is there already; name another file")
    if not path.parent.is_dir() and not path.parent.parent.is_dir():
        raise UsageError(f"{path.parent}: there is no such folder")


def _document(made: Issued) -> dict[str, Any]:
    files = [str(path) for path in made.files]
    return {"digest": made.paper.digest.hex(), "files": files}


def _waits(made: Issued) -> list[str]:
    return [
        f"  digest {made.paper.digest.hex()}; the log names it at its next cadence",
        "  then unheld exit proofs adds what others check it with",
    ]
