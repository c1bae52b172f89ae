"""A ceremony as headquarters carries it: one folder a set, a durable file a document, repeatable after any crash.

    draft.json  join-0.json …  roster.json  deal-0.json … transcript.json confirm-0.json … founded.json active-0.json

Headquarters writes down what a custodian answered once it is checked, and sends every custodian the newest document
that it has not answered. It can read no seed, and nothing counts before a quorum confirmed the transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from unheld_slots import durable
from unheld_verify import canonical, roster, signed, spoken, words
from unheld_verify.custody import Transport
from unheld_verify.errors import AwayError, BadInputError, StateError, UnheldError, VerificationError
from unheld_verify.roster import Draft, Roster
from unheld_verify.signed import Signed

DRAFT, ROSTER, TRANSCRIPT, FOUNDED = "draft", "roster", "transcript", "founded"
_ANSWERS = {DRAFT: "join", ROSTER: "deal", TRANSCRIPT: "confirm", FOUNDED: "active"}
_COMPLAINT, _REFUSED, _WAIT = "complaint", "refused", "wait"
_SHOWN = 300
WAITING, SAID_NO = "the person there has not decided yet", "the person there refused"
_MAKES: Mapping[str, tuple[str, Callable[[Signed, Sequence[Signed], bytes], Signed]]] = {
    DRAFT: (ROSTER, roster.roster),
    ROSTER: (TRANSCRIPT, roster.transcript),
    TRANSCRIPT: (FOUNDED, roster.founded),
}


@dataclass(frozen=True)
class Step:
    """How far a ceremony is. `stage`: the newest document; `words`: its four words, once there is a transcript.

    `answered`: who has answered the newest document; `missing`: why each of the others has not.
    """

    stage: str
    words: tuple[str, ...]
    answered: tuple[int, ...]
    missing: Mapping[int, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether the set is founded and every custodian has been told."""
        return self.stage == FOUNDED and not self.missing


class Ceremony:
    """The ceremony in a folder, of the headquarters with this key. One writer at a time: hold the register's lock."""

    def __init__(self, folder: Path, headquarters: bytes) -> None:
        self._folder = folder
        self._headquarters = headquarters

    @classmethod
    def begin(cls, folder: Path, draft: Draft, seed: bytes) -> Ceremony:
        """Write down headquarters' proposal; `seed` is its Ed25519 key.

        Raises BadInputError for a draft out of bounds, StateError where a ceremony of that set has begun.
        """
        made = proposal(draft, seed)
        if (folder / f"{DRAFT}.json").exists():
            raise StateError(f"{folder}: a ceremony of this set has begun; unheld custody go goes on with it")
        durable.make_folders(folder)
        durable.write_file(folder / f"{DRAFT}.json", made.encode())
        return cls(folder, draft.headquarters)

    @property
    def draft(self) -> Draft:
        """What was proposed. Raises BadInputError where the file was altered, or is another headquarters'."""
        draft = roster.draft_of(self._read(DRAFT, DRAFT))
        if draft.headquarters != self._headquarters:
            raise BadInputError(f"{self._folder}: its draft is another headquarters'; put back the last good copy")
        return draft

    @property
    def founded(self) -> Signed | None:
        """The set, once a quorum confirmed it."""
        return self._read(FOUNDED, FOUNDED) if self._has(FOUNDED) else None

    def standing(self) -> Step:
        """How far it is, asking nobody."""
        stage = self._stage()
        answered = self._answered(stage)
        missing = dict.fromkeys(self._others(answered), "was not asked just now")
        return Step(stage, self._words(), answered, missing)

    def go(self, transport: Transport, seed: bytes) -> Step:
        """Ask everybody for what is missing, and go as far as the answers lead. Repeating it loses nothing.

        Raises VerificationError when a custodian complained: the set must be proposed anew.
        """
        while True:
            stage = self._stage()
            missing = self._ask(stage, transport)
            answered = self._answered(stage)
            self._refuse_complaints(stage)
            if not self._enough(stage, answered):
                return Step(stage, self._words(), answered, missing)
            self._advance(stage, answered, seed)

    def tell(self, transport: Transport, seed: bytes) -> None:
        """Let every person see who has answered the newest document so far. Who is away hears it another time."""
        stage = self._stage()
        about = {"about": self._read(stage, stage).digest.hex(), "answered": list(self._answered(stage))}
        progress = signed.sign({"v": 1, "kind": "progress", **about}, seed)
        for index in range(self.draft.n):
            with suppress(UnheldError):
                transport.call(index, progress.encode())

    def _ask(self, stage: str, transport: Transport) -> dict[int, str]:
        """Send the newest document to all who have not answered it; by index, why those have not who still have not."""
        document, missing = self._read(stage, stage), dict[int, str]()
        for index in self._others(self._answered(stage)):
            try:
                reason = self._take(stage, document, index, transport.call(index, document.encode()))
            except AwayError as error:
                reason = f"cannot be reached: {error}"
            except (BadInputError, VerificationError) as error:
                reason = f"what it answered does not count: {error}"
            except UnheldError as error:
                reason = f"refuses: {error}"
            if reason:
                missing[index] = reason
        return missing

    def _take(self, stage: str, document: Signed, index: int, came: bytes) -> str:
        """Write down what a custodian answered, if it is what it should be; else why it does not count as one."""
        said = canonical.decode(came)
        if isinstance(said, dict) and said.get("kind") == _WAIT:
            return WAITING
        if isinstance(said, dict) and said.get("kind") == _REFUSED:
            return f"its computer does not take part: {words.one_line(str(said.get('words')))[:_SHOWN]}"
        answer = signed.decode(came, _ANSWERS[stage], _REFUSED, _COMPLAINT)
        if answer.kind == _REFUSED:
            return SAID_NO
        self._check(stage, document, answer, index)
        self._write(f"{answer.kind}-{index}", answer)
        return "its computer complains of the keys it was dealt" if answer.kind == _COMPLAINT else ""

    def _check(self, stage: str, document: Signed, answer: Signed, index: int) -> None:
        if stage == DRAFT:
            roster.join_of(answer, document, index)
            return
        found = self._roster()
        if stage == ROSTER:
            roster.deal_of(answer, found, index)
            return
        script = self._read(TRANSCRIPT, TRANSCRIPT)
        if answer.kind == _COMPLAINT:
            roster.complaint_of(answer, script, found, index)
        elif answer.kind == _ANSWERS[TRANSCRIPT]:
            if roster.confirm_of(answer, script, found) != index:
                raise VerificationError("it is another custodian's")
        elif answer.by(found.signs[index], f"custodian {index}").get("transcript") != script.digest.hex():
            raise VerificationError("it is of another set")

    def _enough(self, stage: str, answered: Sequence[int]) -> bool:
        """Whether the next document can be made. All join and deal; of confirmations a quorum, once all were asked."""
        draft = self.draft
        return stage != FOUNDED and len(answered) >= (draft.quorum if stage == TRANSCRIPT else draft.n)

    def _advance(self, stage: str, answered: Sequence[int], seed: bytes) -> None:
        following, make = _MAKES[stage]
        kind = _ANSWERS[stage]
        answers = [self._read(f"{kind}-{index}", kind) for index in answered]
        self._write(following, make(self._read(stage, stage), answers, seed))

    def _refuse_complaints(self, stage: str) -> None:
        for index in range(self.draft.n) if stage == TRANSCRIPT else ():
            if self._has(f"{_COMPLAINT}-{index}"):
                said = self._read(f"{_COMPLAINT}-{index}", _COMPLAINT)
                why = roster.complaint_of(said, self._read(TRANSCRIPT, TRANSCRIPT), self._roster(), index)
                raise VerificationError(
                    f"the computer of {self.draft.names[index]} complains: {words.one_line(why)}. This set is not "
                    "founded; call both, then begin anew with --anew, which takes the next number"
                )

    def _words(self) -> tuple[str, ...]:
        has = self._has(TRANSCRIPT)
        return spoken.words(roster.spoken_digest(self._read(TRANSCRIPT, TRANSCRIPT))) if has else ()

    def _roster(self) -> Roster:
        return roster.roster_of(self._read(ROSTER, ROSTER))

    def _stage(self) -> str:
        """The newest document."""
        return next((stage for stage in (FOUNDED, TRANSCRIPT, ROSTER) if self._has(stage)), DRAFT)

    def _answered(self, stage: str) -> tuple[int, ...]:
        return tuple(index for index in range(self.draft.n) if self._has(f"{_ANSWERS[stage]}-{index}"))

    def _others(self, answered: Sequence[int]) -> list[int]:
        return [index for index in range(self.draft.n) if index not in answered]

    def _has(self, name: str) -> bool:
        return (self._folder / f"{name}.json").is_file()

    def _write(self, name: str, document: Signed) -> None:
        durable.write_file(self._folder / f"{name}.json", document.encode())

    def _read(self, name: str, kind: str) -> Signed:
        path = self._folder / f"{name}.json"
        try:
            return signed.decode(path.read_bytes(), kind)
        except FileNotFoundError:
            raise BadInputError(f"{path}: is missing; put the register back from its backup") from None
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}; put back the last good copy") from None


def proposal(draft: Draft, seed: bytes) -> Signed:
    """A draft, signed by headquarters' key `seed`. Raises BadInputError for a set out of bounds."""
    made = signed.sign(draft.document(), seed)
    roster.draft_of(made)
    return made


def ceremonies(folder: Path, headquarters: bytes) -> dict[int, Ceremony]:
    """Every ceremony that was begun in headquarters' folder, by the number of its set, ascending."""
    numbers = sorted(
        int(name)
        for path in folder.glob(f"set-*/{DRAFT}.json")
        if (name := path.parent.name.removeprefix("set-")).isdecimal()
    )
    return {number: Ceremony(place(folder, number), headquarters) for number in numbers}


def place(folder: Path, number: int) -> Path:
    """The folder of one ceremony."""
    return folder / f"set-{number}"
