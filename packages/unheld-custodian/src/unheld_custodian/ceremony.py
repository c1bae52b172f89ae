"""A custodian's part in the making of a set without a dealer (`unheld_verify.roster`, `docs/spec/set.md`).

`heard` turns a document of headquarters into the memory after it and the answer. A document that comes again gets the
same answer until the set is founded. An answer is the next document; `wait` until the person decided; a signed
`refused` when the person said no; `complaint`; and at the end `active`, with the transcript's digest. The person is
asked twice: whether to join (request `draft`), and for the four words of the transcript (request `roster`). `progress`
({"about": a request's id, "answered": [index]}, signed by headquarters) only tells the person who has answered.

A draft names this custodian by the name it was made with. A second draft for the same set replaces the first after a
refusal and after a complaint, and while the person has not joined where the same headquarters sent it. One deal is made
for one roster, ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from unheld_custodian import moves
from unheld_custodian.state import Ceremony, Place, Request, State, Whole
from unheld_verify import columns, crypto, custody, roster, signed, spoken
from unheld_verify.custody import Address
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, VerificationError
from unheld_verify.roster import Draft
from unheld_verify.signed import Signed

CEREMONIES_MOST = 8
CEREMONY_DAYS = 30
REQUESTS_MOST = 50

Heard = tuple[Whole, bytes]
Words = tuple[str, ...]


def heard(whole: Whole, said: Signed, second: int) -> Heard:
    """The memory after a document of a ceremony, and the answer. Raises what the document's check raises,
    NotAllowedError for one that does not belong to what was agreed before, StateError for one out of turn.
    """
    if said.kind not in (*_STAGES, "progress"):
        raise BadInputError(f"a {said.kind[:40]!r} is nothing that headquarters sends to a custodian")
    if said.kind == "progress":
        return _progress(whole, said), custody.wait()
    check, go_on = _STAGES[said.kind]
    check(said)
    draft = roster.draft_of(roster.inner(said, "draft"))
    place = (draft.store, draft.set)
    if place in whole.sets:
        moves.check_not_put_back(whole.sets[place])
        return whole, _active(whole.sets[place], said)
    if said.kind == "draft":
        whole = _proposed(whole, draft, said, second)
    ceremony = whole.ceremonies.get(place)
    if ceremony is None or ceremony.draft != roster.inner(said, "draft").encode():
        raise StateError("this custodian was not asked with that draft: send the draft first")
    if said.digest in ceremony.said:
        return whole, ceremony.said[said.digest]
    return go_on(whole, place, ceremony, said, second)


def expired(whole: Whole, second: int) -> Whole:
    """The memory without ceremonies that nobody ended in 30 days, and without requests older than the newest 50."""
    oldest = second - CEREMONY_DAYS * moves.DAY_SECONDS
    kept = {place: one for place, one in whole.ceremonies.items() if one.received > oldest}
    places = {(store.hex(), number) for store, number in kept}
    requests = [one for one in whole.requests if one.received > oldest or (one.store, one.set) in places]
    return replace(whole, ceremonies=kept, requests=tuple(requests[-REQUESTS_MOST:]))


def request(about: Draft | State, kind: str, name: bytes, second: int, sentence: str, words: Words = ()) -> Request:
    """What the person is asked about a set, by this name; about a draft together with the others that it names."""
    who, store = spoken.caller(about.headquarters), about.store.hex()
    members = about.names if isinstance(about, Draft) else ()
    return Request(name.hex(), kind, store, about.set, who, sentence, words, second, members)


def asked(whole: Whole, request: Request) -> Whole:
    """The memory with one more request for the person; one that is there already stays as it is."""
    if any(one.id == request.id for one in whole.requests):
        return whole
    return replace(whole, requests=(*whole.requests, request)[-REQUESTS_MOST:])


def decision(whole: Whole, digest: bytes) -> str:
    """What the person said to the request with this digest: empty until then."""
    return next((one.decision for one in whole.requests if one.id == digest.hex()), "")


def refused(whole: Whole, request: Request) -> Whole:
    """The memory after the person refused: of a ceremony the signed refusal stays, and its secrets are gone at once."""
    place, about = (bytes.fromhex(request.store), request.set), bytes.fromhex(request.id)
    ceremony = whole.ceremonies.get(place)
    if ceremony is None or not ceremony.sign or request.kind not in ("draft", "roster"):
        return whole
    here = Address(*place, ceremony.index)
    answer = custody.declined(here, about, "the person here refused", ceremony.sign)
    return _answered(whole, place, _emptied(ceremony), about, answer)[0]


def _proposed(whole: Whole, draft: Draft, said: Signed, second: int) -> Whole:
    place, known = (draft.store, draft.set), whole.ceremonies.get((draft.store, draft.set))
    if known and known.draft == said.encode():
        return whole
    if known and not _is_over(known):
        earlier = _draft_in(known)
        if known.transport or known.drawn or earlier.headquarters != draft.headquarters:
            raise NotAllowedError(
                f"this custodian was asked with another draft of set {draft.set}: number the set anew"
            )
    if whole.name not in draft.names:
        raise BadInputError(f"this custodian is called {whole.name!r}, and the draft names no such custodian")
    others = {at: one for at, one in whole.ceremonies.items() if at != place and not _is_over(one)}
    known_here = {state.headquarters for state in whole.sets.values()}
    room = [one for one in others.values() if _draft_in(one).headquarters in known_here]
    crowd = len(room) if draft.headquarters in known_here else len(others) - len(room)
    if crowd >= CEREMONIES_MOST:
        raise NotAllowedError("too many sets are being made with this custodian: wait until one is founded or refused")
    index = draft.names.index(whole.name)
    ceremony = Ceremony(said.encode(), index, second, crypto.random_bytes(32))
    requests = tuple(one for one in whole.requests if not _is_of(one, place))
    sentence = (
        f"Will you be one of {draft.n} custodians of the store {draft.store.hex()[:8]} from "
        f"{columns.day_text(draft.begins)} on? Any {draft.t} of you together can open a closed day; fewer cannot."
    )
    before = max((state.t for at, state in whole.sets.items() if at[0] == draft.store), default=0)
    sentence += f" FEWER THAN NOW: of the set that you are in, {before} are needed." if draft.t < before else ""
    whole = replace(whole, ceremonies={**others, place: ceremony}, requests=requests)
    return asked(whole, request(draft, "draft", said.digest, second, sentence))


def _join(whole: Whole, place: Place, ceremony: Ceremony, said: Signed, second: int) -> Heard:
    if decision(whole, said.digest) != "approved":
        return whole, custody.wait()
    private, public = crypto.park_keypair()
    joined = roster.join(said, ceremony.index, ceremony.sign, public)
    return _answered(whole, place, replace(ceremony, transport=private), said.digest, joined)


def _deal(whole: Whole, place: Place, ceremony: Ceremony, said: Signed, second: int) -> Heard:
    found = roster.roster_of(said)
    if not ceremony.transport or ceremony.roster:
        raise NotAllowedError("this custodian has not joined, or has dealt for another roster: number the set anew")
    if found.transports[ceremony.index] != crypto.park_public(ceremony.transport):
        raise VerificationError(f"roster: the transport key of custodian {ceremony.index} is not the one that it made")
    mine = roster.dealt(found.draft.n, found.draft.t, ceremony.index)
    seeds = {number: crypto.random_bytes(roster.SEED_BYTES) for number in mine}
    dealt = roster.deal(found, ceremony.index, seeds, ceremony.sign)
    return _answered(whole, place, replace(ceremony, roster=said.digest, drawn=seeds), said.digest, dealt)


def _verdict(whole: Whole, place: Place, ceremony: Ceremony, said: Signed, second: int) -> Heard:
    draft = roster.transcript_of(said)[0].draft
    if ceremony.roster != roster.inner(said, "roster").digest or not ceremony.transport:
        raise NotAllowedError("this custodian did not deal for that roster, or has judged another transcript of it")
    try:
        chains = roster.receive(said, ceremony.index, ceremony.drawn, ceremony.transport)
    except VerificationError as error:
        complaint = roster.complaint(said, ceremony.index, str(error), ceremony.sign)
        return _answered(whole, place, _emptied(ceremony), said.digest, complaint)
    sentence = (
        f"All {draft.n} custodians have made their part. Let headquarters, and another custodian, read you the four "
        "words by voice: only if they are the same everywhere have you all dealt with each other, and with nobody else."
    )
    words = spoken.words(roster.spoken_digest(said))
    whole = asked(whole, request(draft, "roster", said.digest, second, sentence, words))
    if decision(whole, said.digest) != "approved":
        return whole, custody.wait()
    after = replace(ceremony, drawn=chains, transcript=said.digest, transport=b"")
    return _answered(whole, place, after, said.digest, roster.confirm(said, ceremony.index, ceremony.sign))


def _found(whole: Whole, place: Place, ceremony: Ceremony, said: Signed, second: int) -> Heard:
    found, _ = roster.founded_of(said)
    script = roster.inner(said, "transcript")
    if script.digest not in ceremony.said:
        whole, answer = _verdict(whole, place, ceremony, script, second)
        ceremony = whole.ceremonies[place]
        if ceremony.transcript != script.digest:
            return whole, answer
    if ceremony.transcript != script.digest:
        return whole, ceremony.said[script.digest]
    today = second // moves.DAY_SECONDS
    state = moves.begun(found.draft, ceremony.index, ceremony.sign, ceremony.drawn, script.digest, today)
    others = {other: one for other, one in whole.ceremonies.items() if other != place}
    whole = replace(whole, sets={**whole.sets, place: state}, ceremonies=others)
    whole = moves.noted(whole, second, f"set {state.set} of store {state.store.hex()[:8]}: founded")
    return whole, _active(state, said)


def _active(state: State, said: Signed) -> bytes:
    if said.kind != "founded" or roster.transcript_digest(said) != state.founded:
        raise StateError(f"set {state.set} is founded already: number the new set anew")
    return custody.active(Address(state.store, state.set, state.index), state.founded, state.sign).encode()


def _emptied(ceremony: Ceremony) -> Ceremony:
    """Without a secret: what was dealt in it is never used."""
    return replace(ceremony, sign=b"", transport=b"", drawn={})


def _answered(whole: Whole, place: Place, ceremony: Ceremony, about: bytes, answer: Signed) -> Heard:
    ceremony = replace(ceremony, said={**ceremony.said, about: answer.encode()})
    return replace(whole, ceremonies={**whole.ceremonies, place: ceremony}), answer.encode()


def _progress(whole: Whole, said: Signed) -> Whole:
    about = str(said.document.get("about"))
    for ceremony in whole.ceremonies.values():
        draft = _draft_in(ceremony)
        if any(one.id == about and _is_of(one, (draft.store, draft.set)) for one in whole.requests):
            said.by(draft.headquarters)
            return told(whole, draft.store, {about: said.document.get("answered")})
    return whole


def told(whole: Whole, store: bytes, answered: Any) -> Whole:
    """The memory in which a store's requests know who answered them: {id: [index]}, from its headquarters.

    Raises BadInputError.
    """
    if not isinstance(answered, dict):
        raise BadInputError("answered: not an object")
    own = {one.id: answered.get(one.id, []) if one.store == store.hex() else [] for one in whole.requests}
    return replace(whole, requests=tuple(_told(one, own[one.id]) for one in whole.requests))


def _told(request: Request, indices: Any) -> Request:
    if not isinstance(indices, list) or any(type(index) is not int for index in indices):
        raise BadInputError("answered: not a list of indices")
    names = {name for index, name in enumerate(request.members) if index in indices}
    return replace(request, answered=tuple(one for one in request.members if one in names | set(request.answered)))


def _is_over(ceremony: Ceremony) -> bool:
    """Whether the person refused, or a complaint ended it."""
    return bool(ceremony.said) and not ceremony.transport and not ceremony.drawn


def _draft_in(ceremony: Ceremony) -> Draft:
    return roster.draft_of(signed.decode(ceremony.draft, "draft"))


def _is_of(request: Request, place: Place) -> bool:
    return (request.store, request.set) == (place[0].hex(), place[1]) and request.kind != "drill"


_Stage = Callable[[Whole, Place, Ceremony, Signed, int], Heard]
_STAGES: dict[str, tuple[Callable[[Signed], object], _Stage]] = {
    "draft": (roster.draft_of, _join),
    "roster": (roster.roster_of, _deal),
    "transcript": (roster.transcript_of, _verdict),
    "founded": (roster.founded_of, _found),
}
"""What checks a document of a stage, and what answers it."""
