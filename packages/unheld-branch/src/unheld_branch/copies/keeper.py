"""A far copy's own side: bytes in, bytes out. It keeps a folder in step with the one branch it was made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from unheld_branch.copies import letters
from unheld_branch.copies.letters import Ask, Line
from unheld_branch.store import seeds
from unheld_branch.store.copying import SUM_BYTES
from unheld_branch.store.replica import Replica, marker_of
from unheld_slots import durable
from unheld_verify import crypto, custody
from unheld_verify.errors import AwayError, BadInputError, NotAllowedError, StateError, UnheldError
from unheld_verify.signed import Document, Signed

SEED = "copy.seed"
DOORS_MOST = 32
DOOR_SECONDS = 600


@dataclass
class _Door:
    """A one-time key in memory. `used` counts its letters."""

    line: Line
    private: bytes = field(repr=False)
    until: int
    used: int = 0


class Keeper:
    """Answers letters. One at a time, by one thread: an exchange may hold a transaction open between two letters."""

    def __init__(self, folder: Path, slots: Path, now: Callable[[], int]) -> None:
        self._folder, self._slots, self._now = folder, slots, now
        self._seed = _seed(slots)
        self._doors: dict[bytes, _Door] = {}
        self._replica: Replica | None = None
        self._writing = b""
        self.over = False
        """Whether something was destroyed, or the last exchange has ended: time to let go of this memory."""

    @property
    def key(self) -> bytes:
        """The public key that a store pins."""
        return crypto.sign_public(self._seed)

    def handle(self, data: bytes) -> bytes:
        """Answer one message. What nobody proper signed is refused in clear."""
        try:
            if data == letters.knock():
                return self._open_door()
            return self._letter(data)
        except UnheldError as error:
            return custody.refused(str(error)[:200])
        except (AttributeError, KeyError, TypeError, ValueError):  # of somebody whose signature was not yet checked
            return custody.refused("this cannot be read")

    def close(self) -> None:
        """Let go of the folder, and drop every door."""
        self._doors.clear()
        self._let_go()

    def _open_door(self) -> bytes:
        now = self._now()
        self._doors = {name: one for name, one in self._doors.items() if one.until > now}
        idle = [name for name, one in self._doors.items() if not one.used]
        if len(idle) >= DOORS_MOST:  # whoever knocks and says nothing makes room for others
            del self._doors[idle[0]]
        private, public = crypto.park_keypair()
        line = Line(self.key, public)
        self._doors[line.digest] = _Door(line, private, now + DOOR_SECONDS)
        return letters.door(public, self._seed).encode()

    def _letter(self, data: bytes) -> bytes:
        door = self._doors.get(letters.door_of(data))
        if door is None or door.until <= self._now():
            raise StateError(letters.NO_DOOR)
        said, blob = letters.open_letter(data, door.line, door.private)
        ask, reply = letters.ask_of(said, blob, door.line, door.used, self._branch(said))
        door.used += 1
        try:
            fields, out = self._act(ask, door)
        except UnheldError as error:
            self._let_go()
            fields, out = letters.refusal(error), b""
        except OSError as error:
            self._let_go()
            fields, out = letters.refusal(AwayError(f"its disk: {error.strerror}")), b""
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._let_go()
            fields, out = letters.refusal(BadInputError(f"letter: {error!r}")), b""
        return letters.answer(said, reply, fields, out, self._seed)

    def _branch(self, said: Signed) -> bytes:
        """Who may write: the branch of the store that this copy was made for; before that, whoever makes it."""
        marker = marker_of(self._folder)
        if marker is not None:
            return marker.branch
        if said.document.get("act") != "make":
            raise NotAllowedError("this copy follows nobody yet: it is made by `unheld init --copy`")
        seed = said.document.get("body", {}).get("branch_seed")
        return crypto.sign_public(bytes.fromhex(str(seed)) if isinstance(seed, str) and len(seed) == 64 else b"\0" * 32)

    def _act(self, ask: Ask, door: _Door) -> tuple[Document, bytes]:
        if ask.act in letters.LAST:
            del self._doors[door.line.digest]
            self.over |= ask.act == "finish" or not any(one.used for one in self._doors.values())
        if ask.act == "end":
            self._let_go()
            return {}, b""
        if ask.act == "make":
            Replica("", self._folder, self._slots).make(letters.making_of(ask))
            return {}, b""
        if self._writing != door.line.digest:  # another exchange began: what the last one left half done is dropped
            self._let_go()
            self._writing = door.line.digest
        done = self._do(ask, self._held())
        if ask.act != "rows":
            self._let_go()
        return done

    def _do(self, ask: Ask, replica: Replica) -> tuple[Document, bytes]:
        said = ask.fields
        if ask.act == "rows":
            replica.rows(letters.part_of(ask))
        elif ask.act == "sums":
            bits = int(said["bits"])
            if not 0 <= bits <= 16:
                raise BadInputError("sums: of so many buckets none are given")
            key, tag_key = bytes.fromhex(said["key"]), bytes.fromhex(said["tag_key"])
            return {"bytes": SUM_BYTES << bits}, replica.sums(int(said["tree"]), bits, key, tag_key)
        elif ask.act == "missing":
            return {"missing": replica.missing(dict(said["side"]), list(said["named"]))}, b""
        elif ask.act == "file":
            replica.file(str(said["path"]), int(said["at"]), ask.blob, str(said["sha256"]))
        elif ask.act == "step":
            return letters.standing_fields(replica.step(letters.step_of(ask))), b""
        elif ask.act == "finish":
            return letters.standing_fields(replica.finish(int(said["generation"]))), b""
        else:
            replica.heard(self._now())
            return letters.standing_fields(replica.standing()), b""
        return {}, b""

    def _held(self) -> Replica:
        if self._replica is None:
            marker = marker_of(self._folder)
            self._replica = Replica(marker.name if marker else "", self._folder, self._slots)
        return self._replica

    def _let_go(self) -> None:
        if self._replica is not None:
            self._replica.close()
            self._replica = None


def _seed(slots: Path) -> bytes:
    """The copy's signing key: made at its first start. It signs, it opens nothing."""
    durable.make_folders(slots)
    if not (slots / SEED).exists():
        durable.write_file(slots / SEED, crypto.random_bytes(crypto.KEY_BYTES).hex().encode())
    return seeds.read(slots / SEED, "put it back; without it the store takes this copy for another")
