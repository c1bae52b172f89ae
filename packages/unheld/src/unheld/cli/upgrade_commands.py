"""upgrade: bring a deployment to the formats of this release, by a plan that is confirmed by its digest."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, settings
from unheld.cli.store_commands import deployment
from unheld.workflows import upgrade as upgrading
from unheld_slots import durable
from unheld_verify import formats, upgrade
from unheld_verify.errors import BadInputError, UsageError
from unheld_verify.upgrade import Part, UpgradePlan

upgrades = group("upgrade", "Bring a store and its register to the formats of this release.")


@command(upgrades, "plan", Surface.FIGURES)
def plan(out: Annotated[Path, typer.Option(help="Where to write the plan.")]) -> Answer:
    """Make and sign a plan: it says what would change, and changes nothing. With nothing to do it makes none."""
    if out.exists():
        raise UsageError(f"{out} is there already; name another file")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: there is no such folder for the plan")
    where = deployment()
    with where.opened() as store:
        found = upgrading.plan(where, store)
    document: dict[str, Any] = {"release": formats.release(), "parts": [_document(part) for part in found.parts]}
    if found.plan is None:
        said = [f"nothing to do: unheld {formats.release()} writes what is here", *map(_line, found.parts)]
        return Answer(said, document | {"digest": "", "plan": ""})
    durable.write_file(out, found.plan.encode())
    said = ["this plan would upgrade:", *map(_line, found.parts)]
    said += ["  a custodian's own program writes its memory anew at its next change; no plan is needed for it"]
    said += [f"  plan {out}, digest {found.plan.digest}"]
    said += [f"nothing was changed; unheld upgrade apply {out} asks for the first 8 digits of the digest"]
    return Answer(said, document | {"digest": found.plan.digest, "plan": str(out)})


def _document(part: Part) -> dict[str, Any]:
    return {"part": part.name, "from": part.old, "to": part.new}


def _line(part: Part) -> str:
    return f"  {part.name}: format {part.old}" + (f" → {part.new}" if part.old < part.new else "")


@command(upgrades, "apply", Surface.FIGURES)
def apply(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="A plan made by unheld upgrade plan.")],
    confirm: Annotated[str, typer.Option(help="First 8 or more digits of the plan's digest, for scripts.")] = "",
) -> Answer:
    """Carry out a plan in the durable order. After a crash, do it again: what is done is not done twice."""
    found = _read(plan_file)
    parts = ", ".join(f"{part.name} to format {part.new}" for part in found.parts)
    typed = confirm or settings.ask(f"this would upgrade {parts}; type the first 8 digits of the digest")
    where = deployment()
    with where.opened(write=True) as store:
        done = upgrading.apply(where, store, found, typed.strip())
    said = [f"{one.part}: format {one.format}{', as it was already' if one.again else ''}" for one in done]
    new = [one for one in done if not one.again]
    said += ["  the log tells of it at its next cadence" if new else "nothing to do: this plan was carried out before"]
    document = {"parts": [{"part": one.part, "to": one.format, "again": one.again} for one in done]}
    return Answer(said, document)


def _read(path: Path) -> UpgradePlan:
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such plan; unheld upgrade plan makes one")
    return upgrade.decode(path.read_bytes(), str(path))
