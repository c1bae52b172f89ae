"""Notes, keys, checkpoints and proof files: each malformed input is refused with its reason."""

from __future__ import annotations

import pytest

from unheld_verify import checkpoint, crypto, merkle, note, proof
from unheld_verify.errors import BadInputError, VerificationError

SEED = bytes(range(32))
KEY = note.Key("log.example/unheld", crypto.sign_public(SEED))
TEXT = f"{KEY.name}\n5\n{'A' * 43}=\n"
SIGNED = note.encode(note.sign(TEXT, KEY.name, SEED))
PROOF = proof.encode(proof.Proof(3, (bytes(32), bytes(32)), SIGNED, b"extra"))


def _cosigned(count: int) -> note.Note:
    lines = [note.sign(TEXT, f"witness{number}.example", bytes([number]) * 32).signatures[0] for number in range(count)]
    return note.Note(TEXT, (*lines, *note.sign(TEXT, KEY.name, SEED).signatures))


@pytest.mark.parametrize("count", [16, 99])
def test_many_cosignatures_are_accepted(count: int) -> None:
    """A note with more than 16 signatures, most of unknown keys, is read and verified."""
    signed = note.parse(note.encode(_cosigned(count)))

    assert [signature.name for signature in note.verify(signed, [KEY])] == [KEY.name]


def test_too_many_signatures_are_refused() -> None:
    """A note cannot make a verifier work without end."""
    with pytest.raises(BadInputError, match="more than 100"):
        note.parse(note.encode(_cosigned(100)))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"\n\n", b"\n", "empty line"),
        (b"\n\n\xe2", b"\n\r\n\xe2", "control"),
        (b"unheld\n5", b"unheld\n5\t", "control"),
        (b"unheld\n5", b"unheld\xff\n5", "UTF-8"),
        ("— ".encode(), b"- ", "em dash"),
        ("— log".encode(), "—  log".encode(), "name"),
        ("— log".encode(), "— lo+g".encode(), "name"),
        ("— log".encode(), "— lo\u2003g".encode(), "name"),
        (b"=\n\n", b"=\n\n\n\n", "checkpoint|signature"),
    ],
)
def test_malformed_note_is_refused(old: bytes, new: bytes, reason: str) -> None:
    """A note that departs from its form in one place is refused with the reason."""
    assert old in SIGNED

    with pytest.raises(BadInputError, match=reason):
        checkpoint.verify(SIGNED.replace(old, new), KEY)


@pytest.mark.parametrize("line", ["", "— a", "— a ", "— a AAAA", "— a AAAAAA=", "— a AAAAAAA", "— a AAAAAAB="])
def test_malformed_signature_line_is_refused(line: str) -> None:
    """A signature line needs a name and canonical base64 of more than four bytes."""
    with pytest.raises(BadInputError):
        note.parse(SIGNED + f"{line}\n".encode())


def test_note_cut_off_is_refused() -> None:
    """A note without its last newline was cut off."""
    with pytest.raises(BadInputError, match="cut off"):
        note.parse(SIGNED[:-1])


def test_too_large_note_is_refused() -> None:
    """A note over the limit is refused before it is read."""
    with pytest.raises(BadInputError, match="larger"):
        note.parse(b"x" * (note.MAX_NOTE_BYTES + 1))


def test_wrong_second_signature_of_a_known_key_condemns_the_note() -> None:
    """One good signature does not excuse a wrong one of the same key."""
    good = note.parse(SIGNED).signatures[0]
    wrong = note.Signature(good.name, good.key_id, bytes(64))

    with pytest.raises(VerificationError, match="is wrong"):
        note.verify(note.Note(TEXT, (good, wrong)), [KEY])


def test_same_name_with_another_key_is_unknown() -> None:
    """A key that shares only the name is not the known key: its signature is passed over and nothing is left."""
    with pytest.raises(VerificationError, match="no signature by a given key"):
        note.verify(note.parse(SIGNED), [note.Key(KEY.name, bytes(32))])


def test_text_without_last_newline_cannot_be_signed() -> None:
    """Nothing is signed that would not read back."""
    with pytest.raises(BadInputError, match="newline"):
        note.sign("text", KEY.name, SEED)


@pytest.mark.parametrize(
    "text",
    [
        "",
        KEY.name,
        note.format_key(KEY)[1:],
        note.format_key(KEY) + "=",
        note.format_key(KEY).upper(),
        note.format_key(KEY).replace(".", " "),
        f"{KEY.name}+{KEY.key_id.hex()}+AAAA",
        f"{KEY.name}+{KEY.key_id.hex()}+{note.base64_text(bytes([4]) + KEY.public)}",
        f"{KEY.name}+00000000+{note.base64_text(bytes([1]) + KEY.public)}",
    ],
)
def test_malformed_key_is_refused(text: str) -> None:
    """A verifier key whose name, id, type or length is off is refused."""
    with pytest.raises(BadInputError):
        note.parse_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n",
        f"a\n5\n{'A' * 43}=",
        f"\n5\n{'A' * 43}=\n",
        f"a\n05\n{'A' * 43}=\n",
        f"a\n-1\n{'A' * 43}=\n",
        f"a\n+1\n{'A' * 43}=\n",
        f"a\n1_0\n{'A' * 43}=\n",
        f"a\n٣\n{'A' * 43}=\n",
        f"a\n{2**63}\n{'A' * 43}=\n",
        f"a\n5\n{'A' * 43}\n",
        f"a\n5\n{'A' * 42}B=\n",
        f"a\n5\n{'A' * 40}\n",
        f"a\n5\n{'A' * 43}=\n\n",
        f"a\n5\n{'A' * 43}=\n\nx\n",
    ],
)
def test_malformed_checkpoint_is_refused(text: str) -> None:
    """A checkpoint has one form for each of its lines."""
    with pytest.raises(BadInputError, match="checkpoint"):
        checkpoint.parse(text)


def test_checkpoint_of_another_origin_is_false() -> None:
    """A key vouches only for the log whose name it bears."""
    signed = note.encode(note.sign(TEXT.replace("unheld", "other"), KEY.name, SEED))

    with pytest.raises(VerificationError, match=r"log\.example/other"):
        checkpoint.verify(signed, KEY)


def test_checkpoint_that_would_not_read_back_is_not_signed() -> None:
    """An origin with a newline would sign something else than was meant."""
    with pytest.raises(BadInputError):
        checkpoint.sign(checkpoint.Checkpoint("a\n5", 5, bytes(32)), SEED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c2sp.org", b"c2sp.com"),
        (b"@v1", b"@v2"),
        (b"index 3\n", b""),
        (b"index 3", b"index 03"),
        (b"index 3", b"index"),
        (b"index 3", b"index 99999999999999999999"),
        (b"extra ", b"extra  "),
        (b"extra ", b"more "),
        (b"extra ZXh0cmE=", b"extra "),
        (b"extra ZXh0cmE=", b"extra ZXh0cmF="),
        (b"extra ZXh0cmE=", b"extra ZXh0cmE=\nextra ZXh0cmE="),
        (b"AAA=\n\n", b"AAA=\nAAAA\n\n"),
        (b"AAA=\n\n", b"AAA=\n"),
        (b"index 3\n", b"index 3\n" + (b"A" * 43 + b"=\n") * 62),
        (b"index 3\n", b"index 3\r\n"),
        (b"index 3\n", "index 3\u00a0\n".encode()),
    ],
)
def test_malformed_proof_file_is_refused(old: bytes, new: bytes) -> None:
    """A proof file that departs from its form in one place is refused."""
    assert old in PROOF

    with pytest.raises(BadInputError):
        proof.parse(PROOF.replace(old, new, 1))


def test_too_large_proof_file_is_refused() -> None:
    """A proof file over the limit is refused before it is read."""
    with pytest.raises(BadInputError, match="larger"):
        proof.parse(b"x" * (proof.MAX_PROOF_BYTES + 1))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_no_inclusion_proof_outside_the_tree(index: int, size: int) -> None:
    """There is nothing to prove of a leaf that a tree does not have."""
    with pytest.raises(BadInputError, match="outside"):
        merkle.prove_inclusion(index, size, merkle.subtree_of([bytes(32)] * size))


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5)])
def test_no_consistency_proof_backwards_or_from_nothing(old: int, new: int) -> None:
    """There is nothing to prove from the empty tree, or to a smaller one."""
    with pytest.raises(BadInputError, match="0 < old <= new"):
        merkle.prove_consistency(old, new, merkle.subtree_of([bytes(32)] * 5))


def test_endless_proof_is_refused() -> None:
    """A path longer than any tree is high is refused at once."""
    with pytest.raises(VerificationError, match="at most"):
        merkle.verify_inclusion(0, 1, bytes(32), [bytes(32)] * 66, bytes(32))
