"""erase: plan and apply. Two steps, confirmed by the plan's digest; a plan never names anybody in clear."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from unheld.assembly import Deployment
from unheld.cli import numbers
from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.store_commands import deployment
from unheld.inventory import Inventory
from unheld.plans import planning
from unheld.plans.planning import Planned
from unheld_branch.store.store import Store
from unheld_branch.workflows import apply as applying
from unheld_branch.workflows.apply import Applied
from unheld_slots import durable
from unheld_verify import columns
from unheld_verify import plan as plans
from unheld_verify.errors import BadInputError, UsageError
from unheld_verify.plan import Plan

erase = group("erase", "Forget a party, parties, an event day, a class of a day, or everyone.")


@command(erase, "plan", Surface.FIGURES)
def plan(
    out: Annotated[Path, typer.Option(help="Where to write the plan.")],
    party: Annotated[bool, typer.Option("--party", help="One party: asks for the number, not shown.")] = False,
    file: Annotated[str, typer.Option(help="Parties: a file with one number a line, or -.")] = "",
    held: Annotated[
        str, typer.Option(help="Who held the number on this day, YYYY-MM-DD (default: holds it now).")
    ] = "",
    day: Annotated[str, typer.Option(help="An event day, YYYY-MM-DD.")] = "",
    cls: Annotated[str, typer.Option("--class", help="With --day: only this class of it.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="Everyone.")] = False,
) -> Answer:
    """Make and sign a plan. It shows counts and a digest, and changes nothing."""
    if sum(map(bool, (party, file, day, everything))) != 1:
        raise UsageError("say what to forget with exactly one of --party, --file, --day, --everything")
    if cls and not day:
        raise UsageError("--class belongs to --day: a plan forgets a class of one day")
    if held and not (party or file):
        raise UsageError("--held belongs to --party or --file: it says which holder of a number is meant")
    box = out.with_name(f"{out.stem}.box")
    if out.exists() or box.exists() or box == out:
        raise UsageError(f"{out} or {box} is there already; name another file")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: there is no such folder for the plan")
    where = deployment()
    with where.opened() as store:
        made = _planned(store, where, (party, file, held), day, cls, everything)
    if made.box and settings.quiet and not settings.as_json:
        raise UsageError("--quiet would swallow the claim code, which is shown once and kept nowhere; nothing was made")
    durable.write_file(out, made.plan.encode())
    said = [f"this plan would forget: {_words(made.plan)}", *_counts(made)]
    if made.box:
        durable.write_file(box, made.box)
        said.append(f"  receipt box {box}; its claim code, shown once and kept nowhere: {made.claim_code}")
    said.append(f"  plan {out}, digest {made.plan.digest}")
    said.append(f"nothing was changed; unheld erase apply {out} asks for the first 8 digits of the digest")
    boxed = str(box) if made.box else ""
    document = {"digest": made.plan.digest, "act": made.plan.act, "counts": dict(made.plan.counts), "plan": str(out)}
    return Answer(said, document | {"box": boxed, "claim_code": made.claim_code})


def _planned(
    store: Store, where: Deployment, who: tuple[bool, str, str], day: str, cls: str, everything: bool
) -> Planned:
    seed, home = where.seed("plan"), store.policy.home
    if everything:
        return planning.plan_everything(store, seed)
    if day:
        if cls and cls not in columns.CLASSES:
            raise UsageError(f"--class {cls}: choose one of {', '.join(columns.CLASSES)}")
        return planning.plan_day(store, columns.day_number(day), cls, seed)
    party, file, held = who
    held_on = columns.date_of(columns.day_number(held)) if held else None
    listed = [numbers.ask_one(home)] if party else numbers.read_file(file, home)
    return planning.plan_parties(store, listed, seed, held_on)


def _counts(made: Planned) -> list[str]:
    return [f"  {name.replace('_', ' ')}: {count:,}" for name, count in made.plan.counts.items()]


@command(erase, "apply", Surface.FIGURES)
def apply(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan made by unheld erase plan.")],
    confirm: Annotated[str, typer.Option(help="First 8 or more digits of the plan's digest, for scripts.")] = "",
) -> Answer:
    """Carry out a plan in the durable order. What it destroys are keys."""
    found = _read(plan_file)
    typed = confirm or settings.ask(f"this would forget: {_words(found)}; type the first 8 digits of the digest")
    where = deployment()
    with where.opened(write=True) as store:
        done = applying.apply(store, where.open_custodians(), found, typed.strip())
        slot, copies = store.slot_words(), store.trees_counted
    inventory = Inventory(where.root).words()
    document: dict[str, Any] = {**asdict(done), "erasable_slot": slot, "copies": copies}
    return Answer(_said(done, slot, copies, inventory), document | {"inventory": inventory})


def _read(path: Path) -> Plan:
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such plan; unheld erase plan makes one")
    try:
        return plans.decode(path.read_bytes())
    except BadInputError as error:
        raise BadInputError(f"{path}: is no plan: {error}") from None


def _words(plan: Plan) -> str:
    """What a plan names: an act, a day, a class; never anybody."""
    day = f" {columns.day_text(plan.event_day)}" if plan.event_day >= 0 else ""
    return f"{plan.act}{day}{' ' + plan.cls if plan.cls else ''}"


def _said(done: Applied, slot: str, copies: int, inventory: str) -> list[str]:
    rows = done.act in {"party", "parties", "everything"}
    what = counted(done.rows, "row") if rows else counted(done.columns, "column")
    by = f" at {counted(done.custodians, 'custodian')} and the branch" if done.custodians else ""
    by += f" in {counted(copies, 'copy', 'copies')} of the tree" if rows else ""
    return [
        f"key {'overwritten' if slot.startswith('file') else 'destroyed'}: {what}{by}, {done.milliseconds:.1f} ms",
        f"  erasable slot: {slot}",
        f"  {inventory}",
        "  this binds everybody who had not copied the row and the columns before",
        "  the log tells of it at its next cadence",
    ]
