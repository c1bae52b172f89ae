"""Receipts (docs/spec/receipt.md): what a person or an auditor holds, checked in seven numbered steps.

Also the tree of a forgetting's parties, under one log entry, and the boxes in which persons' receipts are handed out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from unheld_verify import canonical, checkpoint, crypto, merkle, proof, statement, words
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError, WrongKeyError
from unheld_verify.note import Key
from unheld_verify.statement import Opening
from unheld_verify.tiles import Log
from unheld_verify.words import Step, Teller, silent, step

CLAIM_CODE_BYTES = 16
_BOX_INFO = b"unheld/v1/box"
_HEX16 = "[0-9a-f]{32}"
_AMONG = {"forgotten": "among these parties", "named": "a line that this demand named"}


@dataclass(frozen=True)
class Party:
    """Where a person's leaf stands in the tree of a forgetting. Shown only to that person."""

    identity: str = field(repr=False)
    store: str
    r: bytes = field(repr=False)
    index: int
    path: tuple[bytes, ...]

    def leaf(self, says: str) -> bytes:
        """The 32-byte leaf that says of this identity what `statement.LEAVES` names: it was forgotten, or named."""
        return leaf(self.identity, self.store, self.r, says)

    def to_json(self) -> dict[str, Any]:
        """As receipts and boxes hold it."""
        path = [value.hex() for value in self.path]
        return {
            "identity": self.identity,
            "store": self.store,
            "r": self.r.hex(),
            "index": self.index,
            "path": path,
        }


@dataclass(frozen=True)
class Receipt:
    """A verified receipt: its statement, its party if it is a person's, and the words for both."""

    statement: statement.Statement
    party: Party | None
    says: str = field(repr=False)
    not_proven: tuple[str, ...]


def verify(data: bytes, key: Key, tell: Teller = silent) -> Receipt:
    """Check a receipt with the log's key; every finished step is told.

    Raises BadInputError (step 1, form), VerificationError (a step is false) or CannotVerifyError (no opening in it,
    or a statement of a kind this program does not know), each naming the step.
    """
    with step(1, "form"):
        parsed = proof.parse(data)
    tell(Step(1, "form", f"a proof file for entry {parsed.index}"))
    with step(2, "checkpoint"):
        head = checkpoint.verify(parsed.checkpoint, key)
    tell(Step(2, "checkpoint", f"signed by {key.name} ({key.key_id.hex()}): {head.size} entries"))
    with step(3, "opening"):
        opening, party = _parse_extra(parsed.extra)
        statement.verify(opening, head.origin)
    tell(Step(3, "opening", "r has 32 bytes; the statement is canonical and names this log"))
    entry = opening.entry
    tell(Step(4, "entry", f"the statement and r make entry {entry.hex()}"))
    with step(5, "inclusion"):
        merkle.verify_inclusion(parsed.index, head.size, merkle.leaf_hash(entry), parsed.path, head.root)
    tell(Step(5, "inclusion", f"the log holds it as entry {parsed.index}"))
    with step(6, "party"):
        words_of_party = _verify_party(party, opening.statement)
    tell(Step(6, "party", words_of_party))
    said = f"The owner of {head.origin} stated for {opening.statement['day']}: {words.says(opening.statement)}."
    if party is not None:
        said += f" {party.identity} in store {party.store} is {_AMONG[statement.LEAVES[opening.statement['kind']]]}."
    tell(Step(7, "meaning", said))
    return Receipt(opening.statement, party, said, words.not_proven(opening.statement["kind"]))


def encode(opening: Opening, party: Party | None, index: int, path: Sequence[bytes], signed: bytes) -> bytes:
    """A receipt file from an opening, the inclusion of its entry, and the signed checkpoint."""
    extra = canonical.encode(_extra(opening, party))
    return proof.encode(proof.Proof(index, tuple(path), signed, extra))


def complete(opening: Opening, party: Party | None, log: Log, key: Key) -> bytes:
    """The receipt of an opening from a public log, found by its entry, and verified before it is returned.

    Raises CannotVerifyError if the log does not hold the entry (yet), VerificationError if a check is false.
    """
    signed = log.checkpoint()
    size = checkpoint.verify(signed, key).size
    index = log.find(opening.entry, size)
    made = encode(opening, party, index, merkle.prove_inclusion(index, size, log.subtree(size)), signed)
    verify(made, key)
    return made


def leaf(identity: str, store: str, r: bytes, says: str = "forgotten") -> bytes:
    """The leaf of one identity, forgotten in a store or named in a demand.

    Raises VerificationError unless r has 32 bytes.
    """
    return statement.entry(r, {"v": 1, "kind": says, "identity": identity, "store": store})


@dataclass(frozen=True)
class PartyTree:
    """The parties of one forgetting, padded with random leaves and in random order: the log sees a root and a size."""

    root: bytes
    leaves: int
    parties: tuple[Party, ...]


def party_tree(
    identities: Sequence[str],
    store: str,
    random: Callable[[int], bytes] = crypto.random_bytes,
    says: str = "forgotten",
) -> PartyTree:
    """Build the tree over identities, each with a fresh r; `parties` are in the order of `identities`.

    Of none it is all padding. Raises BadInputError when one stands twice.
    """
    if len(set(identities)) != len(identities):
        raise BadInputError("a tree of parties names each identity once")
    secrets = [random(statement.R_BYTES) for _ in identities]
    values = [leaf(identity, store, r, says) for identity, r in zip(identities, secrets, strict=True)]
    count = max(statement.MIN_LEAVES, 1 << max(0, len(values) - 1).bit_length())
    values += [random(statement.ENTRY_BYTES) for _ in range(count - len(values))]
    keys = [random(16) for _ in values]
    order = sorted(range(count), key=keys.__getitem__)
    place = {number: index for index, number in enumerate(order)}
    rows = _rows([merkle.leaf_hash(values[number]) for number in order])
    parties = tuple(
        Party(identity, store, secrets[number], place[number], _path(rows, place[number]))
        for number, identity in enumerate(identities)
    )
    return PartyTree(rows[-1][0], count, parties)


def new_claim_code() -> bytes:
    """A fresh claim code, 16 bytes: shown once, kept nowhere."""
    return crypto.random_bytes(CLAIM_CODE_BYTES)


def format_claim_code(code: bytes) -> str:
    """A claim code as 8 groups of 4 hex digits."""
    digits = code.hex()
    return "-".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def parse_claim_code(text: str) -> bytes:
    """Read a claim code as a person types it: spaces, dashes and capitals do not matter. Raises BadInputError."""
    digits = re.sub(r"[\s-]", "", text).lower()
    if not re.fullmatch(_HEX16, digits):
        raise BadInputError("a claim code has 32 hex digits, written as 8 groups of 4")
    return bytes.fromhex(digits)


def seal_box(code: bytes, party: Party) -> bytes:
    """A person's part of a receipt, sealed under a claim code: noise to everyone without it."""
    return crypto.seal(_box_key(code), canonical.encode(party.to_json()), b"")


def open_box(code: bytes, box: bytes) -> Party:
    """Open what `seal_box` made. Raises WrongKeyError for another code or an altered box."""
    try:
        plain = crypto.unseal(_box_key(code), box, b"")
    except WrongKeyError:
        raise WrongKeyError("the claim code does not open this box, or the box was altered") from None
    return parse_party(canonical.decode(plain))


def openings_of(party: Party, log: Log, key: Key) -> list[Opening]:
    """The published openings that this party is in, in the log's order: one of a forgetting, several of a demand.

    A party is in those whose root its path leads to. Raises CannotVerifyError if the log tells of none (yet).
    """
    size = checkpoint.verify(log.checkpoint(), key).size
    found = [opening for index in log.opened(size) if (opening := _opening_for(party, log, index, size, key.name))]
    if not found:
        raise CannotVerifyError("the log does not tell of this party (yet): it is published with the next cadence")
    return found


def opening_of(party: Party, log: Log, key: Key) -> Opening:
    """The last of `openings_of`: of a demand, how it ended (so far)."""
    return openings_of(party, log, key)[-1]


def _opening_for(party: Party, log: Log, index: int, size: int, origin: str) -> Opening | None:
    """The opening of an entry if it is one of the party's. What is missing or does not open its entry is passed over:
    it cannot keep a person from the others."""
    try:
        opening = log.opening(index)
        statement.verify(opening, origin)
        _verify_party(party, opening.statement)
    except (BadInputError, CannotVerifyError, VerificationError):
        return None
    return opening if opening.entry == log.entry(index, size) else None


def _box_key(code: bytes) -> bytes:
    if len(code) != CLAIM_CODE_BYTES:
        raise BadInputError(f"a claim code has {CLAIM_CODE_BYTES} bytes")
    return crypto.hkdf_sha256(code, _BOX_INFO)


def _extra(opening: Opening, party: Party | None) -> dict[str, Any]:
    return opening.to_json() | ({} if party is None else {"party": party.to_json()})


def _parse_extra(extra: bytes) -> tuple[Opening, Party | None]:
    """What stands in `extra`. What is not canonical is false and not just unreadable: it could be read in two ways."""
    if not extra:
        raise CannotVerifyError("the receipt holds no opening: it proves that an entry is there, not what it says")
    try:
        value = canonical.decode(extra)
        party = parse_party(value.pop("party")) if isinstance(value, dict) and "party" in value else None
        return statement.parse_opening(value), party
    except BadInputError as error:
        raise VerificationError(str(error)) from None


def parse_party(value: Any) -> Party:
    """The party in decoded JSON, the inverse of `Party.to_json`. Raises BadInputError."""
    if not isinstance(value, dict) or set(value) != {"identity", "store", "r", "index", "path"}:
        raise BadInputError('a party is {"identity", "store", "r", "index", "path"} and nothing else')
    if not isinstance(value["identity"], str):
        raise BadInputError("party: the identity is not text")
    if not isinstance(value["store"], str) or not re.fullmatch(_HEX16, value["store"]):
        raise BadInputError("party: the store is not 32 hex digits")
    if type(value["index"]) is not int or not isinstance(value["path"], list):
        raise BadInputError("party: the index is not a number or the path is not a list")
    path = tuple(statement.hex_bytes(item, "party: a hash of the path") for item in value["path"])
    r = statement.hex_bytes(value["r"], "party: r")
    return Party(value["identity"], value["store"], r, value["index"], path)


def _verify_party(party: Party | None, said: statement.Statement) -> str:
    if party is None:
        return "the receipt names no party"
    if said["kind"] not in statement.LEAVES:
        raise VerificationError(f"a statement of kind {said['kind']} is about no party, yet the receipt names one")
    root, says = bytes.fromhex(said["root"]), statement.LEAVES[said["kind"]]
    merkle.verify_inclusion(party.index, said["leaves"], merkle.leaf_hash(party.leaf(says)), party.path, root)
    return f"{party.identity} is leaf {party.index} of {said['leaves']} under the root that the statement names"


def _rows(leaves: list[bytes]) -> list[list[bytes]]:
    """All rows of a full tree, from the leaves up to the root."""
    rows = [leaves]
    while len(rows[-1]) > 1:
        below = rows[-1]
        rows.append([merkle.node_hash(below[i], below[i + 1]) for i in range(0, len(below), 2)])
    return rows


def _path(rows: list[list[bytes]], index: int) -> tuple[bytes, ...]:
    return tuple(row[(index >> height) ^ 1] for height, row in enumerate(rows[:-1]))
