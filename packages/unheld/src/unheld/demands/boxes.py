"""What a demand names, and the document as it came: sealed to the escrow key. Filing needs its public half only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unheld_branch.store.blocks import padme
from unheld_slots import durable
from unheld_verify import canonical, crypto, receipt
from unheld_verify.errors import BadInputError, VerificationError, WrongKeyError
from unheld_verify.receipt import Party

NAMED, DOCUMENT = "named.box", "document.box"
_NAMED_INFO, _DOCUMENT_INFO, _CLAIM_INFO = b"unheld/v1/demand", b"unheld/v1/document", b"unheld/v1/claim"
_SALT_BYTES, _LENGTH_BYTES = 32, 4
_LEAST_BYTES = 4_096


@dataclass(frozen=True)
class Named:
    """The lines that a demand names, in its tree, and the words of what else it names."""

    parties: tuple[Party, ...] = field(repr=False)
    note: str = field(default="", repr=False)


def write_named(folder: Path, public: bytes, ids: bytes, named: Named) -> None:
    """Seal what a demand names. `ids` are the store's and the demand's, 16 bytes each."""
    document = {"v": 1, "parties": [party.to_json() for party in named.parties], "note": named.note}
    _seal(folder / NAMED, public, canonical.encode(document), _NAMED_INFO + ids)


def read_named(folder: Path, private: bytes, ids: bytes) -> Named:
    """Open what `write_named` sealed. Raises WrongKeyError, or BadInputError for a box that is missing."""
    document = canonical.decode(_open(folder / NAMED, private, _NAMED_INFO + ids))
    known = isinstance(document, dict) and set(document) == {"v", "parties", "note"} and document["v"] is not True
    if (
        not known
        or document["v"] != 1
        or not isinstance(document["parties"], list)
        or not isinstance(document["note"], str)
    ):
        raise BadInputError(f"{folder / NAMED}: not of a version known here; use the program that sealed it")
    return Named(tuple(receipt.parse_party(party) for party in document["parties"]), document["note"])


def write_document(folder: Path, public: bytes, ids: bytes, document: bytes) -> str:
    """Seal the document and give its digest, hex: under a salt inside the box, so that the digest tells nobody which
    of two letters it was."""
    salt = crypto.random_bytes(_SALT_BYTES)
    _seal(folder / DOCUMENT, public, salt + document, _DOCUMENT_INFO + ids)
    return crypto.hmac_sha256(salt, document).hex()


def read_document(folder: Path, private: bytes, ids: bytes, digest: str) -> bytes:
    """Open what `write_document` sealed. Raises WrongKeyError, or VerificationError for another document."""
    plain = _open(folder / DOCUMENT, private, _DOCUMENT_INFO + ids)
    salt, document = plain[:_SALT_BYTES], plain[_SALT_BYTES:]
    if not crypto.equal(crypto.hmac_sha256(salt, document), bytes.fromhex(digest)):
        raise VerificationError(f"{folder / DOCUMENT}: is not the document that was filed")
    return document


def write_claim(folder: Path, public: bytes, store: bytes, asker: str, at: int) -> None:
    """Keep who asked whether a line was named, and when, sealed; the line itself is not kept."""
    durable.make_folders(folder)
    said = canonical.encode({"v": 1, "at": at, "asker": asker})
    _seal(folder / f"{crypto.random_bytes(16).hex()}.box", public, said, _CLAIM_INFO + store)


def _seal(path: Path, public: bytes, plain: bytes, info: bytes) -> None:
    """Seal with padding: a file's size would tell which of two names or letters is in it."""
    body = len(plain).to_bytes(_LENGTH_BYTES) + plain
    durable.write_file(path, crypto.box_seal(public, body.ljust(max(_LEAST_BYTES, padme(len(body))), b"\0"), info))


def _open(path: Path, private: bytes, info: bytes) -> bytes:
    if not path.is_file():
        raise BadInputError(f"{path}: is missing; put back the last good copy of the register")
    try:
        body = crypto.box_open(private, path.read_bytes(), info)
    except WrongKeyError as error:
        raise WrongKeyError(f"{path}: {error}") from None
    return body[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES])]
