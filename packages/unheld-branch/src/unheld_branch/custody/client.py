"""Asking the custodians of a set: one of them (`Client`), or all as the branch's workflows do (`Remote`).

Nothing that comes back is believed before the custodian's key in the roster signed it. The key of each answer is made
for one ask and gone with it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from unheld_branch.custody.attested import OwnStateError
from unheld_branch.keys.columns import check_push
from unheld_verify import canonical, columns, crypto, custody, note, parked, signed
from unheld_verify.columns import Attestation, EventColumn, Push
from unheld_verify.custody import Address, Ask, Heard, Transport, reasons
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    RolledBackError,
    SealedError,
    StateError,
    UnheldError,
    VerificationError,
)
from unheld_verify.plan import Plan
from unheld_verify.roster import Roster
from unheld_verify.signed import Document, Signed

SECONDS = 20.0
_DAY = 86_400
Stamp = tuple[int, str]
"""A generation of a custodian's state and the random tag (hex) that tells it from that of a copy put back."""
NEVER: Stamp = (0, "")
_HOSTILE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
Answer = TypeVar("Answer")


@dataclass
class Client:
    """One party's line to the custodians of a set; `seed` is its Ed25519 key, `role` what it may ask for.

    `clock` tells Unix seconds. `seen` remembers the newest (generation, tag) of each custodian, by index.
    """

    roster: Roster
    transport: Transport
    seed: bytes = field(repr=False)
    role: str
    clock: Callable[[], int]
    seen: MutableMapping[int, Stamp] | None = None

    def __post_init__(self) -> None:
        self._seen: MutableMapping[int, Stamp] = {} if self.seen is None else self.seen

    def address(self, index: int) -> Address:
        """Where custodian `index` of this set is."""
        return Address(self.roster.draft.store, self.roster.draft.set, index)

    def ask(self, index: int, act: str, body: Mapping[str, Any] | None = None) -> Document:
        """The answer of custodian `index`; what it refuses with is raised as it said it.

        Raises AwayError when nothing came back, or what no custodian says; VerificationError when another signed it or
        it answers something else; RolledBackError when the custodian is older than it was.
        """
        address, seen = self.address(index), self._seen.get(index, NEVER)
        private, public = crypto.park_keypair()
        whole = {**(body or {}), "seen": list(seen)}
        ask = signed.sign(Ask(act, address, self.role, self.clock(), public, whole).document(), self.seed)
        said = self._call(index, custody.knock(address))
        for _ in range(2):
            said = self._call(index, custody.letter(ask, address, self._door(said, index)))
            if said.kind != "door":
                break
        if said.kind != "answer":
            raise AwayError(f"{self._name(index)}: it has no door for letters that stays; ask again later")
        answer = custody.open_answer(said.encode(), ask, address, self.roster.signs[index], private)
        self._remember(index, answer, seen)
        return answer

    def _call(self, index: int, data: bytes) -> Signed:
        came = self.transport.call(index, data)
        try:
            return signed.decode(came, "door", "answer")
        except BadInputError as error:
            words = _unsigned(came) or f"it cannot be read: {error}"
            raise AwayError(f"{self._name(index)}: what came back is signed by nobody: {words}") from None

    def _door(self, said: Signed, index: int) -> bytes:
        try:
            key = custody.door_key(said, self.address(index), self.roster.signs[index])
        except (VerificationError, BadInputError) as error:
            raise VerificationError(f"{self._name(index)}: its door is not its own: {error}") from None
        made, now = said.document.get("at"), self.clock()
        if type(made) is not int or not -custody.SKEW_SECONDS <= now - made <= custody.DOOR_SECONDS:
            raise VerificationError(f"{self._name(index)}: its door is not of this hour; check both clocks")
        return key

    def _remember(self, index: int, answer: Document, seen: Stamp) -> None:
        generation, tag = answer.get("generation"), answer.get("tag")
        if type(generation) is not int or not isinstance(tag, str):
            raise BadInputError(f"{self._name(index)}: it does not say of which generation its state is")
        if generation < seen[0] or (generation == seen[0] and tag != seen[1]):
            raise RolledBackError(
                f"{self._name(index)}: its state is of generation {generation} ({tag}), it spoke from {seen[0]} "
                f"({seen[1]}) before: it was put back from a backup"
            )
        if answer.get("rolled_back") is not True:  # else what it was before would be forgotten here too
            self._seen[index] = (generation, tag)

    def _name(self, index: int) -> str:
        return self.roster.draft.names[index]


class Remote:
    """All custodians, called as one, each answer verified before it counts. A client for each set that holds keys.

    `seconds` bounds how long all of a set together are waited for; with None they are asked one after another in this
    thread, as custodians on this machine and simulations want it. `keep` is given every attestation that was verified.
    """

    def __init__(
        self,
        *clients: Client,
        seconds: float | None = SECONDS,
        keep: Callable[[Attestation], None] = lambda _attested: None,
    ) -> None:
        self.clients = sorted(clients, key=lambda client: client.roster.draft.set)
        self._seconds = seconds
        self._keep = keep

    def set_of(self, day: int) -> Roster:
        """The set that `day` is sealed under: the newest that has begun. Raises StateError before the first."""
        return self._of(day).roster

    def open_day(self, day: int) -> list[Push]:
        """The pushes of those that open `day`. Raises StateError with every reason when fewer than t do."""
        client = self._of(day)
        pushes, failed = self._all(client, partial(_push, client, day))
        for push in pushes.values():
            self._keep(push.testimony)
        needed = client.roster.draft.t
        if len(pushes) < needed:
            words = reasons(failed, client.roster.draft.names)
            raise StateError(f"{len(pushes)} of {needed} needed custodians open {columns.day_text(day)}: {words}")
        return list(pushes.values())

    def close_day(self, day: int) -> Heard:
        """Close `day` at all that answer."""
        return self._attested(self._of(day), "close", {"day": columns.day_text(day)}, Expected("closed", day))

    def lapse(self) -> list[Heard]:
        """Ask all to lapse what is due by their own calendars; by set."""
        return [self._attested(one, "lapse", {}, Expected("lapsed", self._today(one))) for one in self.clients]

    def erase(self, plan: Plan) -> list[Heard]:
        """Erase the columns of a plan that headquarters signed, at all that answer; by set."""
        pairs = tuple(columns.in_order(plan.columns))
        return [self._erase(one, "erase", plan, self._today(one), pairs) for one in self.clients]

    def erase_everything(self, plan: Plan) -> list[Heard]:
        """Erase every column at all that answer, by a plan that headquarters signed; by set that had begun by then.

        Custodians that did it before testify to that time.
        """
        made = columns.day_number(plan.made)
        begun = [one for one in self.clients if one.roster.draft.begins <= made]
        return [self._erase(one, "erase-everything", plan, made, None) for one in begun]

    def park_publics(self) -> tuple[dict[int, Signed], dict[int, UnheldError]]:
        """The signed parking keys of those of today's set that answer, and why each of those refused that said no."""
        client = self._of(self.clients[-1].clock() // _DAY)
        parkings, failed = self._all(client, partial(_parking, client))
        return parkings, _refused(failed)

    def open_parked(self, header: bytes) -> dict[int, dict[int, bytes]]:
        """The shares of a parked batch by custodian. With fewer than t, raises what the first one raised.

        A custodian gives them for a day only. So each is asked to look first, and nobody gives a part while fewer than
        t would: it could not be had again when the others are back.
        """
        wanted = parked.ParkedHeader.decode(header).set
        client = next((one for one in self.clients if one.roster.draft.set == wanted), None)
        if client is None:
            raise SealedError(f"this batch is parked to custodian set {wanted}, which holds no key any more")
        shares: dict[int, dict[int, bytes]] = {}
        for look in (True, False):
            shares, failed = self._all(client, partial(_shares, client, note.base64_text(header), look))
            if len(shares) < client.roster.draft.t:
                raise next(iter({**_refused(failed), **failed}.values()))  # a custodian's no says more than a cut line
        return shares

    def tombstone(self, plan: Plan, hashes: Collection[bytes]) -> set[bytes]:
        """Name hashes of labels that a plan forgot to all that answer; those that every custodian of every set holds.

        Custodians take no more than the plan has leaves.
        """
        held = set(hashes)
        body = {"plan": note.base64_text(plan.encode()), "hashes": sorted(one.hex() for one in hashes)}
        for client in self.clients:
            answers, failed = self._all(client, partial(_buried, client, body))
            held = held.intersection(*answers.values()) if not failed else set()
        return held

    def _erase(self, client: Client, act: str, plan: Plan, first: int, pairs: Sequence[EventColumn] | None) -> Heard:
        expected = Expected("erased", self._today(client), pairs, first)
        return self._attested(client, act, {"plan": note.base64_text(plan.encode())}, expected)

    def _attested(self, client: Client, act: str, body: Document, expected: Expected) -> Heard:
        attested, failed = self._all(client, partial(_attestation, client, act, body, expected))
        for one in attested.values():
            self._keep(one)
        refused, draft = _refused(failed), client.roster.draft
        away = {index: str(error) for index, error in failed.items() if index not in refused}
        no = {index: str(error) for index, error in refused.items()}
        return Heard(draft.set, draft.n - draft.t + 1, tuple(attested.values()), no, away, draft.names)

    def _all(self, client: Client, call: Callable[[int], Answer]) -> tuple[dict[int, Answer], dict[int, UnheldError]]:
        """Answers, and what each of the others raised, by custodian."""
        return gathered(call, range(client.roster.draft.n), self._seconds)

    def _of(self, day: int) -> Client:
        begun = [client for client in self.clients if client.roster.draft.begins <= day]
        if not begun:
            raise StateError(f"no custodian set seals {columns.day_text(day)}: the first begins later")
        return begun[-1]

    @staticmethod
    def _today(client: Client) -> int:
        return client.clock() // _DAY


def _unsigned(data: bytes) -> str:
    """The words of a refusal that could not be signed; anybody on the line may have written them."""
    try:
        document = canonical.decode(data)
    except BadInputError:
        return ""
    words = document.get("words") if isinstance(document, dict) and document.get("kind") == "refused" else None
    return words[:200] if isinstance(words, str) and words.isprintable() else ""


def _push(client: Client, day: int, index: int) -> Push:
    push = custody.push_of(client.ask(index, "open", {"day": columns.day_text(day)}))
    draft = client.roster.draft
    if (push.set, push.index, push.day) != (draft.set, index, day):
        raise VerificationError(
            f"its push is of {columns.day_text(push.day)}, set {push.set}, {custody.called(draft.names, push.index)}"
        )
    check_push(push, draft.n, draft.t, draft.names)
    check(push.testimony, client.roster, index, Expected("opened", day, tuple(columns.in_order(push.keys))))
    return push


def _parking(client: Client, index: int) -> Signed:
    parking = signed.from_json(client.ask(index, "park").get("parking"), "parking")
    for public in custody.parking_of(parking, client.address(index), client.roster.signs[index]).values():
        crypto.box_seal(public, b"", b"")  # a key that nobody can seal to would stop a parking when it is needed
    return parking


def _shares(client: Client, header: str, look: bool, index: int) -> dict[int, bytes]:
    body = {"header": header, "look": True} if look else {"header": header}
    given, draft = client.ask(index, "unpark", body).get("shares"), client.roster.draft
    if look:
        return {}
    try:
        shares = {int(number): bytes.fromhex(share) for number, share in dict(given or {}).items()}
    except (TypeError, ValueError):
        shares = {}
    wrong = any(len(share) != parked.SHARE_BYTES for share in shares.values())
    if wrong or sorted(shares) != columns.held(draft.n, draft.t, index):
        raise BadInputError("its shares are not those of its components")
    return shares


def _buried(client: Client, body: Document, index: int) -> set[bytes]:
    held = client.ask(index, "tombstone", body).get("hashes")
    try:
        return {bytes.fromhex(one) for one in held or ()}
    except (TypeError, ValueError):
        raise BadInputError("its tombstones cannot be read") from None


def _attestation(client: Client, act: str, body: Document, expected: Expected, index: int) -> Attestation:
    attested = custody.attestation_of(client.ask(index, act, body))
    check(attested, client.roster, index, expected)
    return attested


@dataclass(frozen=True)
class Expected:
    """What an attestation must say: kind, day, and where it is known, the columns. `first`: it may be from then on."""

    kind: str
    day: int
    columns: Sequence[EventColumn] | None = None
    first: int | None = None


def check(attested: Attestation, roster: Roster, index: int, expected: Expected) -> None:
    """Raises VerificationError unless custodian `index` of this set attested what was asked for.

    The day of a lapse or an erasing is the custodian's own: it may lie a day beside the asker's around midnight.
    """
    said, draft = _statement(attested, roster.signs[index]), roster.draft
    right = {"v": 1, "kind": expected.kind, "store": draft.store.hex(), "set": draft.set, "custodian": index}
    day, own = columns.day_number(str(said.get("day"))), 1 if expected.kind in {"lapsed", "erased"} else 0
    first = expected.day if expected.first is None else expected.first
    listed = [[cls, columns.day_text(day)] for cls, day in expected.columns or ()]
    if (
        not signed.same({name: said.get(name, "") for name in right}, right)
        or not first - own <= day <= expected.day + own
        or (expected.columns is not None and said.get("columns") != listed)
    ):
        raise VerificationError(f"it attested something else than {expected.kind} {columns.day_text(expected.day)}")


def _statement(attested: Attestation, public: bytes) -> Document:
    """What was attested, in the form that all who read it later count on."""
    said = attested.read(public)
    try:
        sound = type(said["generation"]) is int and isinstance(said["slot"], str)
        sound = sound and all(cls in columns.CLASSES and columns.day_number(day) >= 0 for cls, day in said["columns"])
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise VerificationError("its attestation has other fields or values than this version reads")
    return said


def gathered(
    call: Callable[[int], Answer], indexes: Sequence[int], seconds: float | None
) -> tuple[dict[int, Answer], dict[int, UnheldError]]:
    """Call every index: answers, and errors of those that failed or took longer than `seconds` together.

    Threads that go on waiting are daemons: a custodian that never answers holds nobody up. Raises OwnStateError when
    what is kept here of custodians is damaged: none of them is blamed for it.
    """
    answers: dict[int, Answer] = {}
    failed: dict[int, UnheldError] = {}
    if seconds is None:
        for index in indexes:
            _one(call, index, answers, failed)
        _check_own(failed)
        return answers, failed
    threads = [threading.Thread(target=_one, args=(call, index, answers, failed), daemon=True) for index in indexes]
    end = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    _check_own(failed)
    came = {index: answers[index] for index in indexes if index in answers}
    late = AwayError(f"no answer within {seconds:g} seconds")
    return came, {index: failed.get(index, late) for index in indexes if index not in came}


def _one(call: Callable[[int], Answer], index: int, answers: dict[int, Answer], failed: dict[int, UnheldError]) -> None:
    try:
        answers[index] = call(index)
    except UnheldError as error:
        failed[index] = error
    except _HOSTILE as error:
        failed[index] = BadInputError(f"what it answers cannot be read: {type(error).__name__}")


def _check_own(failed: Mapping[int, UnheldError]) -> None:
    for error in list(failed.values()):  # threads that are late may still write there
        if isinstance(error, OwnStateError):
            raise error


def _refused(failed: Mapping[int, UnheldError]) -> dict[int, UnheldError]:
    return {index: error for index, error in failed.items() if not isinstance(error, AwayError)}
