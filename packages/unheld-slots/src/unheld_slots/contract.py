"""What every erasable slot promises, whatever it is made of (`docs/spec/slot.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from unheld_verify.errors import InternalError, StateError

ID_BYTES = 16
SECRET_BYTES = 32
BINDING_BYTES = 64

_TOP_GENERATION = 2**64


@dataclass(frozen=True)
class Live:
    """A generation that a slot holds: the only object through which its secret is reached."""

    generation: int
    secret: bytes = field(repr=False)
    binding: bytes


class Slot(Protocol):
    """Holds the secret of one generation, and of two while the owner replaces one by the other.

    What every backend promises, and one contract suite checks:

    - `slot_id` is 16 bytes, the same as long as any generation lives.
    - `live()` reads the place itself, never a memory of it, and gives 0 to 2 generations, the older first; two differ
      by one. After a crash during any call it gives what was live before that call or what is live after it.
    - `prepare` adds a generation. It is refused (StateError, nothing changed) while two are live, or when the new one
      does not follow the one that is. When it returns the secret survives a power cut.
    - `destroy` ends a generation, and only while another lives, so that no slip forgets everything. When it returns the
      secret cannot be read at this place again; how much further that holds is what `words()` says, in plain words.
    - `wipe` ends all of them: the owner ends.
    - A call that raises StateUnknownError may or may not have happened: call `live()`, never repeat it blind.

    Locking is the owner's: one process works on a slot.
    """

    @property
    def slot_id(self) -> bytes: ...  # noqa: D102 - the contract stands above

    def live(self) -> list[Live]: ...  # noqa: D102
    def prepare(self, generation: int, secret: bytes, binding: bytes = b"") -> None: ...  # noqa: D102
    def destroy(self, generation: int) -> None: ...  # noqa: D102
    def wipe(self) -> None: ...  # noqa: D102
    def words(self) -> str: ...  # noqa: D102


def check_fits(generation: int, secret: bytes, binding: bytes) -> None:
    """Refuse what no slot holds. Raises InternalError."""
    if len(secret) != SECRET_BYTES or len(binding) > BINDING_BYTES or not 0 < generation < _TOP_GENERATION:
        raise InternalError("a slot holds a generation above 0, 32 bytes of secret, up to 64 of binding")


def check_follows(place: object, generation: int, held: Sequence[int]) -> None:
    """Refuse a generation that is not the next one. Raises StateError."""
    if len(held) == 2 or (held and generation != held[0] + 1):
        raise StateError(f"{place}: generation {generation} cannot follow {held}: open the owner again first")
