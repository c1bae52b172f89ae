"""A copy on another machine as its store sees it: `copying.Copy` over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from unheld_branch.copies import letters
from unheld_branch.copies.letters import Ask, Line
from unheld_branch.custody.http import HttpTransport
from unheld_branch.store import copying, seeds
from unheld_branch.store.copying import Copy, Making, Part, Standing, Step
from unheld_branch.store.replica import Replica
from unheld_slots import durable
from unheld_verify import canonical, crypto, signed
from unheld_verify.custody import Transport
from unheld_verify.errors import (
    AwayError,
    BadInputError,
    RolledBackError,
    UnheldError,
    VerificationError,
    WrongKeyError,
)

PINS = "copies.pins.json"
SECONDS = 60.0


class _NoDoorError(AwayError):
    """Another exchange of this store destroyed something, and took this one's door with it."""


class FarCopy:
    """A copy behind a transport. `key` is its public key as pinned, `seed` what the branch signs with."""

    def __init__(self, name: str, key: bytes, seed: Callable[[], bytes], transport: Transport) -> None:
        self._name = name
        self._key = key
        self._seed = seed
        self._transport = transport
        self._line: Line | None = None
        self._number = 0

    @property
    def name(self) -> str:
        """What genesis calls it."""
        return self._name

    def make(self, making: Making) -> None:
        """Begin as a copy."""
        self._ask(letters.making_ask(making))

    def standing(self) -> Standing:
        """Where it is; a new exchange begins with this."""
        self.close()
        return letters.standing_of(self._ask(Ask("standing"))[0])

    def sums(self, tree: int, bits: int, key: bytes, tag_key: bytes) -> bytes:
        """A digest of each bucket."""
        _, found = self._ask(Ask("sums", {"tree": tree, "bits": bits, "key": key.hex(), "tag_key": tag_key.hex()}))
        if len(found) != copying.SUM_BYTES << bits:
            raise BadInputError(f"copy {self._name}: digests of {len(found)} bytes, not {copying.SUM_BYTES << bits}")
        return found

    def rows(self, part: Part) -> None:
        """Rows for the next step."""
        self._ask(letters.part_ask(part))

    def step(self, step: Step) -> Standing:
        """The next generation."""
        return letters.standing_of(self._ask(letters.step_ask(step))[0])

    def finish(self, generation: int) -> Standing:
        """Destroy the older root key."""
        return letters.standing_of(self._ask(Ask("finish", {"generation": generation}))[0])

    def missing(self, side: Mapping[str, str], named: Collection[str]) -> list[str]:
        """Which files it lacks."""
        wanted = [*side, *named]
        said, _ = self._ask(Ask("missing", {"side": dict(side), "named": sorted(named)}))
        lacking = said.get("missing")
        if not isinstance(lacking, list) or any(path not in wanted for path in lacking):
            raise BadInputError(f"copy {self._name}: asks for a file that it was not told of")
        return lacking

    def file(self, path: str, at: int, data: bytes, sha256: str) -> None:
        """A piece of a file."""
        self._ask(Ask("file", {"path": path, "at": at, "sha256": sha256}, data))

    def close(self) -> None:
        """End the exchange: the copy drops its key."""
        if self._line is not None:
            with suppress(UnheldError):
                self._ask(Ask("end"))
        self._line = None

    def _ask(self, ask: Ask) -> tuple[signed.Document, bytes]:
        begins = self._line is None
        try:
            return self._said(ask)
        except _NoDoorError:
            if not begins:
                raise
            return self._said(ask)

    def _said(self, ask: Ask) -> tuple[signed.Document, bytes]:
        if self._line is None:
            self._knock()
        line = self._line
        if line is None:
            raise AwayError(f"copy {self._name}: opened no door")
        private, public = crypto.park_keypair()
        data, about = letters.letter(ask, line, self._number, public, self._seed())
        self._number += 1
        try:
            came = self._call(data)
            if ask.act in letters.LAST:
                self._line = None
            return letters.open_answer(came, about, self._key, private)
        except (AwayError, WrongKeyError, VerificationError) as error:
            self._line = None
            if isinstance(error, RolledBackError | _NoDoorError):
                raise
            raise AwayError(f"copy {self._name}: {error}") from None

    def _knock(self) -> None:
        came = self._call(letters.knock())
        try:
            key = letters.door_key(signed.decode(came, "copy-door"), self._key)
        except (BadInputError, VerificationError) as error:
            raise AwayError(f"copy {self._name}: what answers there is not the copy that was pinned: {error}") from None
        self._line, self._number = Line(self._key, key), 0

    def _call(self, data: bytes) -> bytes:
        try:
            came = self._transport.call(0, data)
        except AwayError:
            self._line = None
            raise
        if words := _refused(came):
            self._line = None
            kind = _NoDoorError if words == letters.NO_DOOR else AwayError
            raise kind(f"copy {self._name} refused: {words}")
        return came


def _refused(data: bytes) -> str:
    """The words of a refusal in clear; anybody on the line may have written them."""
    if data[:1] != b"{":
        return ""
    try:
        said = canonical.decode(data)
    except BadInputError:
        return "in words that cannot be read"
    words = said.get("words") if isinstance(said, dict) and said.get("kind") == "refused" else ""
    return words[:200] if isinstance(words, str) and words.isprintable() else ""


def parsed(name: str) -> tuple[str, bytes]:
    """(name in genesis, pinned key) of `http://HOST:PORT#KEY`. Raises BadInputError with the mend."""
    url, _, text = name.partition("#")
    parts = urlsplit(url)
    try:
        key = bytes.fromhex(text)
        sound = len(key) == crypto.KEY_BYTES and parts.hostname and parts.username is None and not parts.query
    except ValueError:
        sound = False
    if not sound or parts.path not in ("", "/"):
        raise BadInputError(
            f"{name}: write http://HOST:PORT#KEY, as `unheld-branch copy serve` on the other machine prints it"
        )
    return url.rstrip("/"), key


def reach(root: Path, slots: Path, pins: Mapping[str, bytes] | None = None) -> Callable[[str], Copy]:
    """How the store at `root` gets to its copies: folders by path, others over HTTP under the key pinned for them."""

    def reached(name: str) -> Copy:
        if not copying.is_far(name):
            return Replica(name, Path(name))
        known = read_pins(root) if pins is None else pins
        if name not in known:
            raise BadInputError(f"{root / PINS}: no key of copy {name}: put the file back from a copy")

        def seed() -> bytes:
            return seeds.read(slots / seeds.BRANCH, seeds.BRANCH_MEND)

        return FarCopy(name, known[name], seed, HttpTransport([name + letters.PATH], SECONDS))

    return reached


def read_pins(root: Path) -> dict[str, bytes]:
    """The public keys of far copies, by name. Raises BadInputError."""
    path = root / PINS
    try:
        said = canonical.decode(path.read_bytes()) if path.is_file() else {}
        return {name: bytes.fromhex(key) for name, key in said.items()}
    except (AttributeError, TypeError, ValueError, BadInputError) as error:
        raise BadInputError(f"{path}: {error!r}; put it back from a copy") from None


def write_pins(root: Path, pins: Mapping[str, bytes]) -> None:
    """Pin the keys of far copies."""
    durable.write_file(root / PINS, canonical.encode({name: key.hex() for name, key in pins.items()}))
