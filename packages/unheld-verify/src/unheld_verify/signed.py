"""A signed document: canonical JSON with a `kind`, and an Ed25519 signature over kind and document.

The form of everything that branch, headquarters, custodians and subscribers say to each other (`docs/spec/custody.md`).
The kind stands in the signed bytes before the document, so that no signature serves for two purposes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from unheld_verify import canonical, crypto, formats, note
from unheld_verify.errors import BadInputError, VerificationError

Document = dict[str, Any]
_SIGNATURE_BYTES = 64
_KIND = re.compile("[a-z][a-z-]{0,31}")


@dataclass(frozen=True)
class Signed:
    """A document and who-knows-whose signature: nothing of it is true before `by`."""

    document: Document
    signature: bytes

    @property
    def kind(self) -> str:
        """What it is."""
        return str(self.document["kind"])

    @property
    def digest(self) -> bytes:
        """SHA-256 of its bytes: what others refer to it by."""
        return crypto.sha256(self.encode())

    def encode(self) -> bytes:
        """Canonical bytes."""
        return canonical.encode(self.as_json())

    def as_json(self) -> Document:
        """As a JSON value, for a document that carries others."""
        return {"document": self.document, "signature": note.base64_text(self.signature)}

    def by(self, public: bytes, who: str = "who should have signed it") -> Document:
        """The document, if `public` (32 bytes) of `who` signed it. Raises VerificationError naming them."""
        try:
            crypto.verify(public, self.signature, _message(self.document))
        except VerificationError as error:
            raise VerificationError(f"{self.kind} of {who}: {error}") from None
        return self.document


def sign(document: Document, seed: bytes) -> Signed:
    """Sign a document, which names its `kind`, with an Ed25519 seed of 32 bytes."""
    return Signed(document, crypto.sign(seed, _message(document)))


def decode(data: bytes, *kinds: str) -> Signed:
    """Parse one of these kinds, or any where none is named. Raises BadInputError for other bytes or kinds."""
    return from_json(canonical.decode(data), *kinds)


def from_json(value: Any, *kinds: str) -> Signed:
    """The inverse of `Signed.as_json`. Raises BadInputError."""
    if not isinstance(value, dict) or set(value) != {"document", "signature"}:
        raise BadInputError("a signed document has a document and a signature, and nothing else")
    document, text = value["document"], value["signature"]
    formats.check_json("signed", document)
    if not isinstance(document, dict) or not same(document.get("v", 0), 1) or not _is_kind(document.get("kind")):
        raise BadInputError("signed document: not of a version known here")
    if kinds and document["kind"] not in kinds:
        raise BadInputError(f"signed document: a {document['kind'][:40]!r}, where {' or '.join(kinds)} belongs")
    signature = note.base64_bytes(text, "signature") if isinstance(text, str) else b""
    if len(signature) != _SIGNATURE_BYTES:
        raise BadInputError(f"signed document: a signature has {_SIGNATURE_BYTES} bytes")
    return Signed(document, signature)


def same(value: Any, other: Any) -> bool:
    """Whether two JSON values have the same bytes. Python's `==` takes `true` for 1."""
    if type(value) is type(other) is str and value.isascii() and other.isascii():
        return bool(value == other)
    return canonical.encode(value) == canonical.encode(other)


def _is_kind(value: Any) -> bool:
    return isinstance(value, str) and _KIND.fullmatch(value) is not None


def _message(document: Document) -> bytes:
    body = canonical.encode(document)
    return b"unheld/v1/signed/" + str(document["kind"]).encode() + b"\n" + body
