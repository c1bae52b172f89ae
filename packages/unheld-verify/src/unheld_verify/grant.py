"""Grants: what a subscriber signs to have their own folios opened (`docs/spec/grant.md`). Pure.

The label that custodians evaluate is made of the subscriber's public key, so that nobody without its secret can ask,
and no custodian has to learn a number to know whose label it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unheld_verify import columns, crypto, note, signed
from unheld_verify.columns import EventColumn
from unheld_verify.errors import BadInputError, NotAllowedError, VerificationError
from unheld_verify.signed import Document, Signed

OWN_ACCESS = "own-access"
EXPIRY_MOST = 7 * 86_400
COLUMNS_MOST = 4 * 400
SALT_BYTES = LABEL_BYTES = VALUE_BYTES = 16
_NONCE_BYTES = 16

Values = Mapping[tuple[EventColumn, int], Mapping[int, bytes]]
"""By (class, event day) and sealing day, and by component: AES-256 of the label under the component's column key."""


@dataclass(frozen=True)
class Grant:
    """A subscriber's own access: columns (class, event day), between two Unix seconds, to a one-time answer key."""

    store: bytes
    public: bytes
    salt: bytes
    columns: tuple[EventColumn, ...]
    not_before: int
    expires: int
    nonce: bytes
    answer: bytes

    @property
    def label(self) -> bytes:
        """Whose folios."""
        return label(self.public, self.salt)

    def document(self) -> Document:
        """As JSON values."""
        return {
            "v": 1,
            "kind": "grant",
            "purpose": OWN_ACCESS,
            "store": self.store.hex(),
            "subscriber": self.public.hex(),
            "salt": self.salt.hex(),
            "columns": [[cls, columns.day_text(day)] for cls, day in self.columns],
            "not_before": self.not_before,
            "expires": self.expires,
            "nonce": self.nonce.hex(),
            "answer": note.base64_text(self.answer),
        }

    def signed(self, seed: bytes) -> Signed:
        """Signed with the subscriber's Ed25519 seed."""
        return signed.sign(self.document(), seed)


def label(public: bytes, salt: bytes) -> bytes:
    """The label of a party that has a subscriber public key: 16 bytes (`docs/spec/node.md`)."""
    return crypto.sha256(b"unheld/v1/label", public, salt)[:LABEL_BYTES]


def verified(said: Signed) -> Grant:
    """The grant, if the subscriber it names signed it. Raises VerificationError, BadInputError."""
    try:
        grant = _grant(said.document)
        sound = signed.same(grant.document(), said.document) and _is_sound(grant)
    except (KeyError, TypeError, ValueError, AttributeError):
        sound = False
    if not sound:
        raise BadInputError("grant: fields or values that this version does not write")
    said.by(grant.public)
    return grant


def check_time(grant: Grant, now: int) -> None:
    """Raises NotAllowedError outside the grant's time."""
    if not grant.not_before <= now < grant.expires:
        raise NotAllowedError("this grant is not good at this time; sign a new one")


def values_body(values: Values) -> list[list[Any]]:
    """Values as JSON: [class, event day, sealing day, {component: hex}]."""
    return [
        [cls, columns.day_text(day), columns.day_text(sealed), {str(s): value.hex() for s, value in found.items()}]
        for ((cls, day), sealed), found in sorted(values.items())
    ]


def values_of(listed: Any) -> dict[tuple[EventColumn, int], dict[int, bytes]]:
    """The inverse of `values_body`. Raises BadInputError."""
    try:
        found = {
            ((cls, columns.day_number(day)), columns.day_number(sealed)): {
                int(component): bytes.fromhex(value) for component, value in values.items()
            }
            for cls, day, sealed, values in listed
        }
        sound = signed.same(values_body(found), listed) and {cls for (cls, _), _ in found} <= set(columns.CLASSES)
    except (TypeError, ValueError, AttributeError) as error:
        raise BadInputError(f"values: {error!r}") from None
    if not sound or any(len(value) != VALUE_BYTES for values in found.values() for value in values.values()):
        raise BadInputError(f"values: not in order, or not {VALUE_BYTES} bytes each")
    return found


def sealed_values(asked: Signed, place: tuple[int, int], values: Values, seed: bytes) -> bytes:
    """A custodian's values for a grant, signed with its `seed` and sealed to the subscriber's answer key.

    `place` is (set, index). Headquarters carries this and reads none of it.
    """
    said = signed.sign(_values_head(asked, place) | {"values": values_body(values)}, seed)
    answer = note.base64_bytes(asked.document["answer"], "answer")
    return crypto.box_seal(answer, said.encode(), _values_info(asked, place))


def open_values(
    sealed: bytes, asked: Signed, place: tuple[int, int], public: bytes, private: bytes
) -> dict[tuple[EventColumn, int], dict[int, bytes]]:
    """The inverse of `sealed_values`, with the custodian's `public` key and the `private` half of the answer key.

    Raises WrongKeyError, VerificationError when that custodian did not sign it for this grant, BadInputError.
    """
    said = signed.decode(crypto.box_open(private, sealed, _values_info(asked, place)), "values")
    document = said.by(public, f"custodian {place[1] + 1}")
    if not signed.same({**document, "values": []}, _values_head(asked, place) | {"values": []}):
        raise VerificationError(f"custodian {place[1] + 1}: these values are for another grant, set or store")
    return values_of(document.get("values"))


def tombstone(store: bytes, label: bytes) -> bytes:
    """What custodians keep of a forgotten label, 16 bytes: it fits this label and gives no way back to it."""
    return crypto.sha256(b"unheld/v1/tombstone", store, label)[:LABEL_BYTES]


def join(values: Sequence[bytes]) -> bytes:
    """F(label) from the value of every component, one of each and all of them: what is left out, F lacks."""
    return crypto.xor(values)


def _values_head(asked: Signed, place: tuple[int, int]) -> Document:
    head = {"v": 1, "kind": "values", "store": asked.document["store"], "set": place[0], "from": place[1]}
    return head | {"grant": asked.digest.hex()}


def _values_info(asked: Signed, place: tuple[int, int]) -> bytes:
    return b"unheld/v1/values" + asked.digest + place[0].to_bytes(4, "big") + bytes([place[1]])


def _grant(document: Document) -> Grant:
    return Grant(
        bytes.fromhex(document["store"]), bytes.fromhex(document["subscriber"]), bytes.fromhex(document["salt"]),
        tuple((cls, columns.day_number(day)) for cls, day in document["columns"]), document["not_before"],
        document["expires"], bytes.fromhex(document["nonce"]), note.base64_bytes(document["answer"], "answer"),
    )  # fmt: skip


def _is_sound(grant: Grant) -> bool:
    lengths = (len(grant.store), len(grant.public), len(grant.salt), len(grant.nonce), len(grant.answer))
    times = all(type(when) is int and 0 <= when < 2**32 for when in (grant.not_before, grant.expires))
    return (
        lengths == (16, 32, SALT_BYTES, _NONCE_BYTES, crypto.PARK_PUBLIC_BYTES)
        and times
        and 0 < grant.expires - grant.not_before <= EXPIRY_MOST
        and 0 < len(grant.columns) <= COLUMNS_MOST
        and list(grant.columns) == columns.in_order(set(grant.columns))
        and all(cls in columns.CLASSES for cls, _ in grant.columns)
    )
