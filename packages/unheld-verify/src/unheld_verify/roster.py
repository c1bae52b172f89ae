"""A custodian set and the ceremony that makes it without a dealer (`docs/spec/set.md`). Pure: no I/O, no clock.

    draft       headquarters: n, t, first day, lifetimes, who may ask, names of the custodians
    join        custodian: its new signing key and a one-time key to receive seeds
    roster      headquarters: the draft with all joins; its four words are compared by voice before anybody deals
    deal        custodian: for each component whose lowest holder it is, a commitment to a chain seed that it drew, and
                the seed sealed to every other holder
    transcript  headquarters: the roster with all deals; its digest goes to the public log
    confirm     custodian: every commitment is there and every seed for it fits; or a complaint naming a dealer
    founded     headquarters: the confirmations. Before a quorum of them nothing counts

Headquarters carries the messages and can read no seed. Each message is a `Signed` document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import canonical, columns, crypto, note, signed
from unheld_verify.errors import BadInputError, VerificationError, WrongKeyError
from unheld_verify.signed import Document, Signed

FREEZE_DAYS = 14
ISSUES_MOST = 8
ACCESS_MONTH = 4
ACCESS_DAY = 50
SEED_BYTES = 32
NAME_MOST = 80


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
    """A draft with every custodian's keys: `signs` are Ed25519 public keys, `transports` one-time, by index."""

    draft: Draft
    signs: tuple[bytes, ...]
    transports: tuple[bytes, ...] = field(repr=False)
    digest: bytes = b""


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
        sound = canonical.encode(draft.document()) == canonical.encode(document) and _is_sound(draft)
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise BadInputError("draft of a custodian set: fields or values that this version does not write")
    said.by(draft.headquarters)
    return draft


def join(draft: Signed, index: int, seed: bytes, transport: bytes) -> Signed:
    """A custodian's part: the public half of its new signing `seed`, and of its one-time `transport` key."""
    return signed.sign(
        {
            "v": 1,
            "kind": "join",
            "draft": draft.digest.hex(),
            "index": index,
            "sign": crypto.sign_public(seed).hex(),
            "transport": note.base64_text(transport),
        },
        seed,
    )


def roster(draft: Signed, joins: Sequence[Signed], seed: bytes) -> Signed:
    """Headquarters' list of the joins, in the order of their index."""
    listed = sorted(joins, key=lambda one: int(one.document["index"]))
    document = {"v": 1, "kind": "roster", "draft": draft.as_json(), "joins": [one.as_json() for one in listed]}
    made = signed.sign(document, seed)
    roster_of(made)
    return made


def roster_of(said: Signed) -> Roster:
    """The roster, every signature checked. Raises VerificationError, BadInputError naming the custodian."""
    if said.kind != "roster" or set(said.document) != {"v", "kind", "draft", "joins"}:
        raise BadInputError("roster: fields that this version does not write")
    proposed = signed.from_json(said.document["draft"], "draft")
    draft = draft_of(proposed)
    said.by(draft.headquarters)
    listed = said.document["joins"]
    if not isinstance(listed, list) or len(listed) != draft.n:
        raise BadInputError(f"roster: not {draft.n} custodians")
    keys = [join_of(signed.from_json(one, "join"), proposed, index) for index, one in enumerate(listed)]
    if len({sign for sign, _ in keys}) != draft.n or len({transport for _, transport in keys}) != draft.n:
        raise BadInputError("roster: two custodians have the same key")
    return Roster(draft, tuple(sign for sign, _ in keys), tuple(transport for _, transport in keys), said.digest)


def dealt(n: int, t: int, index: int) -> list[int]:
    """The components whose chain seed custodian `index` makes: those whose lowest holder it is."""
    return [number for number in range(len(columns.components(n, t))) if columns.holders(n, t, number)[0] == index]


def deal(roster: Roster, index: int, seeds: Mapping[int, bytes], seed: bytes) -> Signed:
    """Commitments to the seeds that custodian `index` drew, and boxes with them for the other holders."""
    n, t = roster.draft.n, roster.draft.t
    boxes = [
        {"component": number, "to": other, "box": note.base64_text(_box(roster, number, other, value))}
        for number, value in sorted(seeds.items())
        for other in columns.holders(n, t, number)
        if other != index
    ]
    commitments = {str(number): _commitment(roster, number, value).hex() for number, value in sorted(seeds.items())}
    document = {"v": 1, "kind": "deal", "roster": roster.digest.hex(), "index": index}
    return signed.sign(document | {"commitments": commitments, "boxes": boxes}, seed)


def transcript(roster: Signed, deals: Sequence[Signed], seed: bytes) -> Signed:
    """Headquarters' list of the deals, in the order of their index."""
    listed = sorted(deals, key=lambda one: int(one.document["index"]))
    document = {"v": 1, "kind": "transcript", "roster": roster.as_json(), "deals": [one.as_json() for one in listed]}
    made = signed.sign(document, seed)
    transcript_of(made)
    return made


def transcript_of(said: Signed) -> tuple[Roster, dict[int, bytes]]:
    """Roster and, by component, the commitment; every signature checked and nothing missing.

    Raises VerificationError, BadInputError naming the custodian.
    """
    if said.kind != "transcript" or set(said.document) != {"v", "kind", "roster", "deals"}:
        raise BadInputError("transcript: fields that this version does not write")
    found = roster_of(signed.from_json(said.document["roster"], "roster"))
    said.by(found.draft.headquarters)
    listed = said.document["deals"]
    if not isinstance(listed, list) or len(listed) != found.draft.n:
        raise BadInputError(f"transcript: not {found.draft.n} deals")
    commitments: dict[int, bytes] = {}
    for index, one in enumerate(listed):
        commitments |= deal_of(signed.from_json(one, "deal"), found, index)
    return found, commitments


def receive(said: Signed, index: int, own: Mapping[int, bytes], private: bytes) -> dict[int, bytes]:
    """The chain seeds of custodian `index`, its own among them, each held to its commitment.

    Raises VerificationError naming the dealer whose seed does not open or does not fit: complain of that one.
    """
    found, commitments = transcript_of(said)
    n, t = found.draft.n, found.draft.t
    boxes = {
        (box["component"], box["to"]): note.base64_bytes(box["box"], "box")
        for one in said.document["deals"]
        for box in one["document"]["boxes"]
    }
    seeds: dict[int, bytes] = {}
    for number in columns.held(n, t, index):
        dealer = columns.holders(n, t, number)[0]
        if dealer == index:
            seeds[number] = own[number]
        else:
            seeds[number] = _opened(found, number, index, boxes[number, index], private)
        if not crypto.equal(_commitment(found, number, seeds[number]), commitments[number]):
            raise VerificationError(
                f"the seed of component {number} from custodian {dealer} is not what it committed to"
            )
    return seeds


def confirm(said: Signed, index: int, seed: bytes) -> Signed:
    """A custodian's word that every commitment is there and every seed for it fits."""
    document = {"v": 1, "kind": "confirm", "transcript": said.digest.hex(), "index": index}
    return signed.sign(document, seed)


def complaint(said: Signed, index: int, words: str, seed: bytes) -> Signed:
    """A custodian's word that a transcript does not give it what it should: the set must be dealt again."""
    return signed.sign(_complaint(said, index, words), seed)


def founded(said: Signed, confirms: Sequence[Signed], seed: bytes) -> Signed:
    """Headquarters' list of confirmations: with it the set counts."""
    listed = sorted(confirms, key=lambda one: int(one.document["index"]))
    document = {"v": 1, "kind": "founded", "transcript": said.as_json(), "confirms": [one.as_json() for one in listed]}
    made = signed.sign(document, seed)
    founded_of(made)
    return made


def founded_of(said: Signed) -> tuple[Roster, tuple[int, ...]]:
    """The roster of a founded set and who confirmed it. Raises VerificationError without a quorum, BadInputError."""
    if said.kind != "founded" or set(said.document) != {"v", "kind", "transcript", "confirms"}:
        raise BadInputError("founded set: fields that this version does not write")
    script = signed.from_json(said.document["transcript"], "transcript")
    found, _ = transcript_of(script)
    said.by(found.draft.headquarters)
    confirmed = []
    for one in map(signed.from_json, said.document["confirms"]):
        confirmed.append(confirm_of(one, script, found))
    if confirmed != sorted(set(confirmed)):
        raise BadInputError("founded set: confirmations are not in order, or one stands twice")
    if len(confirmed) < found.draft.quorum:
        raise VerificationError(f"{len(confirmed)} custodians confirmed this set, {found.draft.quorum} are needed")
    return found, tuple(confirmed)


def transcript_digest(said: Signed) -> bytes:
    """Of a founded set: what the public log has of it."""
    return signed.from_json(said.document["transcript"], "transcript").digest


def confirm_of(one: Signed, script: Signed, found: Roster) -> int:
    """Who confirmed `script`, the transcript of `found`. Raises VerificationError, BadInputError."""
    index = one.document.get("index")
    if one.kind != "confirm" or type(index) is not int or not 0 <= index < found.draft.n:
        raise BadInputError("founded set: no confirmation of a custodian of it")
    one.by(found.signs[index])
    if one.document != {"v": 1, "kind": "confirm", "transcript": script.digest.hex(), "index": index}:
        raise VerificationError(f"custodian {index} confirmed another transcript")
    return index


def join_of(one: Signed, proposed: Signed, index: int) -> tuple[bytes, bytes]:
    """Signing and transport key of custodian `index` that joins this draft. Raises VerificationError, BadInputError."""
    document: dict[str, Any] = one.document
    if set(document) != {"v", "kind", "draft", "index", "sign", "transport"} or document["index"] != index:
        raise BadInputError(f"custodian {index}: its joining has fields that this version does not write")
    try:
        public, transport = bytes.fromhex(document["sign"]), note.base64_bytes(document["transport"], "transport key")
    except (TypeError, ValueError, AttributeError):
        raise BadInputError(f"custodian {index}: its keys cannot be read") from None
    if len(public) != crypto.KEY_BYTES or len(transport) != crypto.PARK_PUBLIC_BYTES:
        raise BadInputError(f"custodian {index}: its keys have another length")
    one.by(public)
    if document["draft"] != proposed.digest.hex():
        raise VerificationError(f"custodian {index} joined another draft")
    return public, transport


def deal_of(one: Signed, found: Roster, index: int) -> dict[int, bytes]:
    """The commitments of what custodian `index` dealt for this roster, by component.

    Raises VerificationError, BadInputError.
    """
    document = one.by(found.signs[index])
    if set(document) != {"v", "kind", "roster", "index", "commitments", "boxes"} or document["index"] != index:
        raise BadInputError(f"custodian {index}: its deal has fields that this version does not write")
    if document["roster"] != found.digest.hex():
        raise VerificationError(f"custodian {index} dealt for another roster")
    n, t = found.draft.n, found.draft.t
    own = dealt(n, t, index)
    wanted = [(number, other) for number in own for other in columns.holders(n, t, number) if other != index]
    try:
        boxes = [(box["component"], box["to"]) for box in document["boxes"] if isinstance(box["box"], str)]
        made = {int(number): bytes.fromhex(value) for number, value in document["commitments"].items()}
    except (TypeError, KeyError, ValueError, AttributeError):
        raise BadInputError(f"custodian {index}: its deal cannot be read") from None
    if boxes != wanted or sorted(made) != own or any(len(value) != SEED_BYTES for value in made.values()):
        raise BadInputError(f"custodian {index}: it deals other components than it should")
    return made


def complaint_of(one: Signed, script: Signed, found: Roster, index: int) -> str:
    """Of what custodian `index` complains in this transcript. Raises VerificationError, BadInputError."""
    document = one.by(found.signs[index])
    words = document.get("words")
    if not isinstance(words, str) or document != _complaint(script, index, words):
        raise BadInputError(f"custodian {index}: its complaint is of another transcript, or has other fields")
    return words


def _complaint(script: Signed, index: int, words: str) -> Document:
    return {"v": 1, "kind": "complaint", "transcript": script.digest.hex(), "index": index, "words": words}


def _box(roster: Roster, number: int, to: int, seed: bytes) -> bytes:
    return crypto.box_seal(roster.transports[to], seed, _info(roster, number, to))


def _opened(roster: Roster, number: int, index: int, box: bytes, private: bytes) -> bytes:
    dealer = columns.holders(roster.draft.n, roster.draft.t, number)[0]
    try:
        seed = crypto.box_open(private, box, _info(roster, number, index))
    except WrongKeyError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise VerificationError(f"the seed of component {number} from custodian {dealer} does not open")
    return seed


def _info(roster: Roster, number: int, to: int) -> bytes:
    return b"unheld/v1/deal" + roster.digest + number.to_bytes(2, "big") + bytes([to])


def _commitment(roster: Roster, number: int, seed: bytes) -> bytes:
    return crypto.sha256(b"unheld/v1/commit", roster.digest, number.to_bytes(2, "big"), seed)


def _is_sound(draft: Draft) -> bool:
    names = [
        name for name in draft.names if isinstance(name, str) and 0 < len(name) <= NAME_MOST and name.isprintable()
    ]
    return (
        (len(draft.store), len(draft.branch), len(draft.headquarters)) == (16, 32, 32)
        and len(set(names)) == draft.n
        and all(type(number) is int for number in (draft.set, draft.t, draft.freeze_days))
        and 0 <= draft.set < 2**32
        and 1 <= draft.freeze_days <= 60
    )
