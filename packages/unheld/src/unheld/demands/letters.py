"""The letter that tells an authority what of its demand is refused, and why. One letter a demand, in English.

It says what is so. It promises nothing, threatens nobody, names nobody who works here unless the officer who decided
abroad signs it, and tells of what the demand names only that it was named.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from unheld.demands import codes
from unheld.demands.model import (
    HELD_STATES,
    UNKNOWN,
    WITHDRAWN,
    Act,
    Demand,
    Filed,
    Finding,
    Held,
    Span,
    read_finding,
)
from unheld.demands.rules import Rulebook
from unheld.papers.document import Block, Bullets, Document, Facts, Heading, Notice, Paragraph, Table
from unheld_branch.store.policy import Policy
from unheld_verify import columns
from unheld_verify.errors import BadInputError, StateError

ASKS_WORDS = {
    "registry": "who a line belongs to",
    "traffic": "calls, messages and sessions: with whom, when, how long",
    "location": "where a line was",
    "content": "the content of calls and messages",
    "realtime": "tracking or interception as it happens",
}
_TARGET_WORDS = {
    "line": ("the line you name", "the {} lines you name"),
    "contacts": ("the contacts of the line you name", "the contacts of the {} lines you name"),
    "device": ("the device you name", "the {} devices you name"),
    "area": ("the area you name", "the {} areas you name"),
    "name": ("the name you give", "the {} names you give"),
    "document": ("the document you name", "the {} documents you name"),
}
_OF_THE_STORE = {"DataNotHeld", "DeFactoImpossibility"}
_CLASS_WORDS = {
    "identity": "who a line belongs to",
    "charge": "when, how long, how much",
    "contact": "the other party, the device",
    "place": "the radio cell",
}
_OWN = "Decided by the officer's own judgement; no rule of a pack found it."
_NOT_SAID = (
    "It does not say whether what you name exists, was ever served here, or is known here.",
    "It does not say that anything is held on anybody: the table of days, where there is one, is of the whole store.",
    "It speaks of this store only, and of no other system, operator or country.",
)


def letter(demand: Demand, policy: Policy, rulebook: Rulebook, signed_by: str = "") -> Document:
    """The letter on a refused or narrowed demand, dated on the day of that decision.

    `rulebook` tells the sources of rules and the titles of laws; `signed_by` is printed as the signature.
    Raises StateError for a demand of which nothing is refused, BadInputError for a code that has no text.
    """
    refused = bool(demand.codes)
    if not refused and (not demand.narrowed or demand.state == WITHDRAWN):
        raise StateError(f"the demand is {demand.state}: nothing of it is refused, so there is nothing to write")
    day = _day(demand.decided_at if refused else _narrowings(demand)[-1].at)
    findings = demand.findings if refused else _narrowing(demand)
    found = demand.codes if refused else tuple(dict.fromkeys(finding.code for finding in findings))
    reasons = tuple(code for code in found if code not in codes.quiet(found))
    if refused and not reasons:
        raise StateError(
            "it is refused by codes alone that accuse its authority, and no letter tells those: they could be read "
            "against people there; answer with no letter, or have counsel write one"
        )
    blocks = (
        *_head(demand, rulebook),
        *(_refused(demand) if refused else _narrowed(demand)),
        *_reasons(reasons, findings, rulebook),
        *(_state(demand.held, policy) if demand.held and _OF_THE_STORE & set(reasons) else ()),
        *_tail(policy, day, signed_by),
    )
    title = "Refusal of your demand" if refused else "Refusal of a part of your demand"
    footer = f"Our reference {demand.name}. To {demand.filed.authority}, on its demand."
    return Document(title, f"From headquarters of the store at {policy.origin}, {day}", "en", day, blocks, footer)


def _head(demand: Demand, rulebook: Rulebook) -> tuple[Block, ...]:
    filed = demand.filed
    titles = {law.id: law.title for pack in rulebook.packs for law in pack.laws}
    pairs = (
        ("To", filed.authority),
        ("For the attention of", ", ".join(filter(None, (filed.issuer, filed.issuer_title)))),
        ("Your reference", filed.reference or "none given"),
        ("Your demand is dated", _date(filed.dated, "it has no date")),
        ("Received", _date(filed.received, "")),
        ("Our reference", demand.name),
        ("It rests on", "; ".join(titles.get(law, law) for law in filed.basis) or "no legal basis named"),
        ("It asks for", _kinds(filed.asks)),
        ("For the days", _window(filed.begins, filed.ends)),
        ("It concerns", _concerns(filed)),
    )
    return (Facts(tuple((name, value) for name, value in pairs if value)),)


def _refused(demand: Demand) -> tuple[Block, ...]:
    before = "It had been narrowed before; what was left of it is refused too. " if demand.narrowed else ""
    return (Notice("The demand is refused", f"{before}Nothing was handed over on it. The reasons follow."),)


def _narrowed(demand: Demand) -> tuple[Block, ...]:
    filed = demand.filed
    gone = [ask for ask in filed.asks if ask not in demand.asks]
    whole, left = (filed.begins, filed.ends), (demand.begins, demand.ends)
    rows = (
        ("Demanded", _kinds(filed.asks), _window(*whole)),
        ("Refused", _kinds(gone) or "none of them altogether", "none" if whole == left else "all but those below"),
        ("Not refused so far", _kinds(demand.asks), _window(*left)),
    )
    return (
        Notice("A part of the demand is refused", "Nothing was handed over on any part of it. The reasons follow."),
        Table("What is refused", ("Part", "Kinds of facts", "Days"), rows),
        Paragraph("That the rest is not refused so far does not say that it is granted."),
    )


def _reasons(reasons: Sequence[str], findings: Sequence[Finding], rulebook: Rulebook) -> Iterator[Block]:
    sources = {(pack.id, rule.id): rule.source for pack in rulebook.packs for rule in pack.rules}
    yield Heading("Reasons")
    if not reasons:
        yield Paragraph(_OWN)
    for number, reason in enumerate(reasons, 1):
        code = codes.known().get(reason)
        if code is None:
            raise BadInputError(f"code {reason}: no text for it in packs/codes.toml; add it, or use a newer program")
        yield Heading(f"{number}. {code.title} ({code.id})", 3)
        yield Paragraph(code.text)
        found = [finding for finding in findings if finding.code == reason]
        yield Bullets(tuple(_found(item, sources.get((item.pack, item.rule), "")) for item in found) or (_OWN,))


def _found(finding: Finding, source: str) -> str:
    return (
        f"{finding.words.rstrip(' .')}. (Rule {finding.rule} of {finding.pack}; source: {source or 'see that pack'}.)"
    )


def _state(held: Held, policy: Policy) -> Iterator[Block]:
    """What the store really held of the days asked for, as it was noted with the refusal."""
    yield Heading("The state of the store")
    yield Paragraph(f"This is what the store's journal told on {_date(held.day, '')}, when the demand was decided.")
    if held.spans:
        yield Table(
            "The days that the demand asks for, in the whole store",
            ("Kind of fact", "From", "To", "Days", "State"),
            tuple(_row(span) for span in held.spans),
            frozenset({3}),
        )
    yield Bullets(tuple(_why(held, policy)))


def _why(held: Held, policy: Policy) -> Iterator[str]:
    counts = held.counts()
    sealed = counts.get("closed", 0) + counts.get("due", 0)
    if lapsed := counts.get("lapsed", 0):
        yield f"{_columns(lapsed)} lapsed: their keys ended by a calendar that was fixed when the store was founded."
    if erased := counts.get("erased", 0):
        yield f"{_columns(erased)} erased: their keys were destroyed, and nobody can make them again."
    if sealed:
        among = f"split among {held.n} custodians, of whom {held.t} together could open a day"
        yield (
            f"{_columns(sealed)} sealed: the keys are {among if held.n > 1 else 'with one custodian'}. "
            "The branch has none of these keys, and nothing in this system asks custodians for them."
        )
    if opened := counts.get("open", 0):
        yield f"{_columns(opened)} open so that the network can work, until the sealing day ends."
    if held.parked:
        yield f"{held.parked} batches of unknown days are parked; nobody at the branch can read them."
    if held.nothing:
        yield "Nothing of what the demand asks for is left in this store."
    if "no-store" not in counts:
        yield f"The memory that keeps the store's own key is of this class: {held.slot.rstrip('.')}."
    yield (
        f"Release of records: {held.release}. That was pinned when the store was founded, in a document with the "
        f"digest {held.genesis}, which the public log {policy.origin} states; no setting, role or command changes it."
    )


def _tail(policy: Policy, day: datetime.date, signed_by: str) -> tuple[Block, ...]:
    signature = (("Signed", signed_by),) if signed_by else ()
    return (
        Heading("What this letter does not say"),
        Bullets(_NOT_SAID),
        Heading("Who decided"),
        Paragraph(
            "Headquarters decided this. Nobody at the branch took part in the decision, can change it, or can carry "
            "out the demand."
        ),
        Facts((*signature, ("For headquarters of", policy.origin), ("Date", day.isoformat()))),
    )


def _narrowing(demand: Demand) -> tuple[Finding, ...]:
    """What rules had found in the last check before each narrowing, as far as it speaks for narrowing."""
    found, last = dict[Finding, None](), tuple[Finding, ...]()
    for act in demand.acts:
        if act.kind == "checked":
            last = tuple(read_finding(item) for item in act.fields["findings"])
        elif act.kind == "narrowed":
            found |= dict.fromkeys(finding for finding in last if finding.effect == "narrow")
    return tuple(found)


def _narrowings(demand: Demand) -> list[Act]:
    return [act for act in demand.acts if act.kind == "narrowed"]


def _row(span: Span) -> tuple[str, ...]:
    words = HELD_STATES[span.state] + _gone(span)
    kind = _CLASS_WORDS.get(span.cls) or ASKS_WORDS.get(span.cls, span.cls)
    return (kind, _date(span.first, ""), _date(span.last, ""), str(span.days), words)


def _gone(span: Span) -> str:
    if span.gone == UNKNOWN:
        return ""
    return f" on {_date(span.gone, '')}" if span.days == 1 else f", day by day, the last on {_date(span.gone, '')}"


def _concerns(filed: Filed) -> str:
    one, many = _TARGET_WORDS[filed.target_kind]
    if filed.targets == 0:  # it was filed without a count
        return many.replace("{} ", "")
    return one if filed.targets == 1 else many.format(f"{filed.targets:,}")


def _kinds(asks: Sequence[str]) -> str:
    return "; ".join(ASKS_WORDS[ask] for ask in asks)


def _window(begins: int, ends: int) -> str:
    if begins == ends == UNKNOWN:
        return "no days named"
    return f"{_date(begins, 'no beginning named')} to {_date(ends, 'no end named')}"


def _columns(count: int) -> str:
    """Days of one kind of fact, as the table counts them."""
    return "1 day of one kind is" if count == 1 else f"{count:,} days, counted by kind, are"


def _date(day: int, unknown: str) -> str:
    return unknown if day == UNKNOWN else columns.day_text(day)


def _day(seconds: int) -> datetime.date:
    return columns.date_of(seconds // 86_400)
