"""erase: plan and apply. Two steps, confirmed by the plan's digest; a plan never names anybody in clear."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from unheld.assembly import Deployment
from unheld.cli import numbers
from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.store_commands import deployment, others
from unheld.inventory import Inventory
from unheld.plans import planning
from unheld.plans.planning import Planned
from unheld.workflows import centres
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
    other: Annotated[
        list[str] | None, typer.Option(help="The store of another data centre: a plan for it, too; repeat it.")
    ] = None,
) -> Answer:
    """Make and sign a plan. It shows counts and a digest, and changes nothing."""
    if sum(map(bool, (party, file, day, everything))) != 1:
        raise UsageError("say what to forget with exactly one of --party, --file, --day, --everything")
    if cls and not day:
        raise UsageError("--class belongs to --day: a plan forgets a class of one day")
    if held and not (party or file):
        raise UsageError("--held belongs to --party or --file: it says which holder of a number is meant")
    where = deployment()
    wanted = [_Wanted(where, out), *_beside(where, out, other or [])]
    _check_free(wanted)
    who = _listed(where.policy().home, party, file)
    for one in wanted:
        with one.where.opened() as store:
            one.made = _planned(store, one.where.seed("plan"), (who, held), day, cls)
    if any(one.made.box for one in wanted) and settings.quiet and not settings.as_json:
        raise UsageError("--quiet would swallow the claim code, which is shown once and kept nowhere; nothing was made")
    for one in wanted:
        one.write()
    said = [f"this plan would forget: {_words(wanted[0].made.plan)}", *chain.from_iterable(map(_lines, wanted))]
    said.append(f"nothing was changed; {' and '.join(map(_apply, wanted))} asks for the first 8 digits of the digest")
    if len(wanted) == 1 and (words := centres.words(where.policy())):
        said.append(words)
    first, *rest = map(_document, wanted)
    return Answer(said, first | {"others": rest})


def _apply(one: _Wanted) -> str:
    """The words of the command that applies it; the store is named where it is not the one that was called."""
    there = "" if one.where.root == deployment().root else f"--store {one.where.root} "
    return f"unheld {there}erase apply {one.out}"


@dataclass
class _Wanted:
    """A plan to be made for one store, and where it is written; of one party with a box beside it."""

    where: Deployment
    out: Path
    made: Planned = field(init=False)

    @property
    def box(self) -> Path:
        return self.out.with_name(f"{self.out.stem}.box")

    def write(self) -> None:
        durable.write_file(self.out, self.made.plan.encode())
        if self.made.box:
            durable.write_file(self.box, self.made.box)


def _beside(where: Deployment, out: Path, named: list[str]) -> list[_Wanted]:
    """The other data centres' plans, beside this one's: FILE.2.plan for number 2."""
    numbered = enumerate(others(where, named), 1)
    rest = [(number, one) for number, one in numbered if one.root != where.root]
    return [_Wanted(one, out.with_name(f"{out.stem}.{number}{out.suffix}")) for number, one in rest]


def _check_free(wanted: list[_Wanted]) -> None:
    for one in wanted:
        if one.out.exists() or one.box.exists() or one.box == one.out:
            raise UsageError(f"{one.out} or {one.box} is there already; name another file")
        if not one.out.parent.is_dir():
            raise UsageError(f"{one.out.parent}: there is no such folder for the plan")


def _listed(home: str, party: bool, file: str) -> list[str]:
    if party:
        return [numbers.ask_one(home)]
    return numbers.read_file(file, home) if file else []


def _planned(store: Store, seed: bytes, who: tuple[list[str], str], day: str, cls: str) -> Planned:
    listed, held = who
    if listed:
        return planning.plan_parties(store, listed, seed, columns.date_of(columns.day_number(held)) if held else None)
    if not day:
        return planning.plan_everything(store, seed)
    if cls and cls not in columns.CLASSES:
        raise UsageError(f"--class {cls}: choose one of {', '.join(columns.CLASSES)}")
    return planning.plan_day(store, columns.day_number(day), cls, seed)


def _lines(one: _Wanted) -> list[str]:
    said = _counts(one.made)
    if one.made.box:
        said.append(f"  receipt box {one.box}; its claim code, shown once and kept nowhere: {one.made.claim_code}")
    return [*said, f"  plan {one.out}, digest {one.made.plan.digest}"]


def _document(one: _Wanted) -> dict[str, Any]:
    plan, boxed = one.made.plan, str(one.box) if one.made.box else ""
    document = {"digest": plan.digest, "act": plan.act, "counts": dict(plan.counts), "plan": str(one.out)}
    return document | {"box": boxed, "claim_code": one.made.claim_code}


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
