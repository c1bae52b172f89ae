"""custody: headquarters and the custodians of its column keys. A set is founded in a ceremony that repeats at will."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted
from unheld.cli.store_commands import deployment
from unheld.custody.ceremony import DRAFT, FOUNDED, ROSTER, SAID_NO, TRANSCRIPT
from unheld.custody.local import WORDS
from unheld.workflows import custody as custodians
from unheld.workflows.custody import Proposal, Standing
from unheld_verify import columns, spoken
from unheld_verify.errors import BadInputError, UsageError
from unheld_verify.roster import FREEZE_DAYS, custodian_name

custody = group("custody", "Custodians: who they are, what they hold, how they are founded, frozen and replaced.")

Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="NAME=URL of a custodian; repeat it (default: those of the set before)."),
]
Here = Annotated[bool, typer.Option("--here", help="All of them on this machine: as many as before.")]
Threshold = Annotated[int, typer.Option(min=0, max=9, help="How many open a closed day (t); 0: as many as before.")]
Begins = Annotated[str, typer.Option(help="First sealing day, YYYY-MM-DD (default: the first that can be).")]
FreezeDays = Annotated[
    int, typer.Option(min=1, max=60, help="Days without a word of headquarters after which they hand out nothing.")
]
Anew = Annotated[bool, typer.Option("--anew", help="Give up a ceremony that was begun and never founded.")]


def _proposing(check: Callable[[bool], None]) -> Callable[..., Answer]:
    """A command that proposes a set, once `check` finds it right; it is told whether somebody said who they are."""

    def propose(
        name: Names = None,
        here: Here = False,
        threshold: Threshold = 0,
        begins: Begins = "",
        freeze_days: FreezeDays = FREEZE_DAYS,
        anew: Anew = False,
    ) -> Answer:
        check(bool(name) or here)
        return _proposed(name, here, threshold, begins, freeze_days, anew)

    propose.__doc__ = check.__doc__
    return propose


@command(custody, "init", Surface.FIGURES)
@_proposing
def init(named: bool) -> None:
    """Propose the first set of custodians. Nothing counts before unheld custody go has founded it."""
    if custodians.before(deployment()) is not None:
        raise UsageError("this store has custodians: unheld custody rotate proposes those that follow them")
    if not named:
        raise UsageError("say who they are: --name NAME=URL for each, or --here for custodians on this machine")


@command(custody, "rotate", Surface.FIGURES)
@_proposing
def rotate(named: bool) -> None:
    """Propose a new set for later days: others, another threshold or the same again, with fresh seeds and keys."""
    if custodians.before(deployment()) is None:
        raise UsageError("this store has no custodians yet: unheld custody init proposes the first")


def _proposed(names: Sequence[str] | None, here: bool, t: int, begins: str, freeze_days: int, anew: bool) -> Answer:
    if names and here:
        raise UsageError("--here and --name do not go together: all custodians of a set are here, or none")
    where = deployment()
    day = columns.day_number(begins) if begins else 0
    wanted = Proposal(None if not names and not here else _urls(names or []), t, day, freeze_days)
    return _told(custodians.propose(where, wanted, anew=anew), proposed=True)


def _urls(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in given:
        given_name, equals, url = item.partition("=")
        name = custodian_name(given_name) if given_name else ""
        if not equals or not name or name in found:
            raise BadInputError(f"--name {item}: write NAME=URL, each name once, as the custodian was made with")
        found[name] = url
    return found


@command(custody, "go", Surface.FIGURES)
def go() -> Answer:
    """Ask every custodian for what is missing of the newest set, and go as far as the answers lead. Repeat it.

    Exit 3: somebody is waited for.
    """
    return _told(custodians.go(deployment()))


_SHOWN_AS = 'custodians see under "Who asks":'
_STEPS = {
    DRAFT: ("step 1 of 4: every person says whether they will be a custodian", "will be a custodian"),
    ROSTER: ("step 2 of 4: their computers make the keys, no person is needed", "has made its part"),
    TRANSCRIPT: ("step 3 of 4: every person compares the four words and approves", "heard the same words"),
    FOUNDED: ("step 4 of 4: their computers begin to hold their parts", "holds its part"),
}
_NEXT_ASKED = "next: unheld custody go, once they have answered; repeat it at will, nothing is lost by it"
_NEXT_REFUSED = "this set does not begin: propose another with unheld custody init or rotate, and --anew"


def _told(found: Standing, *, proposed: bool = False) -> Answer:
    draft, step = found.draft, found.step
    doing, _ = _STEPS[step.stage]
    stage = "proposed" if proposed else "founded" if step.over else doing
    begins = columns.day_text(draft.begins)
    said = [f"set {found.number} ({stage}): {draft.t} of {draft.n} open a closed day, from {begins} on"]
    said.append(f"  {_SHOWN_AS} {spoken.caller(draft.headquarters)}")
    if step.words and step.over:
        said.append(f"  its four words, to publish: {' '.join(step.words)}")
    elif step.words:
        said.append(f"  four words to read aloud to every custodian: {' '.join(step.words)}")
        said.append("  each of them also hears them from another custodian, and refuses where a word differs")
    said += [f"  {index + 1}. {_answer_of(found, index, proposed=proposed)}" for index in range(draft.n)]
    said += [f"  {name}, asked to make no more keys: {decided}" for name, decided in found.retired.items()]
    said += [f"  {WORDS}; this program answers for the persons"] if found.local else []
    waits = [] if proposed else _awaited(found)
    if proposed:
        said.append("nothing is founded yet: unheld custody go asks them, as often as you call it")
    elif waits:
        said.append(_NEXT_REFUSED if SAID_NO in step.missing.values() else _NEXT_ASKED)
    return Answer(said, _standing(found), 3 if waits else 0, waits)


def _answer_of(found: Standing, index: int, *, proposed: bool) -> str:
    """What a custodian has answered to the newest document, or why it is awaited."""
    name, _, answered = found.draft.names[index], *_STEPS[found.step.stage]
    if proposed:
        return f"{name}: not asked yet"
    return f"{name}: {answered}" if index in found.step.answered else f"{name}: awaited; {found.step.missing[index]}"


def _awaited(found: Standing) -> list[str]:
    """Who or what keeps a set from being founded, and its predecessor from ending."""
    draft, step = found.draft, found.step
    names = ", ".join(draft.names[index] for index in sorted(step.missing))
    waits = [f"{len(step.missing)} of {draft.n} custodians are awaited: {names}"] if step.missing else []
    waits += [] if found.held or step.missing else ["the branch does not hold this set yet: its store is not here"]
    return waits + [f"{name} has not agreed to end" for name, decided in found.retired.items() if decided != "approved"]


def _standing(found: Standing) -> dict[str, Any]:
    draft, step = found.draft, found.step
    return {
        "set": found.number,
        "n": draft.n,
        "t": draft.t,
        "begins": columns.day_text(draft.begins),
        "stage": step.stage,
        "words": list(step.words),
        "answered": [draft.names[index] for index in step.answered],
        "waits": [{"name": draft.names[index], "why": why} for index, why in step.missing.items()],
        "taken_over": found.held,
        "retired": [{"name": name, "decision": decided} for name, decided in found.retired.items()],
        "here": found.local,
        "headquarters": spoken.caller(draft.headquarters),
    }


@command(custody, "status", Surface.FIGURES)
def status() -> Answer:
    """Ask every custodian what it holds. Exit 3: not all answered."""
    where = deployment()
    answers, who = custodians.ask(where, "status"), spoken.caller(bytes.fromhex(where.policy().plan_key))
    said = _answers(answers, [f"{_SHOWN_AS} {who}", *(_figures(one) for one in answers if not one.away)])
    return Answer(said.lines, {**said.document, "headquarters": who}, said.exit_code, said.problems)


@command(custody, "beat", Surface.FIGURES)
def beat(
    due: Annotated[bool, typer.Option("--due", help="Only by those who have not heard it today, as run does.")] = False,
) -> Answer:
    """Let every custodian hear headquarters: after too long a silence they hand out nothing. Once a day will do."""
    answers = custodians.beat(deployment(), due=due)
    return _answers(answers, [f"{one.name} (set {one.set}): heard" for one in answers if not one.away])


@command(custody, "freeze", Surface.FIGURES)
def freeze(
    words: Annotated[str, typer.Option("--reason", help="Why, for the custodians' own notes.")] = "headquarters asks",
) -> Answer:
    """Ask every custodian to hand out nothing from now on. What is due lapses all the same."""
    answers = custodians.ask(deployment(), "freeze", {"words": words})
    return _answers(answers, _frozen(answers))


@command(custody, "thaw", Surface.FIGURES)
def thaw() -> Answer:
    """End a freeze of headquarters. Who froze at a custodian's own desk ends it there."""
    answers = custodians.ask(deployment(), "thaw")
    return _answers(answers, _frozen(answers))


@command(custody, "drill", Surface.FIGURES)
def drill() -> Answer:
    """Rehearse: read four words to every custodian by voice, and see who answered. Repeat it until all have."""
    found = custodians.drill(deployment())
    said = [f"four words to read aloud to every custodian: {' '.join(found.words)}"]
    said += [
        f"{one.name} (set {one.set}): {one.said.get('decision') or 'the person there has not answered yet'}"
        for one in found.answers
        if not one.away
    ]
    answer = _answers(found.answers, said)
    return Answer(answer.lines, {**answer.document, "words": list(found.words)}, answer.exit_code, answer.problems)


def _frozen(answers: Sequence[custodians.Answer]) -> list[str]:
    return [f"{one.name} (set {one.set}): {one.frozen or 'not frozen'}" for one in answers if not one.away]


def _answers(answers: Sequence[custodians.Answer], said: list[str]) -> Answer:
    away = [f"{one.name} (set {one.set}): {one.away}" for one in answers if one.away]
    code = 0 if not away else 3 if len(away) < len(answers) else 1
    rows = [_row(one) for one in answers]
    return Answer(
        [*said, f"{counted(len(answers) - len(away), 'custodian')} answered"], {"custodians": rows}, code, away
    )


_SHOWN = (
    "day", "keys", "columns", "generation", "slot", "lapses", "beat", "retired", "frozen", "frozen_since",
    "rolled_back",
)  # fmt: skip


def _row(one: custodians.Answer) -> dict[str, Any]:
    figures = {name: one.said[name] for name in (*_SHOWN, "decision") if name in one.said}
    opened = [{"day": day, "issues": count} for day, count in one.said.get("open", [])]
    return {"set": one.set, "index": one.index, "name": one.name, "away": one.away, "open": opened, **figures}


def _figures(one: custodians.Answer) -> str:
    said = one.said
    opened = ", ".join(f"{day} (given {count} times)" if count > 1 else day for day, count in said["open"]) or "no day"
    parts = [
        f"open {opened}", f"{said['keys']:,} keys", f"generation {said['generation']}", f"its date {said['day']}",
        f"heard headquarters {said['beat']}", one.frozen or "not frozen", str(said["slot"]),
    ]  # fmt: skip
    parts += [f"retired from {said['retired']}"] if said["retired"] else []
    parts += ["PUT BACK FROM A BACKUP: replace it"] if said["rolled_back"] else []
    return f"{one.name} (set {one.set}): {'; '.join(parts)}"
