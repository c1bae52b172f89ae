"""A custodian set and the ceremony that makes it without a dealer (`docs/spec/set.md`). Pure: no I/O, no clock.

    draft       headquarters: n, t, first day, lifetimes, who may ask, names of the custodians
    join        custodian: its new signing key, a one-time key to receive seeds, a pledge of a number it keeps back
    roster      headquarters: the draft with all joins
    deal        custodian: the number, and for each component whose lowest holder it is, a commitment to a seed that it
                drew, and the seed sealed to every other holder. Once for a join, by itself
    transcript  headquarters: the roster with all deals; its digest goes to the public log. Its four words are compared
                by voice before anybody confirms
    confirm     custodian: every commitment is there, every seed for it fits and the words were the same; or a complaint
    founded     headquarters: the confirmations. Before a quorum of them nothing counts

Headquarters carries the messages and can read no seed. Were it to hand out keys of its own as other custodians', their
words would differ: the words come of everybody's number, and whoever shows two rosters is bound to the numbers in both
before it learns one of a custodian. It has one guess in 2^64, and what was dealt to wrong keys is never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import columns, crypto, note, signed
from unheld_verify.errors import BadInputError, VerificationError, WrongKeyError
from unheld_verify.signed import Document, Signed
from unheld_verify.words import name_of

FREEZE_DAYS = 14
ISSUES_MOST = 8
ACCESS_MONTH = 4
ACCESS_DAY = 50
SEED_BYTES = 32
NAME_MOST = 80
WORDS_MOST = 500
_BOX_BYTES = 1088 + 32 + SEED_BYTES + crypto.TAG_BYTES


@dataclass(frozen=True)
class Draft:
    """What headquarters proposes, pinned for the life of a set.

    `begins`: first sealing day. `branch`, `headquarters`: Ed25519 public keys that may ask. `log_key`: the log's vkey.
    `freeze_days`: days of silence of headquarters after which nothing is handed out. `names`: one a custodian.
    """

    store: bytes
    set: int
    t: int
    names: tuple[str, ...]
    begins: int
    lifetimes: Mapping[str, int]
    late_days: int
    branch: bytes
    headquarters: bytes
    log_key: str
    freeze_days: int = FREEZE_DAYS

    @property
    def n(self) -> int:
        """How many custodians."""
        return len(self.names)

    @property
    def quorum(self) -> int:
        """How many must confirm before the set counts: enough that each component was checked by two holders."""
        return min(self.n, self.t + 1)

    def document(self) -> Document:
        """As JSON values. What an open set allows is in code: `ISSUES_MOST`, `ACCESS_MONTH`, `ACCESS_DAY`."""
        return {
            "v": 1,
            "kind": "draft",
            "store": self.store.hex(),
            "set": self.set,
            "t": self.t,
            "names": list(self.names),
            "begins": columns.day_text(self.begins),
            "lifetimes": dict(self.lifetimes),
            "late_days": self.late_days,
            "branch": self.branch.hex(),
            "headquarters": self.headquarters.hex(),
            "log_key": self.log_key,
            "freeze_days": self.freeze_days,
        }


@dataclass(frozen=True)
class Roster:
    """A draft with every custodian's keys: `signs` are Ed25519 public keys, `transports` one-time, by index.

    `pledges` bind each to the number that it tells with its deal.
    """

    draft: Draft
    signs: tuple[bytes, ...]
    transports: tuple[bytes, ...] = field(repr=False)
    digest: bytes = b""
    pledges: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Deal:
    """What a custodian dealt: its `number`, commitments by component, sealed seeds by component and receiver."""

    roster: bytes
    index: int
    number: bytes
    commitments: Mapping[int, bytes]
    boxes: Mapping[tuple[int, int], bytes]

    def document(self) -> Document:
        """As JSON values."""
        boxes = [{"component": s, "to": to, "box": note.base64_text(box)} for (s, to), box in self.boxes.items()]
        return {
            "v": 1,
            "kind": "deal",
            "roster": self.roster.hex(),
            "index": self.index,
            "number": self.number.hex(),
            "commitments": {str(component): made.hex() for component, made in self.commitments.items()},
            "boxes": boxes,
        }


def custodian_name(text: str) -> str:
    """What a custodian may be called, in the spelling that drafts have. Raises BadInputError."""
    return name_of(text, NAME_MOST, "name of a custodian")


def draft_of(said: Signed) -> Draft:
    """The draft, if the headquarters that it names signed it. Raises VerificationError, BadInputError."""
    document = said.document
    try:
        draft = Draft(
            bytes.fromhex(document["store"]), document["set"], document["t"], tuple(document["names"]),
            columns.day_number(document["begins"]), columns.check_lifetimes(document["lifetimes"]),
            columns.check_late_days(document["late_days"]), bytes.fromhex(document["branch"]),
            bytes.fromhex(document["headquarters"]), document["log_key"], document["freeze_days"],
        )  # fmt: skip
        columns.components(draft.n, draft.t)
        note.parse_key(draft.log_key)
        sound = signed.same(draft.document(), document) and _is_sound(draft)
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise BadInputError("draft of headquarters: fields or values that this version does not write")
    said.by(draft.headquarters, "headquarters")
    return draft


def join(draft: Signed, index: int, seed: bytes, transport: bytes) -> Signed:
    """A custodian's part: the public halves of its signing `seed`, new for each join, and its one-time `transport`."""
    public = crypto.sign_public(seed)
    return signed.sign(_join(draft.digest, index, (public, transport, _pledge(public, _number(seed)))), seed)


def roster(draft: Signed, joins: Sequence[Signed], seed: bytes) -> Signed:
    """Headquarters' list of the joins, in the order of their index. Raises VerificationError, BadInputError."""
    document = {"v": 1, "kind": "roster", "draft": draft.as_json(), "joins": _by_index(joins)}
    made = signed.sign(document, seed)
    roster_of(made)
    return made


def roster_of(said: Signed) -> Roster:
    """The roster, every signature checked. Raises VerificationError, BadInputError naming the custodian."""
    _check_fields(said, "roster", "draft", "joins")
    proposed = inner(said, "draft")
    draft = draft_of(proposed)
    said.by(draft.headquarters, "headquarters")
    listed = _listed(said, "joins", draft.n)
    keys = [join_of(_read(one, "join", index), proposed, index) for index, one in enumerate(listed)]
    signs, transports, pledges = (tuple(part) for part in zip(*keys, strict=True))
    if any(len(set(part)) != draft.n for part in (signs, transports, pledges)):
        raise BadInputError("roster: two custodians have the same key or pledge")
    return Roster(draft, signs, transports, said.digest, pledges)


def dealt(n: int, t: int, index: int) -> list[int]:
    """The components whose chain seed custodian `index` makes: those whose lowest holder it is."""
    return [number for number in range(len(columns.components(n, t))) if columns.holders(n, t, number)[0] == index]


def deal(roster: Roster, index: int, seeds: Mapping[int, bytes], seed: bytes) -> Signed:
    """Custodian `index`'s number, commitments to the seeds that it drew, and boxes with them for the other holders.

    To be made once for a join: who could ask for a second roster's after the number is out could choose its words.
    Raises VerificationError when the roster has another key than that of the signing `seed` in its place.
    """
    _check_place(roster, index, seed)
    boxes = {
        (number, to): crypto.box_seal(roster.transports[to], seeds[number], _info(roster, number, to))
        for number, to in _wanted(roster, index)
    }
    commitments = {number: _commitment(roster, number, value) for number, value in seeds.items()}
    return signed.sign(Deal(roster.digest, index, _number(seed), commitments, boxes).document(), seed)


def transcript(roster: Signed, deals: Sequence[Signed], seed: bytes) -> Signed:
    """Headquarters' list of the deals, in the order of their index. Raises VerificationError, BadInputError."""
    document = {"v": 1, "kind": "transcript", "roster": roster.as_json(), "deals": _by_index(deals)}
    made = signed.sign(document, seed)
    transcript_of(made)
    return made


def transcript_of(said: Signed) -> tuple[Roster, dict[int, bytes]]:
    """Roster and, by component, the commitment; every signature checked and nothing missing.

    Raises VerificationError, BadInputError naming the custodian.
    """
    found, deals = _deals(said)
    return found, {number: made for one in deals for number, made in one.commitments.items()}


def spoken_digest(said: Signed) -> bytes:
    """Of a transcript: what its four words are of. Raises VerificationError, BadInputError."""
    found, deals = _deals(said)
    return crypto.sha256(b"unheld/v1/words", found.digest, *(one.number for one in deals))


def receive(said: Signed, index: int, own: Mapping[int, bytes], private: bytes) -> dict[int, bytes]:
    """The chains of custodian `index` at the set's first day, by component, each seed held to its commitment.

    `own` are the seeds that it drew itself, `private` its one-time key.
    Raises VerificationError naming the dealer whose seed does not open or does not fit: complain of that one.
    """
    found, deals = _deals(said)
    n, t = found.draft.n, found.draft.t
    if not 0 <= index < n:
        raise BadInputError(f"there is no custodian {index + 1} in a set of {n}")
    chains: dict[int, bytes] = {}
    for number in columns.held(n, t, index):
        dealer = columns.holders(n, t, number)[0]
        if dealer == index:
            seed = own.get(number, b"")
        else:
            seed = _opened(found, number, index, deals[dealer].boxes[number, index], private)
        if not crypto.equal(_commitment(found, number, seed), deals[dealer].commitments[number]):
            raise VerificationError(
                f"the seed of component {number} from custodian {dealer + 1} is not what it committed to"
            )
        chains[number] = crypto.hmac_sha256(seed, b"unheld/v1/chain", found.digest, number.to_bytes(2, "big"))
    return chains


def confirm(said: Signed, index: int, seed: bytes) -> Signed:
    """A custodian's word that every commitment is there and every seed for it fits, and that the words were the same.

    Raises VerificationError when the transcript has another key than that of the signing `seed` in its place.
    """
    _check_place(transcript_of(said)[0], index, seed)
    return signed.sign(_confirm(said, index), seed)


def complaint(said: Signed, index: int, words: str, seed: bytes) -> Signed:
    """A custodian's word that a transcript does not give it what it should: the set must be dealt again."""
    return signed.sign(_complaint(said, index, words[:WORDS_MOST]), seed)


def complaint_of(one: Signed, script: Signed, found: Roster, index: int) -> str:
    """Why custodian `index` complains of a transcript of this roster. Raises VerificationError, BadInputError."""
    words = one.document.get("words")
    if not isinstance(words, str) or len(words) > WORDS_MOST:
        raise BadInputError(f"complaint of custodian {index + 1}: no words, or more than {WORDS_MOST} letters")
    if _index_of(one, found) != index or not signed.same(one.document, _complaint(script, index, words)):
        raise VerificationError(f"complaint of custodian {index + 1}: it is another's, or of another transcript")
    return words


def founded(said: Signed, confirms: Sequence[Signed], seed: bytes) -> Signed:
    """Headquarters' list of confirmations: with it the set counts. Raises VerificationError, BadInputError."""
    document = {"v": 1, "kind": "founded", "transcript": said.as_json(), "confirms": _by_index(confirms)}
    made = signed.sign(document, seed)
    founded_of(made)
    return made


def founded_of(said: Signed) -> tuple[Roster, tuple[int, ...]]:
    """The roster of a founded set and who confirmed it. Raises VerificationError without a quorum, BadInputError.

    A custodian that did not confirm it itself takes no part in it: whoever chose the others' keys can found a set
    for it alone.
    """
    _check_fields(said, "founded", "transcript", "confirms")
    script = inner(said, "transcript")
    found, _ = transcript_of(script)
    said.by(found.draft.headquarters, "headquarters")
    listed = _listed(said, "confirms")
    confirmed = [confirm_of(signed.from_json(one, "confirm"), script, found) for one in listed]
    if confirmed != sorted(set(confirmed)):
        raise BadInputError("founded set of headquarters: confirmations are not in order, or one stands twice")
    if len(confirmed) < found.draft.quorum:
        raise VerificationError(
            f"founded set of headquarters: {len(confirmed)} custodians confirmed it, {found.draft.quorum} are needed"
        )
    return found, tuple(confirmed)


def transcript_digest(said: Signed) -> bytes:
    """Of a founded set: what the public log has of it. Raises BadInputError."""
    return inner(said, "transcript").digest


def inner(said: Signed, kind: str) -> Signed:
    """The document of an earlier stage that this one carries, or the document itself. Raises BadInputError."""
    stages = ("founded", "transcript", "roster", "draft")
    if said.kind not in stages:
        raise BadInputError(f"a {said.kind} carries no {kind}")
    for stage in stages[stages.index(said.kind) + 1 : stages.index(kind) + 1]:
        said = signed.from_json(said.document.get(stage), stage)
    return said


def _check_fields(said: Signed, kind: str, *names: str) -> None:
    if said.kind != kind or set(said.document) != {"v", "kind", *names}:
        raise BadInputError(f"{kind} of headquarters: fields that this version does not write")


def _listed(said: Signed, name: str, count: int | None = None) -> list[Any]:
    listed = said.document[name]
    if not isinstance(listed, list) or (count is not None and len(listed) != count):
        raise BadInputError(f"{said.kind} of headquarters: its {name} are not {count or 'a list'}")
    return listed


def _by_index(said: Sequence[Signed]) -> list[Document]:
    for one in said:
        if type(one.document.get("index")) is not int:
            raise BadInputError(f"a {one.kind} does not say of which custodian it is")
    return [one.as_json() for one in sorted(said, key=lambda one: int(one.document["index"]))]


def _read(value: Any, kind: str, index: int) -> Signed:
    try:
        return signed.from_json(value, kind)
    except BadInputError as error:
        raise BadInputError(f"{kind} of custodian {index + 1}: {error}") from None


def _check_place(roster: Roster, index: int, seed: bytes) -> None:
    if not 0 <= index < roster.draft.n or roster.signs[index] != crypto.sign_public(seed):
        raise VerificationError(f"headquarters put another key in the place of custodian {index + 1}")


def _index_of(one: Signed, found: Roster) -> int:
    index = one.document.get("index")
    if type(index) is not int or not 0 <= index < found.draft.n:
        raise BadInputError(f"a {one.kind} does not say of which custodian it is")
    one.by(found.signs[index], f"custodian {index + 1}")
    return index


def _confirm(script: Signed, index: int) -> Document:
    return {"v": 1, "kind": "confirm", "transcript": script.digest.hex(), "index": index}


def _complaint(script: Signed, index: int, words: str) -> Document:
    return {**_confirm(script, index), "kind": "complaint", "words": words}


def confirm_of(one: Signed, script: Signed, found: Roster) -> int:
    """Who confirms this transcript of this roster. Raises VerificationError, BadInputError."""
    index = _index_of(one, found)
    if not signed.same(one.document, _confirm(script, index)):
        raise VerificationError(f"custodian {index + 1} confirmed another transcript")
    return index


def _join(draft: bytes, index: int, keys: tuple[bytes, bytes, bytes]) -> Document:
    sign, transport, pledge = keys
    return {
        "v": 1,
        "kind": "join",
        "draft": draft.hex(),
        "index": index,
        "sign": sign.hex(),
        "transport": note.base64_text(transport),
        "pledge": pledge.hex(),
    }


def join_of(one: Signed, proposed: Signed, index: int) -> tuple[bytes, bytes, bytes]:
    """Signing key, transport key and pledge of custodian `index`, which joins this draft.

    Raises VerificationError, BadInputError.
    """
    try:
        document = one.document
        transport = note.base64_bytes(document["transport"], "transport key")
        keys = bytes.fromhex(document["sign"]), transport, bytes.fromhex(document["pledge"])
        crypto.box_seal(transport, b"", b"")  # a key that nobody can seal to would spoil the deals of the others
        draft = bytes.fromhex(document["draft"])
        sound = signed.same(document, _join(draft, index, keys)) and [len(keys[0]), len(keys[2])] == [32, 32]
    except (KeyError, TypeError, ValueError, BadInputError):
        sound = False
    if not sound:
        raise BadInputError(f"join of custodian {index + 1}: fields or keys that this version does not write")
    one.by(keys[0], f"custodian {index + 1}")
    if draft != proposed.digest:
        raise VerificationError(f"custodian {index + 1} joined another draft")
    return keys


def _deals(said: Signed) -> tuple[Roster, list[Deal]]:
    _check_fields(said, "transcript", "roster", "deals")
    found = roster_of(inner(said, "roster"))
    said.by(found.draft.headquarters, "headquarters")
    listed = _listed(said, "deals", found.draft.n)
    return found, [deal_of(_read(one, "deal", index), found, index) for index, one in enumerate(listed)]


def deal_of(one: Signed, found: Roster, index: int) -> Deal:
    """What custodian `index` dealt for this roster. Raises VerificationError, BadInputError."""
    document = one.by(found.signs[index], f"custodian {index + 1}")
    try:
        boxes = [note.base64_bytes(box["box"], "box") for box in document["boxes"]]
        commitments = {number: bytes.fromhex(document["commitments"][str(number)]) for number in _own(found, index)}
        wanted = dict(zip(_wanted(found, index), boxes, strict=True))
        made = Deal(bytes.fromhex(document["roster"]), index, bytes.fromhex(document["number"]), commitments, wanted)
        lengths = {len(value) for value in (made.number, *commitments.values())}
        sound = (
            signed.same(document, made.document()) and lengths == {32} and {len(box) for box in boxes} <= {_BOX_BYTES}
        )
    except (KeyError, TypeError, ValueError, BadInputError):
        sound = False
    if not sound:
        raise BadInputError(f"deal of custodian {index + 1}: not the components, boxes and fields that it should have")
    if made.roster != found.digest:
        raise VerificationError(f"custodian {index + 1} dealt for another roster")
    if _pledge(found.signs[index], made.number) != found.pledges[index]:
        raise VerificationError(f"custodian {index + 1} tells another number than it pledged itself to")
    return made


def _own(roster: Roster, index: int) -> list[int]:
    return dealt(roster.draft.n, roster.draft.t, index)


def _wanted(roster: Roster, index: int) -> list[tuple[int, int]]:
    n, t = roster.draft.n, roster.draft.t
    return [(number, to) for number in _own(roster, index) for to in columns.holders(n, t, number) if to != index]


def _opened(roster: Roster, number: int, index: int, box: bytes, private: bytes) -> bytes:
    dealer = columns.holders(roster.draft.n, roster.draft.t, number)[0]
    try:
        seed = crypto.box_open(private, box, _info(roster, number, index))
    except WrongKeyError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise VerificationError(f"the seed of component {number} from custodian {dealer + 1} does not open")
    return seed


def _info(roster: Roster, number: int, to: int) -> bytes:
    return b"unheld/v1/deal" + roster.digest + number.to_bytes(2, "big") + bytes([to])


def _number(seed: bytes) -> bytes:
    """A custodian's number for the words. Of its signing seed, new for each join, so that it needs no keeping."""
    return crypto.hmac_sha256(seed, b"unheld/v1/number")


def _pledge(public: bytes, number: bytes) -> bytes:
    return crypto.sha256(b"unheld/v1/pledge", public, number)


def _commitment(roster: Roster, number: int, seed: bytes) -> bytes:
    return crypto.sha256(b"unheld/v1/commit", roster.digest, number.to_bytes(2, "big"), seed)


def _is_sound(draft: Draft) -> bool:
    names = {name for name in draft.names if _is_name(name)}
    numbers = (draft.set, draft.t, draft.freeze_days, draft.late_days, *draft.lifetimes.values())
    return (
        (len(draft.store), len(draft.branch), len(draft.headquarters)) == (16, 32, 32)
        and len(names) == draft.n
        and all(type(number) is int for number in numbers)
        and 0 <= draft.set < 2**32
        and 1 <= draft.freeze_days <= 60
    )


def _is_name(name: str) -> bool:
    try:
        return name == custodian_name(name)
    except BadInputError:
        return False
