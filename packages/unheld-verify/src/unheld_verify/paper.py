"""Papers (docs/spec/paper.md): what headquarters signs and hands out, each named by its digest in the public log.

A paper is checked with the log's key alone: the proofs in it lead from that key to headquarters' own key.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unheld_verify import canonical, crypto, receipt, statement
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError
from unheld_verify.note import Key
from unheld_verify.receipt import Receipt
from unheld_verify.words import Step, Teller, silent, step

VERSION = 1
MAX_PAPER_BYTES = 4_000_000
CERTIFICATE_TITLE = "Keys of this store destroyed"
_SIGNED = b"unheld/v1/paper\n"
_FIELDS = {"v", "kind", "log", "store", "day", "salt", "body", "key", "signature", "proofs"}

Body = dict[str, Any]


@dataclass(frozen=True)
class Paper:
    """A paper. `salt` (32 bytes) keeps its digest in the log from telling what it says; `key` is headquarters'."""

    kind: str
    log: str
    store: str
    day: str
    body: Body
    salt: bytes = field(repr=False)
    key: bytes = b""
    signature: bytes = b""
    proofs: tuple[bytes, ...] = ()

    @property
    def digest(self) -> bytes:
        """32 bytes: what headquarters signs and the log names."""
        return crypto.sha256(_SIGNED, canonical.encode(self._unsigned()))

    def signed(self, seed: bytes) -> Paper:
        """This paper with headquarters' key and signature."""
        keyed = replace(self, key=crypto.sign_public(seed))
        return replace(keyed, signature=crypto.sign(seed, _SIGNED + keyed.digest))

    def proven(self, proofs: Sequence[bytes]) -> Paper:
        """This paper with the receipts (.tlog-proof files) that prove it."""
        return replace(self, proofs=tuple(proofs))

    def encode(self) -> bytes:
        """The bytes of a paper's file."""
        rest = {
            "signature": self.signature.hex(),
            "proofs": [base64.b64encode(proof).decode() for proof in self.proofs],
        }
        return canonical.encode(self._unsigned() | rest)

    def _unsigned(self) -> dict[str, Any]:
        return {
            "v": VERSION,
            "kind": self.kind,
            "log": self.log,
            "store": self.store,
            "day": self.day,
            "salt": self.salt.hex(),
            "body": self.body,
            "key": self.key.hex(),
        }


@dataclass(frozen=True)
class Checked:
    """A verified paper, what its receipts state, and the words for it."""

    paper: Paper
    receipts: tuple[Receipt, ...]
    says: str
    not_proven: tuple[str, ...]


def make(kind: str, log: str, store: str, day: str, body: Body) -> Paper:
    """An unsigned paper with a fresh salt."""
    return Paper(kind, log, store, day, body, crypto.random_bytes(32))


def decode(data: bytes) -> Paper:
    """Parse a paper's file. Raises BadInputError unless encoding it again gives the same bytes."""
    document = canonical.decode(data)
    if not isinstance(document, dict) or set(document) != _FIELDS:
        raise BadInputError(f"a paper has the fields {', '.join(sorted(_FIELDS))} and no other")
    if document["v"] != VERSION:
        raise CannotVerifyError(f"paper of version {document['v']}: only {VERSION} is known, use a newer program")
    if not isinstance(document["body"], dict) or not isinstance(document["proofs"], list):
        raise BadInputError("paper: the body is no object or the proofs are no list")
    paper = Paper(
        document["kind"],
        document["log"],
        document["store"],
        document["day"],
        document["body"],
        statement.hex_bytes(document["salt"], "paper: salt"),
        statement.hex_bytes(document["key"], "paper: key"),
        statement.hex_bytes(document["signature"], "paper: signature"),
        tuple(_proof(item) for item in document["proofs"]),
    )
    if len(paper.salt) != 32 or paper.encode() != data:
        raise BadInputError("paper: it is written in a way that this version does not write")
    return paper


def is_paper(data: bytes) -> bool:
    """Whether a file's bytes look like a paper, so that a program knows what to check it as."""
    return data.startswith(b'{"body":{')


def verify(data: bytes, key: Key, tell: Teller = silent) -> Checked:
    """Check a paper with the log's key; every finished step is told.

    Raises BadInputError (step 1), VerificationError (a step is false) or CannotVerifyError (a proof is missing), each
    naming the step.
    """
    with step(1, "form"):
        paper = decode(data)
    tell(Step(1, "form", f"a {paper.kind} with {len(paper.proofs)} proofs"))
    with step(2, "signature"):
        crypto.verify(paper.key, paper.signature, _SIGNED + paper.digest)
    tell(Step(2, "signature", f"made by the key {paper.key.hex()}"))
    with step(3, "proofs"):
        receipts = tuple(receipt.verify(proof, key) for proof in paper.proofs)
    tell(Step(3, "proofs", f"{len(receipts)} statements stand in the log {key.name}"))
    with step(4, "headquarters"):
        _founded(paper, receipts)
    tell(Step(4, "headquarters", f"the log's founding statement of store {paper.store} names this key"))
    with step(5, "named in the log"):
        _named(paper, receipts, key)
    tell(Step(5, "named in the log", f"the log names this paper by its digest {paper.digest.hex()}"))
    with step(6, "what it rests on"):
        rests = _rests(paper, receipts)
    tell(Step(6, "what it rests on", rests))
    said = f"Headquarters of store {paper.store} made this {paper.kind} on {paper.day}. {rests}"
    tell(Step(7, "meaning", said))
    return Checked(paper, receipts, said, receipts[0].not_proven if receipts else ())


def _proof(item: Any) -> bytes:
    try:
        return base64.b64decode(item, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise BadInputError("paper: a proof is not base64") from None


def _founded(paper: Paper, receipts: Sequence[Receipt]) -> None:
    for found in _of(receipts, "genesis"):
        policy = found["policy"]
        if found["store"] == paper.store and isinstance(policy, dict):
            if policy.get("headquarters") != paper.key.hex():
                raise VerificationError("the founding statement names another key than the one that signed")
            return
    raise CannotVerifyError("no proof in it tells of the founding of this store, so nothing names headquarters' key")


def _named(paper: Paper, receipts: Sequence[Receipt], key: Key) -> None:
    if paper.log != key.name:
        raise VerificationError(f"the paper was made for log {paper.log}, not for {key.name}")
    papers = _of(receipts, "paper")
    if not papers:
        raise CannotVerifyError("no proof in it shows that the log names this paper (yet)")
    named = {"paper": paper.kind, "digest": paper.digest.hex()}
    if not any(named.items() <= found.items() for found in papers):
        raise VerificationError("the log names another paper than this one")


def _rests(paper: Paper, receipts: Sequence[Receipt]) -> str:
    """A certificate rests on the log's own statement that everything was erased, word by word."""
    if paper.kind != "certificate":
        return f"The log does not vouch for what the {paper.kind} says."
    if paper.body.get("title") != CERTIFICATE_TITLE:
        raise VerificationError(f"a certificate's title is {CERTIFICATE_TITLE!r}")
    erased = _of(receipts, "erase-everything")
    if not erased:
        raise CannotVerifyError("no proof in it tells that everything was erased")
    claimed = paper.body.get("destroyed")
    if not any(claimed == {name: found[name] for name in ("day", "slots", "copies")} for found in erased):
        raise VerificationError("day, slots or copies differ from what the log states of the erasure")
    return f"The log states that the keys of every party were destroyed on {erased[-1]['day']}."


def _of(receipts: Sequence[Receipt], kind: str) -> list[statement.Statement]:
    return [found.statement for found in receipts if found.statement["kind"] == kind]
