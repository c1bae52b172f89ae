"""A network that loses, delays, repeats, alters and swaps messages as its seed draws, between one asker and custodians.

An ask is a synchronous call. A delay is what it is to the caller: no answer in time (AwayError), while the message
still arrives some day, after newer ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from unheld_verify.errors import AwayError

FATES = ("lost ask", "lost answer", "late", "twice", "altered ask", "altered answer", "old answer", "swapped")
_HOUR = 3600
_KEPT = 30

Handler = Callable[[bytes], bytes | None]
"""A custodian's machine: bytes to bytes, or None when it is off or its power goes in between."""


@dataclass
class Weather:
    """How often, of a thousand calls, each fate strikes. `cut`: who cannot be reached at all now."""

    often: Mapping[str, int] = field(default_factory=dict)
    cut: set[int] = field(default_factory=set)
    all_cut: bool = False


@dataclass(frozen=True)
class Late:
    """A message under way."""

    arrives: float
    index: int
    data: bytes


@dataclass
class SimulatedNetwork:
    """A `custody.Transport`. `handlers` by custodian; `now` gives the true seconds; `record` hears each fate."""

    random: Random
    handlers: Mapping[int, Handler]
    now: Callable[[], float]
    record: Callable[..., None]
    weather: Weather = field(default_factory=Weather)
    under_way: list[Late] = field(default_factory=list)
    answers: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_KEPT))
    asks: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=_KEPT))

    def call(self, index: int, data: bytes) -> bytes:
        """Deliver, or not. Raises AwayError."""
        self.deliver_late()
        if self.weather.all_cut or index in self.weather.cut:
            raise AwayError(f"custodian {index}: no way there")
        self.asks.append((index, data))
        fate = self._draw()
        if fate is not None:
            self.record("fate", fate, index)
            return self._struck(fate, index, data)
        return self._deliver(index, data)

    def deliver_late(self) -> None:
        """Let arrive what is due by now, in whatever order; nobody waits for the answers."""
        due = [late for late in self.under_way if late.arrives <= self.now()]
        if not due:
            return
        self.under_way = [late for late in self.under_way if late.arrives > self.now()]
        self.random.shuffle(due)
        for late in due:
            if not self.weather.all_cut and late.index not in self.weather.cut:
                self.record("late", late.index)
                self.handlers[late.index](late.data)

    def replay(self) -> None:
        """A man in the middle sends something recorded again, to the one it was for or to another."""
        if self.asks:
            index, data = self.random.choice(list(self.asks))
            to = self.random.choice([index, *self.handlers])
            self.record("replay", index, to)
            self.handlers[to](data)

    def _struck(self, fate: str, index: int, data: bytes) -> bytes:
        if fate == "late":
            self.under_way.append(Late(self.now() + self.random.expovariate(1 / (6 * _HOUR)), index, data))
        if fate in ("late", "lost ask"):
            raise AwayError(f"custodian {index}: no answer in time")
        if fate == "altered ask":
            data = self._altered(data)
        if fate == "swapped":
            index = self.random.choice(list(self.handlers))
        answer = self._deliver(index, data)
        if fate == "lost answer":
            raise AwayError(f"custodian {index}: no answer in time")
        if fate == "twice":
            return self._deliver(index, data)
        if fate == "altered answer":
            return self._altered(answer)
        return self.random.choice(list(self.answers))[1] if fate == "old answer" else answer

    def _deliver(self, index: int, data: bytes) -> bytes:
        answer = self.handlers[index](data)
        if answer is None:
            raise AwayError(f"custodian {index}: does not answer")
        self.answers.append((index, answer))
        return answer

    def _draw(self) -> str | None:
        drawn = self.random.randrange(1000)
        for fate, often in self.weather.often.items():
            if drawn < often:
                return fate
            drawn -= often
        return None

    def _altered(self, data: bytes) -> bytes:
        at = int(self.random.random() * len(data))
        if self.random.random() < 0.2:
            return data[:at]
        return data[:at] + bytes([data[at] ^ self.random.randrange(1, 256)]) + data[at + 1 :]
