"""The card: a secret on paper, in groups that a person can type, and the signing key that follows from it.

The secret never reaches the operator; the registry holds the public key alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from unheld_verify import crypto
from unheld_verify.errors import BadInputError

PREFIX = "UNHELD:CARD:1:"
SECRET_BYTES = 32
_LINES, _LINE_BYTES, _CHECK_BYTES = 4, 8, 2
_GROUP = 4
_LINE_DIGITS = 2 * (_LINE_BYTES + _CHECK_BYTES)


@dataclass(frozen=True)
class Card:
    """A card's secret, 32 bytes. Whoever holds it can ask for what is sealed to its key."""

    secret: bytes = field(repr=False)

    @property
    def seed(self) -> bytes:
        """The Ed25519 seed that signs for the card: not the secret itself, which may seal other things later."""
        return crypto.hkdf_sha256(self.secret, b"unheld/v1/card/sign")

    @property
    def public(self) -> bytes:
        """What the registry's column of subscriber keys holds, 32 bytes."""
        return crypto.sign_public(self.seed)

    def lines(self) -> list[str]:
        """Four lines of five groups of four hex digits; the fifth group checks its line."""
        return [_line(number, self.secret[at : at + _LINE_BYTES]) for number, at in _places()]

    def text(self) -> str:
        """What the QR code holds: the prefix and the same digits."""
        return PREFIX + "".join(self.lines()).replace("-", "").upper()


def new() -> Card:
    """A card that nobody has."""
    return Card(crypto.random_bytes(SECRET_BYTES))


def read(text: str) -> Card:
    """A card as a person types or scans it: spaces, dashes, line ends and capitals do not matter.

    Raises BadInputError naming the line that is mistyped, never its digits.
    """
    digits = re.sub(r"[\s-]", "", text.upper().strip().removeprefix(PREFIX)).lower()
    if not re.fullmatch(f"[0-9a-f]{{{_LINES * _LINE_DIGITS}}}", digits):
        raise BadInputError("card: it has 4 lines of 5 groups of 4 characters, 0 to 9 and a to f; type all of them")
    secret = b""
    for number, _ in _places():
        line = digits[number * _LINE_DIGITS : (number + 1) * _LINE_DIGITS]
        part = bytes.fromhex(line[: 2 * _LINE_BYTES])
        if _line(number, part).replace("-", "") != line:
            raise BadInputError(f"card: line {number + 1} is mistyped; compare it with the card, group by group")
        secret += part
    return Card(secret)


def _places() -> list[tuple[int, int]]:
    return [(number, number * _LINE_BYTES) for number in range(_LINES)]


def _line(number: int, part: bytes) -> str:
    check = crypto.sha256(b"unheld/v1/card", bytes([number]), part)[:_CHECK_BYTES]
    digits = (part + check).hex()
    return "-".join(digits[at : at + _GROUP] for at in range(0, len(digits), _GROUP))
