"""Papers (docs/spec/paper.md): what headquarters signs and hands out, each named by its digest in the public log.

A paper is checked with the log's key alone: the proofs in it lead from that key to headquarters' own key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unheld_verify import canonical, crypto, note, receipt, statement, words
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError
from unheld_verify.note import Key
from unheld_verify.receipt import Receipt
from unheld_verify.words import Step, Teller, silent, step

VERSION = 1
MAX_PAPER_BYTES = 4_000_000
MAX_PROOFS = 4_096
CERTIFICATE_TITLE = "Keys of this store destroyed"
_SIGNED = b"unheld/v1/paper\n"
_RESTS = {"certificate": ("erase-everything",)}
_FIELDS = {"v", "kind", "log", "store", "day", "salt", "body", "key", "signature", "proofs"}

Body = dict[str, Any]


@dataclass(frozen=True)
class Paper:
    """A paper. `salt` (32 bytes) keeps its digest in the log from telling what it says; `key` is headquarters'.

    `log` is the log's origin, `store` 32 hex digits, `day` a date, `body` what JCS can write.
    """

    kind: str
    log: str
    store: str
    day: str
    body: Body
    salt: bytes = field(repr=False)
    key: bytes = b""
    signature: bytes = b""
    proofs: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Raises BadInputError for what no paper holds, CannotVerifyError for a kind this program does not know."""
        if isinstance(self.kind, str) and self.kind not in statement.PAPERS:
            raise CannotVerifyError(f"paper of unknown kind {self.kind!r}: use a newer program")
        for name, holds, what in (
            ("kind", isinstance(self.kind, str), "text"),
            ("log", isinstance(self.log, str) and 0 < len(self.log) <= statement.MAX_TEXT, "a log's origin"),
            ("store", isinstance(self.store, str) and re.fullmatch("[0-9a-f]{32}", self.store), "32 hex digits"),
            ("day", statement.is_date(self.day), "a date YYYY-MM-DD"),
            ("body", isinstance(self.body, dict), "an object"),
            ("salt", len(self.salt) == 32, "32 bytes"),
            ("proofs", len(self.proofs) <= MAX_PROOFS, f"at most {MAX_PROOFS}"),
        ):
            if not holds:
                raise BadInputError(f"paper: {name} is not {what}")

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
        """The bytes of a paper's file. Raises BadInputError if they are more than a reader would take."""
        rest = {"signature": self.signature.hex(), "proofs": [note.base64_text(proof) for proof in self.proofs]}
        data = canonical.encode(self._unsigned() | rest)
        if len(data) > MAX_PAPER_BYTES:
            raise BadInputError(f"a paper has at most {MAX_PAPER_BYTES} bytes, this one {len(data)}")
        return data

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
    if len(data) > MAX_PAPER_BYTES:
        raise BadInputError(f"a paper has at most {MAX_PAPER_BYTES} bytes")
    document = canonical.decode(data)
    if not isinstance(document, dict) or type(document.get("v")) is not int:
        raise BadInputError("a paper is an object with a version")
    if document["v"] != VERSION:
        raise CannotVerifyError(f"paper of version {document['v']}: only {VERSION} is known, use a newer program")
    if set(document) != _FIELDS:
        raise BadInputError(f"a paper has the fields {', '.join(sorted(_FIELDS))} and no other")
    if not isinstance(document["proofs"], list):
        raise BadInputError("paper: proofs is not a list")
    return Paper(
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


def is_paper(data: bytes) -> bool:
    """Whether a file is to be checked as a paper: it is JSON, which no receipt is. Verifies nothing."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def verify(data: bytes, key: Key, tell: Teller = silent) -> Checked:
    """Check a paper with the log's key; every finished step is told.

    Raises BadInputError (step 1), VerificationError (a step is false) or CannotVerifyError (a proof is missing, or a
    kind or version is not known), each naming the step.
    """
    with step(1, "form"):
        paper = decode(data)
    tell(Step(1, "form", f"a {paper.kind} with {len(paper.proofs)} proofs"))
    with step(2, "signature"):
        crypto.verify(paper.key, paper.signature, _SIGNED + paper.digest)
    tell(Step(2, "signature", f"made by the key {paper.key.hex()}"))
    with step(3, "proofs"):
        receipts = tuple(_proven(proof, key) for proof in paper.proofs)
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
    said = f"Headquarters of store {paper.store} made this {paper.kind}, dated {paper.day}. {rests}"
    tell(Step(7, "meaning", said))
    return Checked(paper, receipts, said, words.not_proven("paper", *_RESTS.get(paper.kind, ())))


def _proof(item: Any) -> bytes:
    if not isinstance(item, str):
        raise BadInputError("paper: a proof is not text")
    return note.base64_bytes(item, "paper: a proof")


def _proven(proof: bytes, key: Key) -> Receipt:
    found = receipt.verify(proof, key)
    if found.party is not None:
        raise VerificationError("a proof in a paper names a person, and a paper is for everybody")
    return found


def _founded(paper: Paper, receipts: Sequence[Receipt]) -> None:
    for found in _of(receipts, "genesis"):
        policy = found["policy"]
        if found["store"] == paper.store and isinstance(policy, dict):
            if policy.get("headquarters") != paper.key.hex():
                raise VerificationError("the founding statement names another key than the one that signed")
            if found["day"] > paper.day:
                raise VerificationError(f"it is dated {paper.day}, and its store was founded on {found['day']}")
            return
    raise CannotVerifyError("no proof in it tells of the founding of this store, so nothing names headquarters' key")


def _named(paper: Paper, receipts: Sequence[Receipt], key: Key) -> None:
    if paper.log != key.name:
        raise VerificationError(f"the paper was made for log {paper.log}, not for {key.name}")
    papers = _of(receipts, "paper")
    if not papers:
        raise CannotVerifyError("no proof in it shows that the log names this paper (yet)")
    named = {"paper": paper.kind, "digest": paper.digest.hex()}
    days = [found["day"] for found in papers if named.items() <= found.items()]
    if not days:
        raise VerificationError("the log names another paper than this one")
    if paper.day > max(days):
        raise VerificationError(f"it is dated {paper.day}, and the log named it on {max(days)}")


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
    stated = [{name: found[name] for name in ("day", "slots", "copies")} for found in erased]
    if not isinstance(claimed, dict) or canonical.encode(claimed) not in map(canonical.encode, stated):
        raise VerificationError("day, slots or copies differ from what the log states of the erasure")
    if claimed["day"] > paper.day:
        raise VerificationError(f"it is dated {paper.day}, before what it certifies of {claimed['day']}")
    return (
        f"The log states that the keys of every party were destroyed on {claimed['day']}. "
        "What else the certificate says is headquarters' word."
    )


def _of(receipts: Sequence[Receipt], kind: str) -> list[statement.Statement]:
    return [found.statement for found in receipts if found.statement["kind"] == kind]
