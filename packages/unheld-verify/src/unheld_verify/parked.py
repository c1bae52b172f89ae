"""The header of a parked batch (`docs/spec/parked.md`): what a custodian opens its box by. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unheld_verify import canonical, crypto, formats
from unheld_verify.columns import LAST_DAY, PARK_REASONS, components, held
from unheld_verify.errors import BadInputError, WrongKeyError

SHARE_BYTES = 32
_FIELDS = {"v", "store", "batch", "reason", "period", "set", "n", "t", "boxes"}


@dataclass(frozen=True)
class ParkedHeader:
    """Which batch this is, whose keys it is parked under, and one box for each custodian."""

    store: bytes
    batch: bytes
    reason: str
    period: int
    set: int
    n: int
    t: int
    boxes: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.encode(
            {
                "v": 1,
                "store": self.store.hex(),
                "batch": self.batch.hex(),
                "reason": self.reason,
                "period": self.period,
                "set": self.set,
                "n": self.n,
                "t": self.t,
                "boxes": [base64.b64encode(box).decode() for box in self.boxes],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> ParkedHeader:
        """Parse; bytes that `encode` would not give back are refused with BadInputError."""
        fields = canonical.decode(data)
        formats.check_json("parked-header", fields)
        if not isinstance(fields, dict) or set(fields) != _FIELDS or fields["v"] != 1:
            raise BadInputError("parked header: not of a version known here")
        try:
            header = cls._from(fields)
        except (TypeError, ValueError, AttributeError, binascii.Error):
            raise BadInputError("parked header: a field has the wrong type") from None
        if header.reason not in PARK_REASONS or len(header.store) != 16 or len(header.batch) != 16:
            raise BadInputError("parked header: unknown reason, or an id that is not 16 bytes")
        if not 0 <= header.period <= LAST_DAY or not 0 <= header.set < 2**32:
            raise BadInputError("parked header: a period or a custodian set that there cannot be")
        components(header.n, header.t)
        if len(header.boxes) != header.n or header.encode() != data:
            raise BadInputError("parked header: it holds other boxes or spellings than this format writes")
        return header

    @classmethod
    def _from(cls, fields: Mapping[str, Any]) -> ParkedHeader:
        if not all(type(fields[name]) is int for name in ("v", "period", "set", "n", "t")):
            raise TypeError
        return cls(
            store=bytes.fromhex(fields["store"]),
            batch=bytes.fromhex(fields["batch"]),
            reason=fields["reason"],
            period=fields["period"],
            set=fields["set"],
            n=fields["n"],
            t=fields["t"],
            boxes=tuple(base64.b64decode(box, validate=True) for box in fields["boxes"]),
        )


def box_info(store: bytes, batch: bytes, index: int) -> bytes:
    """The HPKE info of a custodian's box: a box moved to another store, batch or custodian does not open."""
    return b"unheld/v1/parked" + store + batch + bytes([index])


def seal_box(public: bytes, header_ids: tuple[bytes, bytes], index: int, shares: Mapping[int, bytes]) -> bytes:
    """Seal the shares of the components that custodian `index` holds. `header_ids` is (store id, batch id)."""
    plaintext = b"".join(number.to_bytes(2, "big") + shares[number] for number in sorted(shares))
    return crypto.box_seal(public, plaintext, box_info(*header_ids, index))


def open_box(private: bytes, header: ParkedHeader, index: int) -> dict[int, bytes]:
    """The shares in the box of custodian `index`. Raises WrongKeyError."""
    plaintext = crypto.box_open(private, header.boxes[index], box_info(header.store, header.batch, index))
    size = 2 + SHARE_BYTES
    entries = [plaintext[start : start + size] for start in range(0, len(plaintext), size)]
    numbers = [int.from_bytes(entry[:2], "big") for entry in entries]
    if len(plaintext) % size or numbers != held(header.n, header.t, index):
        raise WrongKeyError(
            f"parked {header.batch.hex()}: the box of custodian {index + 1} holds other shares than its own"
        )
    return {number: entry[2:] for number, entry in zip(numbers, entries, strict=True)}
