"""Headquarters and its custodians: found a set in a ceremony, follow it with another, hear from all, be heard by all.

Every call asks whoever has not answered yet, and writes down what it got before it goes on: repeat it at will.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from unheld import assembly
from unheld.assembly import Deployment
from unheld.custody import ceremony
from unheld.custody.ceremony import Ceremony, Step
from unheld.custody.local import LocalDesks
from unheld_branch.custody import addresses
from unheld_branch.custody import client as clients
from unheld_branch.kernel import locks
from unheld_branch.store import sets
from unheld_branch.store.store import Store
from unheld_branch.workflows import custody as taking
from unheld_slots import durable
from unheld_verify import canonical, columns, crypto, custody, note, roster, spoken
from unheld_verify.errors import AwayError, BadInputError, NoStoreError, StateError, UnheldError, VerificationError
from unheld_verify.plan import Plan
from unheld_verify.roster import FREEZE_DAYS, Draft, Roster
from unheld_verify.signed import Document

_DRILL, _HEARD = "drill.json", "heard.json"
_DAY = 86_400
_HOUR = 3600
_CEREMONY_DAYS = 7  # for people elsewhere to approve, read words aloud and confirm, before the set is to seal
_FREEZERS = {
    "person": "the person there", "headquarters": "headquarters", "silence": "the silence of headquarters",
}  # fmt: skip


@dataclass(frozen=True)
class Proposal:
    """A set that headquarters wants. `urls`: by name, where its custodians are; empty: on this machine; None: the same
    as of the set before. `t`: how many open a closed day; 0: as many as before, at first as genesis says.

    `begins`: its first sealing day; 0: today for a first set, tomorrow for one that follows, or in a week where its
    custodians are elsewhere: the branch takes no set over that was founded when its first day had begun.
    """

    urls: Mapping[str, str] | None = None
    t: int = 0
    begins: int = 0
    freeze_days: int = FREEZE_DAYS


@dataclass(frozen=True)
class Standing:
    """How far the newest set is. `held`: the branch has it. `retired`: by name, what those of the sets before said."""

    number: int
    draft: Draft
    local: bool
    step: Step
    held: bool
    retired: Mapping[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether nothing is waited for."""
        return self.step.over and self.held and all(said == "approved" for said in self.retired.values())


@dataclass(frozen=True)
class Answer:
    """What one custodian of a set answered, or in `away` why it did not. `local`: it is on this machine."""

    set: int
    index: int
    name: str
    local: bool
    said: Document = field(default_factory=dict)
    away: str = ""

    @property
    def frozen(self) -> str:
        """By whom it is frozen and since when, in words; empty where it is not."""
        who, since = self.said.get("frozen"), self.said.get("frozen_since")
        return f"FROZEN by {_FREEZERS.get(str(who), 'somebody')}{f' since {since}' if since else ''}" if who else ""

    @property
    def standing(self) -> str:
        """What it is to the store, in words: away, put back, frozen, or here."""
        put_back = "PUT BACK FROM A BACKUP: replace it" if self.said.get("rolled_back") else ""
        return self.away or put_back or self.frozen or "answered"


@dataclass(frozen=True)
class Term:
    """The days that a set is for: from `draft.begins` to `ends`, a day number; 0: no other set follows yet."""

    draft: Draft
    ends: int


@dataclass(frozen=True)
class Drill:
    """Four words to read aloud, and by set and name what the persons said: approved, refused, or nothing yet."""

    words: tuple[str, ...]
    answers: Sequence[Answer]


def propose(deployment: Deployment, wanted: Proposal, *, anew: bool = False) -> Standing:
    """Begin the ceremony of the next set. With `anew` one that was begun and never founded is given up.

    Raises StateError while a ceremony goes on, BadInputError for a set out of bounds or for a day that is over.
    """
    with _held(deployment):
        known = deployment.ceremonies()
        newest = next(reversed(known.values()), None)
        if newest is not None and newest.founded is None and not anew:
            raise StateError(
                f"set {newest.draft.set} is being founded: unheld custody go goes on with it; --anew gives it up"
            )
        number = max(known, default=deployment.policy().set_number - 1) + 1
        past, places = before(deployment), addresses.read(deployment.addresses)
        urls = wanted.urls
        if urls is None and past is not None and not deployment.is_local(past.draft):
            urls = places.get(past.draft.set)
            if urls is None:
                raise BadInputError(f"{deployment.addresses}: names no set {past.draft.set}; name its custodians here")
        draft = _draft(deployment, wanted, urls or {}, number)
        ceremony.proposal(draft, deployment.seed("plan"))  # nothing is written of a set that cannot be
        if urls:
            addresses.write(deployment.addresses, {**places, number: dict(urls)})
        else:
            deployment.desks().create(draft.n)
        begun = Ceremony.begin(ceremony.place(deployment.custody, number), draft, deployment.seed("plan"))
        return Standing(number, draft, not urls, begun.standing(), held=False)


def before(deployment: Deployment) -> Roster | None:
    """The newest set that was founded."""
    return next(reversed(_founded(deployment.ceremonies())), None)


def terms(deployment: Deployment) -> list[Term]:
    """The sets that may hold a key, in order, each with its days. Raises NoStoreError where none is founded."""
    holding = _holding(deployment)
    ends = [one.draft.begins - 1 for one in holding[1:]]
    return [Term(one.draft, end) for one, end in zip(holding, [*ends, 0], strict=True)]


def go(deployment: Deployment) -> Standing:
    """Go on with the newest set: ceremony, then the branch takes it over, then the set before it is retired.

    Who confirmed nothing, or has not heard that the set is founded, holds neither up once a quorum did. Raises
    NoStoreError where no set was proposed, VerificationError when a custodian complained, NotAllowedError when it was
    founded after its first day had begun.
    """
    with _held(deployment) as store:
        begun = newest(deployment)
        draft, seed, desks = begun.draft, deployment.seed("plan"), deployment.desks()
        local, lines = deployment.is_local(draft), deployment.lines(draft, desks)
        step = begun.go(lines, seed)
        while local and ceremony.WAITING in step.missing.values():
            desks.approve()
            step = begun.go(lines, seed)
        if not local and not step.over:
            begun.tell(lines, seed)
        if store is None or begun.founded is None:
            return Standing(draft.set, draft, local, step, held=False)
        _tell_branch(deployment)  # before the set: a branch that holds one and finds nobody of it does nothing at all
        taking.take_over(store, begun.founded)
        told = len(step.answered) >= draft.quorum
        retired = _retire(deployment, draft, desks) if told else {}
        return Standing(draft.set, draft, local, step, held=True, retired=retired)


def _tell_branch(deployment: Deployment) -> None:
    """Where custodians are, for the branch's own program. What somebody wrote there for a set stays."""
    known, told = addresses.read(deployment.addresses), addresses.read(deployment.branch_addresses)
    if known.keys() - told.keys():
        addresses.write(deployment.branch_addresses, {**known, **told})


def standing(deployment: Deployment) -> Standing:
    """How far the newest set is, asking nobody. Raises NoStoreError where no set was proposed."""
    begun = newest(deployment)
    draft = begun.draft
    held = False
    if deployment.has_store:
        held = any(one.draft.set == draft.set for one in sets.read(deployment.root, deployment.policy()))
    return Standing(draft.set, draft, deployment.is_local(draft), begun.standing(), held)


def newest(deployment: Deployment) -> Ceremony:
    """The set that was proposed last. Raises NoStoreError where none was."""
    found = next(reversed(deployment.ceremonies().values()), None)
    if found is None:
        raise NoStoreError(f"{deployment.root}: no custodians yet; unheld custody init proposes a set")
    return found


def ask(deployment: Deployment, act: str, body: Mapping[str, Any] | None = None) -> list[Answer]:
    """Ask every custodian of every set that may hold a key. Raises NoStoreError where no set is founded."""
    with _held(deployment):
        return asked(deployment, act, body)


def beat(deployment: Deployment, *, due: bool = False) -> list[Answer]:
    """Be heard: custodians hand out nothing after too long a silence of headquarters.

    With `due` by those only who have not heard it today.
    """
    day = columns.day_text(assembly.clock().now() // _DAY)
    with _held(deployment):
        before = _heard_on(deployment, day)[1] if due else set()
        answers = asked(deployment, "beat", {"day": day}, but=before)
        heard = before | {(one.set, one.index) for one in answers if not one.away}
        told = {"v": 1, "day": day, "at": assembly.clock().now(), "heard": [list(place) for place in sorted(heard)]}
        durable.write_file(deployment.custody / _HEARD, canonical.encode(told))
    return answers


def beat_is_due(deployment: Deployment) -> bool:
    """Whether a custodian elsewhere has not heard headquarters today, and none was called in the last hour.

    Those of this machine hear it whenever the branch calls them. Where its key is not here, it speaks from elsewhere.
    """
    now = assembly.clock().now()
    at, heard = _heard_on(deployment, columns.day_text(now // _DAY))
    if not deployment.speaks_for_headquarters or 0 <= now - at < _HOUR:
        return False
    far = [one.draft for one in _founded(deployment.ceremonies()) if not deployment.is_local(one.draft)]
    holding = {one.draft.set for one in sets.holding(_founded(deployment.ceremonies()), now // _DAY)} if far else set()
    return any((one.set, index) not in heard for one in far if one.set in holding for index in range(one.n))


def _heard_on(deployment: Deployment, day: str) -> tuple[int, set[tuple[int, int]]]:
    """When custodians were last called with a beat of `day`, and which (set, index) of them heard it."""
    try:
        told = canonical.decode((deployment.custody / _HEARD).read_bytes())
        return (
            (int(told["at"]), {(number, index) for number, index in told["heard"]})
            if told["day"] == day
            else (0, set())
        )
    except (OSError, BadInputError, KeyError, TypeError, ValueError):
        return 0, set()  # who heard it hears it again


def heard(deployment: Deployment) -> int:
    """How many heard headquarters with the daily publication. Where nobody can, `unheld custody beat` says why."""
    try:
        return sum(not answer.away for answer in beat(deployment))
    except UnheldError:
        return 0


def drill(deployment: Deployment) -> Drill:
    """Let every person hear four words and answer, as in a ceremony. The same drill until all have answered it."""
    with _held(deployment):
        holding, path = _holding(deployment), deployment.custody / _DRILL
        name = str(canonical.decode(path.read_bytes())["drill"]) if path.exists() else crypto.random_bytes(32).hex()
        durable.write_file(path, canonical.encode({"v": 1, "drill": name}))
        desks, body = deployment.desks(), {"drill": name}
        answers = [one for each in holding for one in _decided(deployment, each, desks, "drill", body)]
        if all(answer.said.get("decision") for answer in answers):
            durable.remove_file(path)
        return Drill(spoken.words(bytes.fromhex(name)), answers)


def asked(
    deployment: Deployment,
    act: str,
    body: Mapping[str, Any] | None = None,
    *,
    but: Collection[tuple[int, int]] = (),
) -> list[Answer]:
    """As `ask`, for a caller that holds the locks; all are asked but the (set, index) in `but`."""
    desks = deployment.desks()
    answers = (_ask_set(deployment, one, desks, act, body or {}, but) for one in _holding(deployment))
    return [answer for answered in answers for answer in answered]


def emptied(deployment: Deployment, plan: Plan) -> dict[int, list[Document]]:
    """By set, what custodians attest today of having erased everything. The caller holds the locks.

    Sets that begin after the plan hold nothing yet. Who is away, or attests to something else, is not in it.
    """
    desks, body, made = deployment.desks(), {"plan": note.base64_text(plan.encode())}, columns.day_number(plan.made)
    said: dict[int, list[Document]] = {}
    for one in _holding(deployment):
        if one.draft.begins <= made:
            if deployment.is_local(one.draft):
                assembly.beat_here(deployment.officer(one, desks), desks)
            answers = _ask_set(deployment, one, desks, "erase-everything", body)
            said[one.draft.set] = [found for answer in answers if (found := _attested(one, answer, made)) is not None]
    return said


def _attested(one: Roster, answer: Answer, day: int) -> Document | None:
    if answer.away:
        return None
    try:
        attested = custody.attestation_of(answer.said)
        clients.check(attested, one, answer.index, clients.Expected("erased", day))
    except (BadInputError, VerificationError):
        return None
    return attested.read(one.signs[answer.index])


def _draft(deployment: Deployment, wanted: Proposal, urls: Mapping[str, str], number: int) -> Draft:
    policy, today, past = deployment.policy(), assembly.clock().now() // 86_400, before(deployment)
    first = today if past is None else today + 1
    usual = today + _CEREMONY_DAYS if past and urls else first
    begins = wanted.begins or max(usual, past.draft.begins + 1 if past else 0)
    if begins < first:
        raise BadInputError(f"begins {columns.day_text(begins)}: choose {columns.day_text(first)} or later")
    if past is not None and begins <= past.draft.begins:
        day = columns.day_text(past.draft.begins)
        raise BadInputError(f"set {past.draft.set} begins on {day}: another begins after it")
    for url in urls.values():
        addresses.check_url(url, "--name")
    names = tuple(urls) or assembly.local_names(past.draft.n if past else policy.n)
    t = wanted.t or (past.draft.t if past else policy.t)
    if t < (least := sets.floor(_founded(deployment.ceremonies()), policy)) <= len(names):
        raise BadInputError(f"{t} of {len(names)}: this store was founded with {least}; no later set opens with fewer")
    branch = past.draft.branch if past else crypto.sign_public(deployment.branch_seed())  # which may be at the branch
    return assembly.draft(policy, number, names, t, begins, branch, wanted.freeze_days)


def _retire(deployment: Deployment, following: Draft, desks: LocalDesks) -> dict[str, str]:
    """Tell those of the sets before to make no more keys from the day on which this one begins."""
    body, said = {"from": columns.day_text(following.begins)}, dict[str, str]()
    for one in _holding(deployment):
        if one.draft.set < following.set:
            for answer in _decided(deployment, one, desks, "retire", body):
                decided = str(answer.said.get("decision") or ceremony.WAITING)
                said[f"{answer.name} of set {answer.set}"] = answer.away or decided
    return said


def _founded(known: Mapping[int, Ceremony]) -> list[Roster]:
    """The founded sets, in order."""
    return [roster.founded_of(one.founded)[0] for one in known.values() if one.founded is not None]


def _holding(deployment: Deployment) -> list[Roster]:
    found = _founded(deployment.ceremonies())
    if not found:
        raise NoStoreError(f"{deployment.root}: no set of custodians is founded; unheld custody go says who is missing")
    return sets.holding(found, assembly.clock().now() // 86_400)


def _decided(deployment: Deployment, one: Roster, desks: LocalDesks, act: str, body: Mapping[str, Any]) -> list[Answer]:
    """What the persons of a set decided about something; those of this machine are played by this program."""
    answers = _ask_set(deployment, one, desks, act, body)
    if not deployment.is_local(one.draft):
        return answers
    desks.approve()
    return _ask_set(deployment, one, desks, act, body)


def _ask_set(
    deployment: Deployment,
    one: Roster,
    desks: LocalDesks,
    act: str,
    body: Mapping[str, Any],
    but: Collection[tuple[int, int]] = (),
) -> list[Answer]:
    officer = deployment.officer(one, desks)
    local = deployment.is_local(one.draft)
    seconds = None if local else clients.SECONDS
    wanted = [index for index in range(one.draft.n) if (one.draft.set, index) not in but]
    answers, failed = clients.gathered(lambda index: officer.ask(index, act, body), wanted, seconds)
    return [
        Answer(one.draft.set, index, one.draft.names[index], local, answers.get(index, {}), _why(failed.get(index)))
        for index in wanted
    ]


def _why(error: UnheldError | None) -> str:
    if error is None:
        return ""
    return f"cannot be reached: {error}" if isinstance(error, AwayError) else str(error)


@contextmanager
def _held(deployment: Deployment) -> Iterator[Store | None]:
    """The store for writing, or None where it is gone, and the register. Raises NoStoreError where there is neither."""
    deployment.policy()
    with ExitStack() as stack:
        store = stack.enter_context(deployment.opened(write=True)) if deployment.has_store else None
        stack.enter_context(locks.locked(deployment.register / "lock", exclusive=True))
        yield store
