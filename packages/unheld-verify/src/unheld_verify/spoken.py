"""Four words to read aloud: 64 bits of a digest as words that can be spoken in any language.

Each word stands for 16 bits, consonant-vowel-consonant-vowel-consonant (proquints, Wilkerson 2009, arXiv:0901.4016).
Two people on the phone who read the same words have the same document, as long as nobody chose what is digested: who
makes both documents finds two with the same words after some 2^32 tries. So a ceremony's words are not of a document,
they are of numbers that every custodian drew and was bound to before any of them was known (`roster.spoken_digest`).
"""

from __future__ import annotations

from unheld_verify import crypto

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aiou"
COUNT = 4


def words(digest: bytes) -> tuple[str, ...]:
    """The four words of a digest of at least 8 bytes."""
    return tuple(_word(int.from_bytes(digest[2 * at : 2 * at + 2], "big")) for at in range(COUNT))


def caller(headquarters: bytes) -> str:
    """How persons tell one headquarters from another: its Ed25519 public key as four words."""
    return "headquarters " + "-".join(words(crypto.sha256(headquarters)))


def heard(said: str) -> tuple[str, ...]:
    """The words that a person typed, in whatever case and with whatever between them."""
    return tuple("".join(sign if sign.isalpha() else " " for sign in said.lower()).split())


def same(said: str, digest: bytes) -> bool:
    """Whether a person typed the words of this digest."""
    return heard(said) == words(digest)


def _word(value: int) -> str:
    c, v = _CONSONANTS, _VOWELS
    return c[value >> 12] + v[value >> 10 & 3] + c[value >> 6 & 15] + v[value >> 4 & 3] + c[value & 15]
