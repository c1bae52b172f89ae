"""What a custodian does when the branch or headquarters asks, and when it does not.

    act         body of the ask      body of the answer, besides `generation` (others: `unheld_verify.custody`)
    beat        day, answered        figures; `answered` ({a request's id: [index]}, may be missing) is for the person
    freeze      words                figures
    thaw        -                    figures
    retire      from (a day)         decision: empty until the person here approved or refused; then repeat the ask
    drill       drill (hex, 32 B)    decision; the four words that headquarters reads aloud are those of `drill`
    evaluate    grant (signed)       grant (digest), values (base64, sealed to the subscriber)

Days are the custodian's own. A clock that goes back moves nothing back; one that is further ahead than `Watch` allows
is believed by nobody until headquarters or the person here says the same date: until then nothing is handed out, and
only what is surely due lapses. Headquarters' beats, freezes, thaws and retirings must not be older than the latest of
them, and a thaw is later than the freeze. An ask is answered again when it comes again, and counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from unheld_custodian import ceremony, moves
from unheld_custodian.custodian import Custodian
from unheld_custodian.state import State, Time, Whole, event_column
from unheld_verify import columns, crypto, custody, note, plan, signed, spoken
from unheld_verify.custody import HEADQUARTERS, SKEW_SECONDS, Ask
from unheld_verify.errors import BadInputError, NotAllowedError, StateError
from unheld_verify.signed import Document

JUMP_SECONDS = 3 * moves.DAY_SECONDS
RUNNING_SECONDS = moves.DAY_SECONDS
_HOUR = 3600
_HANDING = ("open", "unpark", "evaluate")
_ALWAYS = ("status", "beat")
_IN_DOUBT = (*_ALWAYS, "lapse", "freeze", "thaw", "drill", "retire", "park")
_ORDERED = ("beat", "freeze", "thaw", "retire")


@dataclass(frozen=True)
class Now:
    """The time: `clock` as it stands, `second` as it is believed. `jumped`: the clock is too far ahead to be.

    Then `second` is what is sure: the latest that was believed, or the last confirmed one and what ran since. `ran`:
    seconds that this custodian is known to have run since the date was last confirmed.
    """

    clock: int
    second: int
    jumped: bool
    ran: int

    @property
    def day(self) -> int:
        """The day that it is believed to be."""
        return self.second // moves.DAY_SECONDS


Times = Mapping[bytes, Now]
"""By headquarters, whose word on the date counts for its own sets alone; under nothing for what is of none."""


Known = dict[bytes, tuple[int, float, int]]
"""What a watch has found out. Who goes on in another process hands it on, else the clock may be set ahead anew."""


class Watch:
    """Tells the time, and how much of it anybody vouches for. Who feeds a clock can set it ahead, step by step.

    `clock` tells Unix seconds, `elapsed` seconds that no setting changes. The clock may be ahead of the last confirmed
    second and of what has elapsed while this custodian ran since, by a day in all while it runs, and by three with all
    the times that it was off. What has elapsed since the last confirmed second is over, whatever the clock says: a
    clock that is held back holds no day open. Without `elapsed` every step of less than three days is believed.
    """

    def __init__(
        self, clock: Callable[[], int], elapsed: Callable[[], float] | None, known: Known | None = None
    ) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self.known = dict(known or {})

    def now(self, whole: Whole) -> Times:
        """The time, given what is remembered of it."""
        headquarters = {b"", *(state.headquarters for state in whole.sets.values())}
        return {key: self._of(key, whole.time(key)) for key in headquarters}

    def _of(self, key: bytes, known: Time) -> Now:
        clock, (latest, since, ran) = self._clock(), known
        if self._elapsed is None:
            return _now(known, clock, latest + JUMP_SECONDS, ran)
        elapsed = self._elapsed()
        if self.known.get(key, (-1,))[0] != since:  # a new process, or somebody has just confirmed the date
            ahead = min(JUMP_SECONDS, max(0, clock - since - ran) + RUNNING_SECONDS)
            self.known[key] = (since, elapsed - ran, ahead)
        _, began, ahead = self.known[key]
        ran = int(elapsed - began)
        return _now(known, clock, since + ran + ahead, ran)


def _now(known: Time, clock: int, most: int, ran: int) -> Now:
    sure, jumped = max(known[0], known[1] + ran), clock > most
    return Now(clock, sure if jumped else max(clock, sure), jumped, ran)


def confirmed(whole: Whole, second: int, headquarters: bytes = b"") -> Whole:
    """The memory once its person said that this is the date, or a headquarters did: then for its own sets alone."""
    who = whole.times if not headquarters else (b"", headquarters)
    return replace(whole, times={**whole.times, **{key: (whole.time(key)[0], second, 0) for key in who}})


def frozen(whole: Whole, state: State, day: int) -> tuple[str, int]:
    """Who froze a set, `person`, `headquarters` or `silence` (of headquarters), and since which day; or nobody."""
    for who, second in (("person", whole.frozen[0]), ("headquarters", state.frozen_at)):
        if second:
            return who, second // moves.DAY_SECONDS
    since = state.beat_day + state.freeze_days + 1
    return ("silence", since) if day >= since else ("", 0)


def answer(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    """Do what an authentic ask (of this digest) says. Raises UnheldError: then nothing was done."""
    if abs(ask.at - time.clock) > SKEW_SECONDS:
        raise NotAllowedError(f"asked at {ask.at}, and the clock here says {time.clock}: set the clocks right")
    older = _is_older(custodian, ask)
    _check(custodian, ask, time)
    body = _ACTS[ask.act](custodian, ask, digest, time)
    return body | custodian.kept.stamp() | ({"rolled_back": True} if older else {})


def lapsed(whole: Whole, times: Times) -> Whole:
    """The memory without anything that is due, and without sets that nothing is left of. The calendar does this."""
    sets = {
        place: moves.lapsed(state, times[state.headquarters].day)
        for place, state in whole.sets.items()
        if not (state.retired and times[state.headquarters].day > state.retired + 2 * max(state.lifetimes.values()))
    }
    return ceremony.expired(replace(whole, sets=sets), times[b""].second)


def remembered(whole: Whole, times: Times) -> Whole:
    """The memory with the times, where it is another day, or an hour has gone by since they were written down."""
    return replace(whole, times={key: _remembered(whole.time(key), time) for key, time in times.items()})


def _remembered(known: Time, time: Now) -> Time:
    latest, since, ran = known
    late = time.day > latest // moves.DAY_SECONDS or time.second > latest + _HOUR or time.ran > ran + _HOUR
    return (time.second, since, time.ran) if late else known


def _is_older(custodian: Custodian, ask: Ask) -> bool:
    seen = ask.body.get("seen", [0, ""])
    if not isinstance(seen, list) or [type(one) for one in seen] != [int, str]:
        raise BadInputError("seen: not a generation and its tag")
    older = not custodian.kept.knows(*seen)
    # The branch alone could end a custodian with a number of its own, so only headquarters' word is kept.
    if older and ask.role == HEADQUARTERS:
        custodian.change(lambda state: replace(state, rolled_back=True, chains={}), "was put back from an older copy")
    if ask.act not in _ALWAYS:
        moves.check_not_put_back(replace(custodian.state, rolled_back=older or custodian.state.rolled_back))
    return older


def _check(custodian: Custodian, ask: Ask, time: Now) -> None:
    state = custodian.state
    if time.jumped and ask.act not in _IN_DOUBT:
        raise StateError("the clock here made a large step: first headquarters or the person here confirms the date")
    who, _ = frozen(custodian.kept.whole, state, time.day)
    if ask.act in _HANDING and who:
        raise StateError(f"frozen by {who}: nothing is handed out; what is due lapses")
    late = ask.at < state.hq_at or (ask.act == "thaw" and ask.at == state.frozen_at)
    if ask.act in _ORDERED and late:
        raise NotAllowedError(f"{ask.act}: older than what headquarters said last")


def _open(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    day, early = _day(ask, "day"), (time.second + custody.EARLY_SECONDS) // moves.DAY_SECONDS
    if day not in (time.day, early):
        raise StateError(f"{columns.day_text(day)} is not open: today is {columns.day_text(time.day)} here")
    return custody.push_body(custodian.open_day(day, day, digest))


def _close(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    early = (time.second + custody.EARLY_SECONDS) // moves.DAY_SECONDS
    return custody.attestation_body(custodian.close_day(_day(ask, "day"), early))


def _lapse(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    return custody.attestation_body(custodian.lapse(time.day))


def _erase(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    said = _plan(custodian, ask)
    if not said.columns:
        raise BadInputError(f"a plan to forget {said.act} names no column")
    return custody.attestation_body(custodian.erase(said.columns, time.day))


def _erase_everything(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    said = _plan(custodian, ask)
    if said.act != "everything":
        raise BadInputError(f"a plan to forget {said.act} is none for everything")
    made = columns.day_number(said.made)
    return custody.attestation_body(custodian.erase_everything(time.day, made, bytes.fromhex(said.digest)))


def _park(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    publics = custodian.park_publics(time.day)
    return {"parking": custody.parking(ask.address, publics, time.clock, custodian.state.sign).as_json()}


def _unpark(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    header, look = note.base64_bytes(_text(ask, "header"), "header"), ask.body.get("look") is True
    shares = custodian.open_parked(header, digest, look)
    return {"shares": {str(component): share.hex() for component, share in shares.items()}}


def _tombstone(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    listed = ask.body.get("hashes")
    stones = [bytes.fromhex(stone) for stone in listed] if isinstance(listed, list) else []
    if not stones or any(len(stone) != 16 for stone in stones):
        raise BadInputError("tombstone: name hashes of 16 bytes")
    said, longest = _plan(custodian, ask), max(custodian.state.lifetimes.values())
    if said.act not in ("party", "parties"):
        raise BadInputError(f"tombstone: a plan to forget {said.act} forgets no label")
    until = columns.day_number(said.made) + longest
    if until <= time.day:
        raise NotAllowedError("tombstone: nothing is left of whom so old a plan forgot")
    plan = (bytes.fromhex(said.digest), said.leaves, until)
    state = custodian.change(lambda state: moves.entombed(state, stones, plan, time.day), "took tombstones")
    return {"hashes": [stone.hex() for stone in stones if stone in state.tombstones]}


def _evaluate(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    said = signed.from_json(ask.body.get("grant"), "grant")
    return {"grant": said.digest.hex(), "values": note.base64_text(custodian.evaluate(said, digest))}


def _beat(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    day, today = _day(ask, "day"), time.clock // moves.DAY_SECONDS
    if abs(day - today) > 1:
        raise NotAllowedError(f"a beat of {columns.day_text(day)}, and the clock here says {columns.day_text(today)}")
    state = custodian.state
    told = ceremony.told(custodian.kept.whole, state.store, ask.body.get("answered", {}))
    words = "headquarters confirmed the date" if time.jumped else ""
    custodian.second = time.clock if time.jumped else time.second
    custodian.kept.change(lambda _: confirmed(told, time.clock, state.headquarters), time.clock, words)
    latest = max(state.beat_day, day)
    custodian.change(lambda state: replace(state, beat_day=latest, hq_at=ask.at), "heard headquarters")
    return figures(custodian, today if time.jumped else time.day)


def _freeze(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    words = _text(ask, "words")[:200]
    custodian.change(lambda state: replace(state, frozen_at=ask.at, hq_at=ask.at), f"frozen by headquarters: {words}")
    return figures(custodian, time.day)


def _thaw(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    custodian.change(lambda state: replace(state, frozen_at=0, hq_at=ask.at), "thawed by headquarters")
    return figures(custodian, time.day)


def _retire(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    day = _day(ask, "from")
    name = crypto.sha256(b"unheld/v1/retire", ask.address.encode(), day.to_bytes(4, "big"))
    sentence = f"Shall this custodian make no more keys for set {ask.address.set} from {columns.day_text(day)} on?"
    decided = _put(custodian, "retire", name, sentence)
    if decided == "approved":
        words = f"retired from {columns.day_text(day)} on"
        custodian.change(lambda state: moves.lapsed(replace(state, retired=day, hq_at=ask.at), time.day), words)
    return {"decision": decided}


def _drill(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    name = bytes.fromhex(_text(ask, "drill"))
    if len(name) != 32:
        raise BadInputError("drill: name it by 32 bytes")
    sentence = "This is a drill. Let headquarters read you four words by voice, and write them down here."
    return {"decision": _put(custodian, "drill", name, sentence, spoken.words(name))}


def _status(custodian: Custodian, ask: Ask, digest: bytes, time: Now) -> Document:
    return figures(custodian, time.day)


def figures(custodian: Custodian, day: int) -> Document:
    """What `status` answers: no key, and nothing about anybody.

    Days are text, empty where there is none. `lapses`: when keys are erased next. `beat`: headquarters' latest
    heartbeat. `open`: [day, how many asks it was handed to]. `frozen`, `frozen_since`: as `frozen` says.
    """
    state, kept = custodian.state, custodian.kept
    who, since = frozen(kept.whole, state, day)
    held = {event_column(name) for name in state.keys}
    lapses = min((columns.due(*pair, state.lifetimes) for pair in held), default=0)
    days = {"day": day, "next_day": state.next_day, "beat": state.beat_day, "lapses": lapses}
    days |= {"retired": state.retired, "frozen_since": since}
    said: Document = {name: getattr(state, name) for name in ("set", "index", "n", "t", "rolled_back")}
    said |= {name: len(getattr(state, name)) for name in ("keys", "erased", "tombstones")}
    said |= {name: columns.day_text(each) if each else "" for name, each in days.items()}
    said |= {"store": state.store.hex(), "columns": len(held), "park_periods": len(state.park), "frozen": who}
    said["open"] = [[columns.day_text(one), len(state.issues.get(one, ()))] for one in state.open_days]
    return said | {"generation": kept.generation, "slot": kept.slot}


def _put(custodian: Custodian, kind: str, name: bytes, sentence: str, words: tuple[str, ...] = ()) -> str:
    request = ceremony.request(custodian.state, kind, name, custodian.second, sentence, words)
    whole = custodian.kept.change(lambda whole: ceremony.asked(whole, request))
    found = next(one for one in whole.requests if one.id == request.id)
    if (found.kind, found.store, found.set) != (kind, request.store, request.set):
        raise BadInputError(f"{kind}: a request of this name is there already")
    return found.decision


def _plan(custodian: Custodian, ask: Ask) -> plan.Plan:
    said = plan.decode(note.base64_bytes(_text(ask, "plan"), "plan"))
    said.verify(custodian.state.headquarters, custodian.state.store)
    return said


def _day(ask: Ask, name: str) -> int:
    return columns.day_number(_text(ask, name))


def _text(ask: Ask, name: str) -> str:
    value = ask.body.get(name)
    if not isinstance(value, str):
        raise BadInputError(f"{ask.act}: it says no {name}")
    return value


_ACTS: dict[str, Callable[[Custodian, Ask, bytes, Now], Document]] = {
    "open": _open, "close": _close, "lapse": _lapse, "erase": _erase, "erase-everything": _erase_everything,
    "park": _park, "unpark": _unpark, "tombstone": _tombstone, "status": _status, "beat": _beat,
    "evaluate": _evaluate, "freeze": _freeze, "thaw": _thaw, "retire": _retire, "drill": _drill,
}  # fmt: skip
