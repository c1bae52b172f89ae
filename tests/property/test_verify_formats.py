"""Formats: what a parser accepts it writes to the same bytes, and no flipped byte goes unnoticed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld_verify import canonical, checkpoint, crypto, merkle, note, paper, proof, receipt, statement, tiles, words
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError, WrongKeyError

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "log.json").read_text())
KEY = note.parse_key(VECTORS["vkey"])
OF_PERSON = next(made["receipt"] for made in VECTORS["receipts"] if "tel:" in made["says"]).encode()
SEED = bytes(range(32))

names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="+"), min_size=1, max_size=20)
lines = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40)
texts = st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=30), min_size=1, max_size=6).map(
    lambda parts: "".join(f"{part}\n" for part in parts)
)
hashes = st.binary(min_size=32, max_size=32)
checkpoints = st.builds(
    checkpoint.Checkpoint, names, st.integers(0, checkpoint.MAX_SIZE), hashes, st.lists(lines, max_size=2).map(tuple)
)
leaf_counts = st.integers(1, 600)


def _leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


LEAVES = _leaves(600)


@given(texts, names)
def test_signed_note_reads_back(text: str, name: str) -> None:
    """A note is read back as it was signed, and its signature verifies."""
    signed = note.sign(text, name, SEED)

    parsed = note.parse(note.encode(signed))

    assert parsed == signed
    assert note.verify(parsed, [note.Key(name, crypto.sign_public(SEED))]) == signed.signatures


@given(names, hashes)
def test_key_reads_back(name: str, public: bytes) -> None:
    """A verifier key is read back as it was written."""
    key = note.Key(name, public)

    assert note.parse_key(note.format_key(key)) == key


@given(checkpoints)
def test_signed_checkpoint_reads_back(made: checkpoint.Checkpoint) -> None:
    """A checkpoint is read back as it was signed."""
    key = note.Key(made.origin, crypto.sign_public(SEED))

    assert checkpoint.verify(checkpoint.sign(made, SEED), key) == made


@given(checkpoints, st.integers(0, checkpoint.MAX_SIZE), st.lists(hashes, max_size=63), st.binary(max_size=50))
def test_proof_reads_back(made: checkpoint.Checkpoint, index: int, path: list[bytes], extra: bytes) -> None:
    """A proof file is read back as it was written."""
    written = proof.Proof(index, tuple(path), checkpoint.sign(made, SEED), extra)

    assert proof.parse(proof.encode(written)) == written


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_bundle_reads_back(entries: list[bytes]) -> None:
    """An entry bundle is read back as it was written."""
    assert tiles.decode_bundle(tiles.encode_bundle(entries)) == entries


@given(st.binary(max_size=60))
def test_bundle_accepts_only_what_it_would_write(data: bytes) -> None:
    """Any bytes are refused as a bundle, or written back the same."""
    try:
        entries = tiles.decode_bundle(data)
    except BadInputError:
        return
    assert tiles.encode_bundle(entries) == data


@given(st.data())
def test_edited_receipt_is_refused_or_written_back_the_same(data: st.DataObject) -> None:
    """Whatever is put in the place of a piece of a proof file, it is refused, or means one thing only."""
    at = data.draw(st.integers(0, len(OF_PERSON)))
    until = data.draw(st.integers(at, min(len(OF_PERSON), at + 3)))
    edited = OF_PERSON[:at] + data.draw(st.binary(max_size=3)) + OF_PERSON[until:]
    try:
        parsed = proof.parse(edited)
    except BadInputError:
        return
    assert proof.encode(parsed) == edited


@given(st.integers(0, len(OF_PERSON) - 1), st.integers(1, 255))
def test_no_byte_of_a_receipt_can_be_flipped(at: int, flip: int) -> None:
    """A person's receipt with any one byte changed does not verify."""
    flipped = bytearray(OF_PERSON)
    flipped[at] ^= flip

    with pytest.raises((VerificationError, BadInputError, CannotVerifyError)):
        receipt.verify(bytes(flipped), KEY)


@given(st.integers(0, len(OF_PERSON) - 1))
def test_no_receipt_can_be_cut_off(length: int) -> None:
    """A person's receipt with its end missing does not verify."""
    with pytest.raises((VerificationError, BadInputError)):
        receipt.verify(OF_PERSON[:length], KEY)


PAPERS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "paper.json").read_text())
PAPERS_KEY = note.parse_key(PAPERS["vkey"])
PAPER = next(made["paper"] for made in PAPERS["papers"] if made["kind"] == "certificate").encode()
values = st.recursive(
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.integers(0, len(PAPER) - 1), st.integers(1, 255))
def test_no_byte_of_a_paper_can_be_flipped(at: int, flip: int) -> None:
    """A certificate with any one byte changed does not verify."""
    flipped = bytearray(PAPER)
    flipped[at] ^= flip

    with pytest.raises((VerificationError, BadInputError, CannotVerifyError)):
        paper.verify(bytes(flipped), PAPERS_KEY)


@given(st.data())
def test_edited_paper_is_refused_or_written_back_the_same(data: st.DataObject) -> None:
    """Whatever is put in the place of a piece of a paper, it is refused, or means one thing only."""
    at = data.draw(st.integers(0, len(PAPER)))
    until = data.draw(st.integers(at, min(len(PAPER), at + 3)))
    edited = PAPER[:at] + data.draw(st.binary(max_size=3)) + PAPER[until:]
    try:
        parsed = paper.decode(edited)
    except (BadInputError, CannotVerifyError):
        return
    assert parsed.encode() == edited


@given(st.sampled_from(sorted(canonical.decode(PAPER))), values)
def test_no_value_in_a_field_of_a_paper_is_more_than_bad_input(name: str, value: Any) -> None:
    """A field of any other type or value ends as bad, false or not verifiable, never as a mistake of ours."""
    edited = canonical.encode(canonical.decode(PAPER) | {name: value})

    if edited != PAPER:
        with pytest.raises((VerificationError, BadInputError, CannotVerifyError)):
            paper.verify(edited, PAPERS_KEY)


@given(st.sampled_from(["v", "log", "kind", "day", "root", "leaves", "slots", "copies"]), values)
def test_no_value_in_a_field_of_a_statement_is_more_than_false(name: str, value: Any) -> None:
    """A statement with a field of any other type or value, in a person's receipt, is false or not verifiable."""
    good = proof.parse(OF_PERSON)
    extra = canonical.decode(good.extra)
    edited = extra | {"statement": extra["statement"] | {name: value}}
    data = proof.encode(proof.Proof(good.index, good.path, good.checkpoint, canonical.encode(edited)))

    if edited != extra:
        with pytest.raises((VerificationError, CannotVerifyError)):
            receipt.verify(data, KEY)


@given(st.sampled_from(statement.PAPERS), st.dictionaries(st.text("abc", max_size=3), values, max_size=4), hashes)
def test_paper_reads_back(kind: str, body: dict[str, Any], salt: bytes) -> None:
    """A paper is read back as it was signed, whatever its body says."""
    made = paper.Paper(kind, "log.example/unheld", "0a" * 16, "2026-01-06", body, salt).signed(SEED)

    assert paper.decode(made.encode()) == made


@given(values)
def test_any_policy_is_put_into_words_or_refused(policy: Any) -> None:
    """What a founding says of its policy has words, whatever it nests."""
    try:
        made = statement.make(KEY.name, "genesis", "2026-01-06", store="0a" * 16, genesis="0b" * 32, policy=policy)
    except BadInputError:
        return
    assert words.says(made).startswith("store 0a")


@given(st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_box_can_be_flipped(at: int, flip: int) -> None:
    """A box with any one byte changed does not open."""
    box = bytearray.fromhex(VECTORS["box"]["box"])
    box[at % len(box)] ^= flip

    with pytest.raises(WrongKeyError):
        receipt.open_box(receipt.parse_claim_code(VECTORS["box"]["claim_code"]), bytes(box))


@given(st.data(), leaf_counts)
def test_inclusion_is_provable_for_every_leaf(data: st.DataObject, size: int) -> None:
    """Every leaf of a tree of any size has a proof that verifies."""
    index = data.draw(st.integers(0, size - 1))
    leaves = LEAVES[:size]

    path = merkle.prove_inclusion(index, size, merkle.subtree_of(leaves))

    merkle.verify_inclusion(index, size, leaves[index], path, merkle.root(leaves))
    assert len(path) <= (size - 1).bit_length()


@given(st.data(), leaf_counts)
def test_inclusion_proof_holds_for_its_index_only(data: st.DataObject, size: int) -> None:
    """A proof for one index verifies for no other."""
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 2 * size))
    leaves = LEAVES[:size]
    path = merkle.prove_inclusion(index, size, merkle.subtree_of(leaves))

    if other != index:
        with pytest.raises(VerificationError):
            merkle.verify_inclusion(other, size, leaves[index], path, merkle.root(leaves))


@given(st.data(), leaf_counts)
def test_consistency_is_provable_between_any_sizes(data: st.DataObject, new: int) -> None:
    """A tree is shown to continue each of its smaller selves, and no tree of other leaves."""
    old = data.draw(st.integers(1, new))
    old_root, new_root = merkle.root(LEAVES[:old]), merkle.root(LEAVES[:new])

    path = merkle.prove_consistency(old, new, merkle.subtree_of(LEAVES))

    merkle.verify_consistency(old, new, old_root, new_root, path)
    with pytest.raises(VerificationError):
        merkle.verify_consistency(old, new, merkle.root(LEAVES[1 : old + 1]), new_root, path)


@given(st.integers(1, 300))
def test_root_is_that_of_the_recursive_definition(size: int) -> None:
    """The root agrees with RFC 6962's definition, written down as it stands there."""

    def defined(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        split = merkle.split_point(len(leaves))
        return merkle.node_hash(defined(leaves[:split]), defined(leaves[split:]))

    assert merkle.root(LEAVES[:size]) == defined(LEAVES[:size])


@given(st.lists(st.integers(0, 10**9).map(lambda n: f"tel:+{n}"), min_size=1, max_size=70, unique=True))
def test_every_party_of_a_forgetting_has_a_proof(identities: list[str]) -> None:
    """Each party's path leads to the root, in a tree of a power of two of at least 16 leaves."""
    tree = receipt.party_tree(identities, "00" * 16)

    for identity, party in zip(identities, tree.parties, strict=True):
        merkle.verify_inclusion(
            party.index, tree.leaves, merkle.leaf_hash(party.leaf("forgotten")), party.path, tree.root
        )
        assert party.identity == identity
    assert tree.leaves == max(16, 1 << (len(identities) - 1).bit_length())


@given(st.binary(min_size=16, max_size=16))
def test_claim_code_reads_back_as_people_type_it(code: bytes) -> None:
    """A claim code is read whether typed in capitals, with spaces or with dashes."""
    written = receipt.format_claim_code(code)

    assert receipt.parse_claim_code(written.upper().replace("-", " ")) == code


@given(st.binary(max_size=40).filter(lambda r: len(r) != 32))
def test_r_of_another_length_is_false(r: bytes) -> None:
    """An opening whose r has not 32 bytes is false, for HMAC would fill or hash it to another's."""
    made = statement.make(KEY.name, "open", "2026-01-06", sealing_day="2026-01-06", set=0)

    with pytest.raises(VerificationError, match="not 32"):
        statement.verify(statement.Opening(made, r), KEY.name)


@given(st.binary(max_size=200))
def test_canonical_json_is_accepted_in_one_form_only(data: bytes) -> None:
    """Any bytes are refused as canonical JSON, or written back the same."""
    try:
        value = canonical.decode(data)
    except BadInputError:
        return
    assert canonical.encode(value) == data


PARTY = canonical.decode(proof.parse(OF_PERSON).extra)["party"]


@pytest.mark.parametrize("name", sorted(PARTY))
@pytest.mark.parametrize("odd", [-1, True, "", "zz", [], {}, ["00"], [5], 10**15])
def test_no_field_of_a_party_takes_another_value(name: str, odd: Any) -> None:
    """A person's receipt in which a field of the party has another value is false."""
    good = proof.parse(OF_PERSON)
    extra = canonical.decode(good.extra) | {"party": PARTY | {name: odd}}
    changed = proof.Proof(good.index, good.path, good.checkpoint, canonical.encode(extra))

    with pytest.raises(VerificationError, match=r"^step [36], "):
        receipt.verify(proof.encode(changed), KEY)
