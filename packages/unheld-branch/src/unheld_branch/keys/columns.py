"""The column keys of an open day: merged from the custodians' pushes, evaluated here while the day is open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from unheld_verify import columns, formats
from unheld_verify.columns import CLASS_NAMES, CLASSES, EventColumn, Push
from unheld_verify.custody import called
from unheld_verify.errors import BadInputError, SealedError, StateError, VerificationError

_MAGIC = b"UNHDAYK1"
_HEAD = len(_MAGIC) + 4 + 4 + 2 + 4
_NAME = 1 + 4
_KEY = 32


@dataclass(frozen=True)
class DayKeys:
    """All components' keys of every column that sealing day `day` of a custodian set may seal into."""

    set: int
    day: int
    keys: Mapping[EventColumn, tuple[bytes, ...]] = field(repr=False)

    def evaluate(self, cls: str, event_day: int, labels: bytes) -> bytes:
        """F(label) of that column for each 16-byte label, joined. Raises SealedError when the column is not open."""
        keys = self.keys.get((cls, event_day))
        if keys is None:
            where = f"{cls} of {columns.date_of(event_day)}"
            raise SealedError(
                f"{where} is not open on {columns.date_of(self.day)}: too late, not yet, lapsed or erased"
            )
        return columns.evaluate(keys, labels)

    def only(self, pairs: Collection[EventColumn]) -> DayKeys:
        """The same day without the keys of any other column."""
        return replace(self, keys={pair: keys for pair, keys in self.keys.items() if pair in pairs})

    def to_bytes(self) -> bytes:
        """`UNHDAYK1` ‖ set u32 ‖ day u32 ‖ components u16 ‖ columns u32 ‖ (class u8 ‖ d u32 ‖ keys)*, sorted."""
        count = len(next(iter(self.keys.values()), ()))
        head = self.set.to_bytes(4, "big") + self.day.to_bytes(4, "big")
        sizes = count.to_bytes(2, "big") + len(self.keys).to_bytes(4, "big")
        rows = (
            bytes([CLASSES[cls]]) + day.to_bytes(4, "big") + b"".join(self.keys[cls, day])
            for cls, day in columns.in_order(self.keys)
        )
        return b"".join([_MAGIC, head, sizes, *rows])

    @classmethod
    def from_bytes(cls, data: bytes) -> DayKeys:
        """Parse what `to_bytes` made. Raises BadInputError for any other bytes."""
        formats.check_magic("day-keys", data)
        count = int.from_bytes(data[16:18], "big")
        size = _NAME + count * _KEY
        rows = [data[at : at + size] for at in range(_HEAD, len(data), size)]
        if data[:8] != _MAGIC or len(data) != _HEAD + int.from_bytes(data[18:22], "big") * size:
            raise BadInputError("day keys: not of a version known here, or cut off")
        if any(row[0] not in CLASS_NAMES or int.from_bytes(row[1:5], "big") > columns.LAST_DAY for row in rows):
            raise BadInputError("day keys: a column of an unknown class, or of a day that has no date")
        keys = {
            (CLASS_NAMES[row[0]], int.from_bytes(row[1:5], "big")): tuple(
                row[at : at + _KEY] for at in range(_NAME, size, _KEY)
            )
            for row in rows
        }
        found = cls(int.from_bytes(data[8:12], "big"), int.from_bytes(data[12:16], "big"), keys)
        if found.to_bytes() != data:
            raise BadInputError("day keys: columns are not in order")
        return found


def merge_pushes(pushes: Sequence[Push], n: int, t: int, names: Sequence[str] = ()) -> DayKeys:
    """Join what custodians pushed for one day; all or nothing. `names` is what an error calls them.

    A column that one of them erased is left out. Raises BadInputError for pushes that do not belong together,
    VerificationError naming the two custodians that give different keys for a component, and StateError when a
    component is missing because fewer than t pushed.
    """
    _belong_together(pushes, n, t, names)
    open_columns = columns.in_order(set[EventColumn].intersection(*(set(push.keys) for push in pushes)))
    giver: dict[int, Push] = {}
    for push in pushes:
        for component in columns.held(n, t, push.index):
            _compare(giver.setdefault(component, push), push, (component, open_columns), names)
    missing = sorted(set(range(len(columns.components(n, t)))) - set(giver))
    if missing:
        raise StateError(f"components {_text(missing)} are missing: {len(pushes)} custodians pushed, {t} are needed")
    ordered = [giver[component].keys for component in sorted(giver)]
    return DayKeys(
        pushes[0].set,
        pushes[0].day,
        {pair: tuple(keys[pair][component] for component, keys in enumerate(ordered)) for pair in open_columns},
    )


def _belong_together(pushes: Sequence[Push], n: int, t: int, names: Sequence[str]) -> None:
    if not pushes:
        raise StateError(f"no custodian pushed: {t} are needed")
    if len({(push.set, push.day) for push in pushes}) > 1:
        raise BadInputError("pushes belong to different days or custodian sets")
    if len({push.index for push in pushes}) < len(pushes):
        raise BadInputError("a custodian pushed twice")
    for push in pushes:
        check_push(push, n, t, names)


def check_push(push: Push, n: int, t: int, names: Sequence[str] = ()) -> None:
    """Raises BadInputError or VerificationError when a push alone is wrong already: other components, other checks."""
    if not 0 <= push.index < n:
        raise BadInputError(f"a custodian that is not one of {n} pushed")
    who, expected = called(names, push.index), columns.held(n, t, push.index)
    for pair, keys in push.keys.items():
        if sorted(keys) != expected or any(len(key) != _KEY for key in keys.values()):
            where = f"{pair[0]} of {columns.date_of(pair[1])}"
            raise BadInputError(f"{who}: its keys for {where} are not those of its components")
    if dict(push.checks) != columns.checks(push.keys):
        raise VerificationError(f"{who}: its keys differ from its own checks; ask it again")


def complete(pushes: Sequence[Push], expected: Collection[EventColumn], t: int) -> tuple[list[Push], list[int]]:
    """The pushes without those that lack a column of `expected`, and whose these are: none shuts a day by omission.

    Where fewer than t have all of them, all pushes stay: n-t+1 may have erased one of which nobody here was told.
    """
    lacking = [push.index for push in pushes if not set(expected) <= set(push.keys)]
    if len(pushes) - len(lacking) < t:
        return list(pushes), []
    return [push for push in pushes if push.index not in lacking], lacking


def agreeing(pushes: Sequence[Push], n: int, t: int) -> tuple[list[Push], list[int]]:
    """The pushes without those of liars, and who these are: the fewest without whom all others agree.

    Named only where there is one such choice and t others are left: else it is word against word, all pushes stay and
    none merges. With 2 of 3 a custodian that contradicts both others is found, though each component has two holders.
    """
    pairs = _contradictions(pushes, n, t)
    for size in range(len(pushes) - t + 1):
        chosen = [set(some) for some in combinations([push.index for push in pushes], size)]
        found = [some for some in chosen if all(some & pair for pair in pairs)]
        if len(found) == 1:
            return [push for push in pushes if push.index not in found[0]], sorted(found[0])
        if found:
            break
    return list(pushes), []


def _contradictions(pushes: Sequence[Push], n: int, t: int) -> list[set[int]]:
    """Pairs of custodians that give different keys for a component of a column that all of them opened."""
    shared = columns.in_order(set[EventColumn].intersection(*(set(push.keys) for push in pushes))) if pushes else []
    return [
        {one.index, other.index}
        for one, other in combinations(pushes, 2)
        if any(
            one.keys[pair][component] != other.keys[pair][component]
            for component in set(columns.held(n, t, one.index)) & set(columns.held(n, t, other.index))
            for pair in shared
        )
    ]


def corroborated(pushes: Sequence[Push], n: int, t: int) -> bool:
    """Whether every component came from two custodians at least: never where all n are needed, but for n = 1."""
    return n == 1 or all(
        sum(component in columns.held(n, t, push.index) for push in pushes) > 1
        for component in range(len(columns.components(n, t)))
    )


def _compare(first: Push, second: Push, what: tuple[int, Iterable[EventColumn]], names: Sequence[str]) -> None:
    component, open_columns = what
    for pair in open_columns:
        if first.keys[pair][component] != second.keys[pair][component]:
            raise VerificationError(
                f"{called(names, first.index)} and {called(names, second.index)} give different keys for component "
                f"{component} ({pair[0]} of {columns.date_of(pair[1])}): one of them is wrong; leave out one and ask "
                "a third"
            )


def _text(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
