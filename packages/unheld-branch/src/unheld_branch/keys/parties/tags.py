"""From identities to what a row holds of them: tags, labels, holder checks (`docs/spec/node.md`).

No error here repeats an identity: errors end up in logs, and logs are not forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from unheld_branch.keys.parties.rows import MAX_SECONDS, TAG_BYTES, VALUE_BYTES, Bytes
from unheld_verify import crypto
from unheld_verify.errors import BadInputError

PUBLIC_BYTES, SALT_BYTES, LABEL_BYTES = 32, 16, 16
_LABEL = b"unheld/v1/label"
_HOLDER = b"unheld/v1/holder"
# Sender names: the characters of the GSM default alphabet (3GPP TS 23.038) that are ASCII, upper-cased.
_IDENTITY = re.compile(
    r"tel:\+[0-9]{8,15}|imsi:[0-9]{14,15}|short:[0-9]{1,6}|sub:[A-Za-z0-9._-]{1,32}"
    r"|alpha:[ -Z_]{1,11}"
)


def check(identities: Sequence[str]) -> None:
    """Raise BadInputError, naming the place, unless every identity has one of the five forms."""
    valid = _IDENTITY.fullmatch
    for place, identity in enumerate(identities):
        if valid(identity) is None:
            raise BadInputError(
                f"identity number {place} is none of tel:+<8..15 digits>, imsi:<14..15 digits>, short:<1..6 digits>,"
                " alpha:<1..11 upper-case characters>, sub:<1..32 characters>"
            )


def tags(tag_key: bytes, identities: Sequence[str], ended: int | Sequence[int] = 0) -> Bytes:
    """n x 16 bytes: the tag of each identity's present holder, or of the one whose time ended at that second."""
    check(identities)
    tag = crypto.blake2b_128
    if isinstance(ended, int):
        prefix = _second(ended)
        joined = b"".join(tag(tag_key, prefix + identity.encode()) for identity in identities)
    else:
        pairs = zip(ended, identities, strict=True)
        joined = b"".join(tag(tag_key, _second(end) + identity.encode()) for end, identity in pairs)
    return np.frombuffer(joined, np.uint8).reshape(-1, TAG_BYTES)


def label(public_key: bytes, salt: bytes) -> bytes:
    """The label of a subscriber who has a key: custodians recompute it when the subscriber asks for own records."""
    if (len(public_key), len(salt)) != (PUBLIC_BYTES, SALT_BYTES):
        raise BadInputError(f"a label needs a public key of {PUBLIC_BYTES} bytes and a salt of {SALT_BYTES}")
    return crypto.sha256(_LABEL, public_key, salt)[:LABEL_BYTES]


def holder_check(party_key: bytes, holder: str) -> bytes:
    """32 bytes by which the next registry file shows a change of holder; it says nothing once the party key is gone."""
    if not holder:
        raise BadInputError("a holder id is empty: leave it out where the registry names no holder")
    return crypto.hmac_sha256(party_key, _HOLDER, holder.encode())[:VALUE_BYTES]


def _second(ended: int) -> bytes:
    if not 0 <= ended <= MAX_SECONDS:
        raise BadInputError(f"a second lies between 0 and {MAX_SECONDS}, not at {ended}")
    return int(ended).to_bytes(4, "big")
