"""demand: the register of what authorities demanded. A person files what arrived; nothing here answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unheld.assembly import clock
from unheld.cli import numbers
from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.store_commands import deployment
from unheld_verify import columns
from unheld_verify.errors import BadInputError, UsageError

if TYPE_CHECKING:
    from unheld.demands.model import Demand, Filed, Finding, Held
    from unheld.demands.rules import Pack, Rule
    from unheld.workflows.demand import Told

demand = group("demand", "The register of what authorities demanded. It records and refuses; it has no answer.")

_NOTHING_ANSWERS = "nothing in this release can answer a demand: there is no act that hands records out"
_UNKNOWN = -1

Id = Annotated[
    str, typer.Argument(metavar="ID", help="Six or more of the demand's hex digits, as the list shows them.")
]
By = Annotated[str, typer.Option(help="Who decided this: a name or a function.")]
Asks = Annotated[list[str] | None, typer.Option(help="registry, traffic, location, content or realtime; repeat it.")]
Begins = Annotated[str, typer.Option(help="First day of the window, YYYY-MM-DD.")]
Ends = Annotated[str, typer.Option(help="Last day of the window, YYYY-MM-DD.")]


@command(demand, "receive", Surface.FIGURES)
def receive(  # noqa: PLR0913, PLR0917 - what a person files
    authority: Annotated[str, typer.Option(help="Who demands: the body's name.")],
    authority_kind: Annotated[
        str, typer.Option(help="court, prosecutor, police, military, ministry, regulator or other.")
    ],
    asks: Asks = None,
    target_kind: Annotated[str, typer.Option(help="line, device, area, name, document or contacts.")] = "line",
    targets: Annotated[str, typer.Option(help="What it names: a file with one a line, or -.")] = "",
    target: Annotated[bool, typer.Option("--target", help="It names one: asks for it, not shown.")] = False,
    begins: Begins = "",
    ends: Ends = "",
    issuer: Annotated[str, typer.Option(help="Who signed it.")] = "",
    issuer_title: Annotated[str, typer.Option(help="In what function.")] = "",
    reference: Annotated[str, typer.Option(help="The authority's own reference.")] = "",
    basis: Annotated[
        list[str] | None, typer.Option(help="A law's id as `demand rules` shows it, or words; repeat it.")
    ] = None,
    dated: Annotated[str, typer.Option(help="The date on the order, YYYY-MM-DD.")] = "",
    purpose: Annotated[str, typer.Option(help="What it says it is for.")] = "",
    received: Annotated[str, typer.Option(help="The day it arrived, YYYY-MM-DD (default: today).")] = "",
    secret_until: Annotated[str, typer.Option(help="Last day of a secrecy it demands, YYYY-MM-DD.")] = "",
    secret_without_end: Annotated[bool, typer.Option("--secret-without-end", help="Secret for ever.")] = False,
    oral: Annotated[bool, typer.Option("--oral", help="It was spoken, not written.")] = False,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="It bears no signature.")] = False,
    court_order: Annotated[bool, typer.Option("--court-order", help="A court's order came with it.")] = False,
    emergency: Annotated[bool, typer.Option("--emergency", help="It says that a life is in danger.")] = False,
    duress: Annotated[bool, typer.Option("--duress", help="You suspect a threat.")] = False,
    torture: Annotated[bool, typer.Option("--torture", help="You suspect torture or ill-treatment.")] = False,
    document: Annotated[Path | None, typer.Option(help="The document as it came, at most 20 MB: sealed.")] = None,
    note: Annotated[Path | None, typer.Option(help="A text file for the sealed note.")] = None,
    by: Annotated[str, typer.Option(help="Who files it.")] = "",
) -> Answer:
    """File a demand that arrived. What it names and its document are sealed; the facts are kept in clear."""
    from unheld.demands.model import LINES, Filed, in_order  # noqa: PLC0415
    from unheld.workflows import demand as journeys  # noqa: PLC0415

    where = deployment()
    lines, words = _named(targets, target, target_kind in LINES, where.policy().home)
    today = clock().now() // 86_400
    filed = Filed(
        authority=authority, authority_kind=authority_kind, asks=in_order(asks or []), target_kind=target_kind,
        targets=len(lines) + len(words), received=_day("received", received, today), issuer=issuer,
        issuer_title=issuer_title, reference=reference, basis=tuple(basis or ()), purpose=purpose,
        dated=_day("dated", dated), begins=_day("begins", begins), ends=_day("ends", ends),
        secret_until=_day("secret-until", secret_until), written=not oral, signed=not (oral or unsigned),
        court_order=court_order, emergency=emergency, secret_without_end=secret_without_end, duress=duress,
        torture=torture,
    )  # fmt: skip
    kept = "\n".join([*words, *([numbers.read_text(note)] if note else [])])
    papers = _document(document) if document else b""
    with journeys.desk(where, write=True) as desk:
        made = desk.receive(filed, lines, kept, papers, by)
    said = [
        f"demand {made.name} was filed: {authority} asks for {', '.join(made.asks)}, {_targets(filed)}",
        "  what it names is sealed; the escrow key alone opens it",
        f"  next: unheld demand check {made.name[:8]}",
    ]
    return Answer(said, _short(made))


@command(demand, "check", Surface.FIGURES)
def check(demand_id: Id) -> Answer:
    """Ask every rule and record what speaks against a demand. It decides nothing."""
    from unheld.workflows import demand as journeys  # noqa: PLC0415

    with journeys.desk(deployment(), write=True) as desk:
        done = desk.check(desk.register.find(demand_id))
    said = [f"demand {done.name[:8]}: {counted(len(done.findings), 'finding')}, by {_dated(done.filed)}"]
    said += [f"  {_finding(item)}" for item in done.findings]
    if done.findings:
        codes = " ".join(f"--code {code}" for code in _codes(done))
        said.append(f"people decide: unheld demand refuse {done.name[:8]} {codes or '--code CODE'} --by NAME")
        if any(item.effect == "narrow" for item in done.findings):
            said.append(f"  or less of it: unheld demand narrow {done.name[:8]} --by NAME, then check it again")
    else:
        said += _waiting()
    return Answer(said, _short(done) | {"findings": _findings(done), "by_date": _dated(done.filed)})


@command(demand, "narrow", Surface.FIGURES)
def narrow(demand_id: Id, by: By, asks: Asks = None, begins: Begins = "", ends: Ends = "") -> Answer:
    """Narrow a demand to fewer asks or fewer days; the rest of it is refused. Then check it again."""
    from unheld.workflows import demand as journeys  # noqa: PLC0415

    with journeys.desk(deployment(), write=True) as desk:
        found = desk.register.find(demand_id)
        done = desk.narrow(found, by, asks or (), _day("begins", begins), _day("ends", ends))
    said = [
        f"demand {done.name[:8]} is narrowed to {', '.join(done.asks)}, {_window(done)}; the rest of it is refused",
        f"  next: unheld demand check {done.name[:8]}",
    ]
    return Answer(said, _short(done))


@command(demand, "refuse", Surface.FIGURES)
def refuse(
    demand_id: Id,
    code: Annotated[list[str], typer.Option("--code", help="Why, by a code of `demand rules`; repeat it.")],
    by: By,
) -> Answer:
    """Refuse a demand. What the store really holds of it is noted with the refusal, for the letter."""
    from unheld.demands import codes  # noqa: PLC0415
    from unheld.workflows import demand as journeys  # noqa: PLC0415

    with journeys.desk(deployment(), write=True) as desk:
        done = desk.refuse(desk.register.find(demand_id), code, by)
    said = [f"demand {done.name[:8]} is refused by {done.decided_by}"]
    said += [f"  {item}: {codes.known()[item].title}" for item in done.codes]
    said += _held(done.held)
    said.append(f"  the log tells of it {_told_by_log(done)}")
    return Answer(said, _ended(done) | {"held": done.held.to_json() if done.held else {}})


@command(demand, "withdraw", Surface.FIGURES)
def withdraw(demand_id: Id, by: By) -> Answer:
    """Record that the authority withdrew a demand."""
    from unheld.workflows import demand as journeys  # noqa: PLC0415

    with journeys.desk(deployment(), write=True) as desk:
        done = desk.withdraw(desk.register.find(demand_id), by)
    return Answer([f"demand {done.name[:8]} is withdrawn; nothing was handed over on it"], _short(done))


@command(demand, "list", Surface.FIGURES)
def list_all() -> Answer:
    """Every demand with its state; never what it names."""
    from unheld.demands import register  # noqa: PLC0415

    with register.opened(deployment()) as opened:
        found = opened.demands()
    said = [
        f"{item.name[:8]}  {columns.day_text(item.filed.received)}  {item.state:<10} "
        f"{item.filed.authority}: {', '.join(item.asks)}; {_targets(item.filed)}"
        + (f"; {', '.join(item.codes)}" if item.codes else "")
        for item in found
    ]
    return Answer(said or ["no demand was filed"], {"demands": [_ended(item) for item in found]})


@command(demand, "show", Surface.FIGURES)
def show(demand_id: Id) -> Answer:
    """A demand's facts, findings and acts; of what it names, the count."""
    from unheld.demands import model, register  # noqa: PLC0415

    with register.opened(deployment()) as opened:
        found = opened.find(demand_id)
    said = [f"demand {found.name}: {model.WORDS[found.state]}", *_facts(found)]
    said += [f"  finding: {_finding(item)}" for item in found.findings]
    said += [f"  {_when(act.at)}  {act.kind}{f' by {act.by}' if act.by else ''}" for act in found.acts]
    said += _held(found.held)
    said += _waiting() if found.state == model.WAITING else []
    acts = [{"act": act.kind, "at": act.at, "by": act.by} for act in found.acts]
    held = found.held.to_json() if found.held else {}
    return Answer(
        said,
        _ended(found)
        | {"filed": found.filed.to_json(), "findings": _findings(found), "acts": acts, "held": held}
        | {"state_words": model.WORDS[found.state]},
    )


@command(demand, "rules", Surface.FIGURES)
def rules() -> Answer:
    """What the packs say, for a lawyer to read: laws with their dates, triggers, rules, codes."""
    from unheld.demands import codes  # noqa: PLC0415
    from unheld.demands import rules as packs  # noqa: PLC0415

    book = packs.load(deployment())
    said = [line for pack in book.packs for line in _pack(pack)]
    said += ["codes", *(f"  {code.id}: {code.title} ({code.origin})" for code in codes.known().values())]
    document = {
        "packs": [_pack_document(pack) for pack in book.packs],
        "codes": [{"code": code.id, "title": code.title, "text": code.text} for code in codes.known().values()],
    }
    return Answer(said, document)


@command(demand, "claim", Surface.ONE_PARTY)
def claim(
    asker: Annotated[str, typer.Option(help="Who asks, and how they showed that the line is theirs: kept sealed.")],
    out: Annotated[Path, typer.Option(help="Folder for the receipts (.tlog-proof).")],
    escrow_key: Annotated[Path | None, typer.Option(help="The escrow key's file (default: headquarters').")] = None,
) -> Answer:
    """Tell a claimant, or their heir, whether a demand named their line. Asks for one number; ten answers a day."""
    from unheld.workflows import demand as journeys  # noqa: PLC0415

    where = deployment()
    private = where.escrow_private(escrow_key)
    identity = numbers.ask_one(where.policy().home)
    told = journeys.answer_claim(where, identity, asker, private, out)
    said = [line for item in told for line in _told(item)] or ["no demand in this register named this line"]
    said += [
        "only lines are matched: a demand that named an area, a device, a name or a document names no line",
        "this register holds what was filed; it does not prove that nothing was demanded or handed over by other ways",
        "the log tells that one claim was answered, and nothing else of it",
    ]
    return Answer(said, {"demands": [_told_document(item) for item in told]})


def _told_by_log(done: Demand) -> str:
    from unheld.demands import register  # noqa: PLC0415

    due = register.due(done)
    return f"on {columns.day_text(due)}, not before" if due > clock().now() // 86_400 else "at its next cadence"


def _day(option: str, text: str, default: int = _UNKNOWN) -> int:
    try:
        return columns.day_number(text) if text else default
    except BadInputError as error:
        raise BadInputError(f"--{option}: {error}") from None


def _named(targets: str, target: bool, lines: bool, home: str) -> tuple[list[str], list[str]]:
    """What a demand names: identities of lines, each once, or words of what is no line."""
    if targets and target:
        raise UsageError("give --targets or --target, not both")
    if lines:
        found = numbers.read_file(targets, home) if targets else [numbers.ask_one(home)] if target else []
        return list(dict.fromkeys(found)), []
    if target:
        return [], [settings.ask("what it names (not shown)", hidden=True)]
    return [], _lines(targets) if targets else []


def _lines(path: str) -> list[str]:
    text = sys.stdin.read() if path == "-" else numbers.read_text(Path(path))
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise BadInputError(f"{path}: it names nothing; write one a line")
    return found


def _document(path: Path) -> bytes:
    from unheld.demands.register import DOCUMENT_MOST  # noqa: PLC0415

    # Its name is not repeated: letters are filed under the numbers that they ask for.
    if not path.is_file():
        raise BadInputError("--document: there is no such file")
    if path.stat().st_size > DOCUMENT_MOST:
        raise BadInputError(f"--document: is larger than {DOCUMENT_MOST >> 20} MB; give it at less resolution")
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInputError(f"--document: cannot be read ({error.strerror}); mend its rights") from None


def _short(found: Demand) -> dict[str, Any]:
    return {
        "demand": found.name,
        "state": found.state,
        "authority": found.filed.authority,
        "authority_kind": found.filed.authority_kind,
        "asks": list(found.asks),
        "target_kind": found.filed.target_kind,
        "targets": found.filed.targets,
        "received": columns.day_text(found.filed.received),
        "begins": _text(found.begins),
        "ends": _text(found.ends),
    }


def _ended(found: Demand) -> dict[str, Any]:
    return _short(found) | {"codes": list(found.codes), "decided_by": found.decided_by}


def _text(day: int) -> str:
    return "" if day == _UNKNOWN else columns.day_text(day)


def _when(at: int) -> str:
    return columns.day_text(at // 86_400)


def _targets(filed: Filed) -> str:
    if filed.target_kind == "contacts":
        return f"{counted(filed.targets, 'line')} and whom they spoke with"
    return counted(filed.targets, filed.target_kind)


def _window(found: Demand) -> str:
    if _UNKNOWN in {found.begins, found.ends}:
        return "a window that it does not say"
    days = counted(found.ends - found.begins + 1, "day")
    return f"{_text(found.begins)} to {_text(found.ends)} ({days})"


def _dated(filed: Filed) -> str:
    if filed.dated == _UNKNOWN:
        return f"{_text(filed.received)}, the day of the receipt (the order has no date)"
    return f"{_text(filed.dated)}, the date of the order"


def _facts(found: Demand) -> list[str]:
    filed = found.filed
    said = {
        "authority": f"{filed.authority} ({filed.authority_kind})",
        "issued by": ", ".join(filter(None, (filed.issuer, filed.issuer_title))),
        "reference": filed.reference,
        "basis": "; ".join(filed.basis),
        "dated": _text(filed.dated),
        "received": _text(filed.received),
        "purpose": filed.purpose,
        "asks for": ", ".join(found.asks),
        "names": _targets(filed),
        "window": _window(found),
        "secrecy": "without end" if filed.secret_without_end else f"until {_text(filed.secret_until)}",
    }
    if not filed.secret_without_end and filed.secret_until == _UNKNOWN:
        said["secrecy"] = "none"
    marks = {
        "oral": not filed.written, "not signed": not filed.signed, "with a court's order": filed.court_order,
        "emergency": filed.emergency, "threat suspected": filed.duress, "torture suspected": filed.torture,
    }  # fmt: skip
    said["marks"] = ", ".join(name for name, given in marks.items() if given)
    return [f"  {name}: {words or 'not said'}" for name, words in said.items() if words or name != "marks"]


def _finding(item: Finding) -> str:
    to = ""
    if item.effect == "narrow":
        to = f" Narrow to {', '.join(item.asks)}, {_text(item.begins) or '?'} to {_text(item.ends) or '?'}."
    return f"{item.code} ({item.effect}; {item.pack}, {item.rule}): {item.words}{to}"


def _findings(found: Demand) -> list[dict[str, Any]]:
    return [
        item.to_json() | {"begins": _text(item.begins), "ends": _text(item.ends)} for item in found.findings
    ]  # fmt: skip


def _codes(found: Demand) -> list[str]:
    """The codes of what refuses, each once."""
    return list(dict.fromkeys(item.code for item in found.findings if item.effect == "refuse"))


def _waiting() -> list[str]:
    return [
        "no rule speaks against it: it waits for two people and for the custodians",
        f"  {_NOTHING_ANSWERS}",
    ]


def _held(held: Held | None) -> list[str]:
    if held is None:
        return []
    from unheld.demands.model import HELD_STATES  # noqa: PLC0415

    said = [f"  what the store holds of it on {columns.day_text(held.day)}:"]
    for span in held.spans:
        gone = f", the last of them on {columns.day_text(span.gone)}" if span.gone != _UNKNOWN else ""
        days = f"{columns.day_text(span.first)} to {columns.day_text(span.last)} ({counted(span.days, 'day')})"
        said.append(f"    {span.cls}, {days}: {HELD_STATES[span.state]}{gone}")
    if held.parked:
        said.append(f"    {counted(held.parked, 'batch', 'batches')} of unknown days, sealed, unread by the branch")
    said.append(f"    {held.t} of {held.n} custodians open a closed day; release: {held.release}; slot: {held.slot}")
    return said


def _pack(pack: Pack) -> list[str]:
    said = [f"pack {pack.id}: {pack.title}", f"  {pack.note}", f"  SHA-256 {pack.sha256}"]
    for law in pack.laws:
        periods = ", ".join(_period(item.first, item.last) for item in law.periods)
        said += [f"  law {law.id}: {law.title}; in force {periods}", f"    {law.text}", f"    source: {law.source}"]
    for trigger in pack.triggers:
        said += [f"  trigger {trigger.id}, {_text(trigger.day)}: {trigger.text}", f"    source: {trigger.source}"]
    for rule in pack.rules:
        valid = _period(rule.valid_from, rule.valid_to)
        said += [
            f"  rule {rule.id}: {rule.text}",
            f"    {rule.effect}, {rule.code}, when {_condition(rule)}; orders {valid}; source: {rule.source}",
        ]
    return said


def _period(first: int, last: int) -> str:
    return f"since {_text(first)}" if last == _UNKNOWN else f"{_text(first)} to {_text(last)}"


def _condition(rule: Rule) -> str:
    name = rule.condition.replace("_", " ")
    if rule.value is True:
        return name
    return f"{name}: {', '.join(rule.value).replace('_', ' ') if isinstance(rule.value, list) else rule.value}"


def _pack_document(pack: Pack) -> dict[str, Any]:
    return {
        "pack": pack.id,
        "title": pack.title,
        "note": pack.note,
        "sha256": pack.sha256,
        "laws": [
            {
                "law": law.id, "title": law.title, "text": law.text, "source": law.source,
                "in_force": [{"from": _text(item.first), "to": _text(item.last)} for item in law.periods],
            }
            for law in pack.laws
        ],
        "triggers": [
            {"trigger": item.id, "date": _text(item.day), "text": item.text, "source": item.source}
            for item in pack.triggers
        ],
        "rules": [
            {
                "rule": rule.id, "text": rule.text, "source": rule.source, "code": rule.code, "effect": rule.effect,
                "when": _condition(rule), "valid_from": _text(rule.valid_from), "valid_to": _text(rule.valid_to),
            }
            for rule in pack.rules
        ],
    }  # fmt: skip


def _told(item: Told) -> list[str]:
    if item.closed_until != _UNKNOWN:
        day = columns.day_text(item.closed_until)
        return [f"a demand named this line that is secret until {day}: ask again from that day on"]
    from unheld.demands.model import WORDS  # noqa: PLC0415

    found = item.demand
    outcome = f"{WORDS[found.state]}{': ' + ', '.join(found.codes) if found.codes else ''}"
    received, asks = columns.day_text(found.filed.received), ", ".join(found.filed.asks)
    said = [f"demand {found.name} named this line: {found.filed.authority}, received {received}, asked for {asks}"]
    said.append(f"  outcome: {outcome}")
    said += [f"  receipt: {path}; check it with unheld receipt check" for path in item.receipts]
    said += [f"  {kind}: not in the log yet; ask again after its next publication" for kind in item.waiting]
    return said


def _told_document(item: Told) -> dict[str, Any]:
    if item.closed_until != _UNKNOWN:
        return {"closed_until": columns.day_text(item.closed_until)}
    found = item.demand
    return {
        "demand": found.name,
        "authority": found.filed.authority,
        "asks": list(found.filed.asks),
        "received": columns.day_text(found.filed.received),
        "state": found.state,
        "codes": list(found.codes),
        "receipts": [str(path) for path in item.receipts],
        "waiting": list(item.waiting),
    }
