"""Every cipher, hash and signature of unheld, in one file, each with why its use is safe.

Nothing here is our own cryptography: `cryptography` (OpenSSL) and `hashlib` do the work. No other module of any
unheld package imports them for a cipher, hash or signature; a contract checks it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, mlkem, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from unheld_verify.errors import BadInputError, VerificationError, WrongKeyError

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
PARK_PUBLIC_BYTES = 1184 + 32

_ZERO_NONCE = bytes(NONCE_BYTES)
# y of the points of Ed25519 whose order divides 8, in every spelling, without the sign of x.
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
# One-time receivers' keys are hybrid, so that a recorded line opens neither by a later theft of a long-lived key
# (there is none) nor by a later quantum computer alone.
_HPKE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def random_bytes(count: int) -> bytes:
    """`count` bytes from the operating system's generator."""
    return os.urandom(count)


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over the joined parts, 32 bytes. Callers join only fixed-width or labelled parts."""
    return hashlib.sha256(b"".join(parts)).digest()


class RunningSha256:
    """SHA-256 of a stream as it passes by, for files larger than memory: the same digest as over all of it at once."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()

    def update(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        self._state.update(data)

    def digest(self) -> bytes:
        """32 bytes, of everything taken so far."""
        return self._state.digest()


def file_sha256(path: Path) -> bytes:
    """SHA-256 of a file, 32 bytes, read in pieces. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def file_digest(path: Path, algorithm: str) -> bytes:
    """Digest of a file by `sha256` or `sha512`, as BagIt manifests name them. Raises OSError.

    Both are safe against a second file of the same digest; which of them was used is said by the manifest's name.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, {"sha256": hashlib.sha256, "sha512": hashlib.sha512}[algorithm]).digest()


def one_step_kdf(first: bytes, second: bytes, info: bytes) -> bytes:
    """NIST SP 800-56C one-step KDF with SHA-512 for n pairs of secrets: 64 bytes each, joined.

    `first` holds n x 32 bytes, `second` n x 16. All inputs have a fixed length, so one block of SHA-512 takes them,
    nothing can be shifted between the fields, and length extension is no issue: the whole state never leaves. Either
    secret alone tells nothing of the output (random-oracle model). The same as `ConcatKDFHash`; a loop here because it
    runs once a folio, millions of times a day.
    """
    sha512, counter = hashlib.sha512, (1).to_bytes(4, "big")
    starts = zip(range(0, len(first), 32), range(0, len(second), 16), strict=True)
    return b"".join([sha512(counter + first[i : i + 32] + second[j : j + 16] + info).digest() for i, j in starts])


def hmac_sha256(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over the joined parts, 32 bytes. Keys are 32 bytes: HMAC pads shorter ones with zeros."""
    return hmac.digest(key, b"".join(parts), "sha256")


def blake2b_128(key: bytes, data: bytes) -> bytes:
    """Keyed BLAKE2b, 16 bytes: tags and block ids (a pseudorandom function under a secret key)."""
    return hashlib.blake2b(data, key=key, digest_size=16).digest()


def blake2b_128_each(keys: Sequence[bytes], data: bytes) -> list[bytes]:
    """`blake2b_128` of the same data under many keys."""
    blake2b = hashlib.blake2b
    return [blake2b(data, key=key, digest_size=16).digest() for key in keys]


def equal(left: bytes, right: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(left, right)


def seal(key: bytes, plaintext: bytes, aad: bytes, random: Callable[[int], bytes] = random_bytes) -> bytes:
    """AES-256-GCM under a random nonce: nonce 12 ‖ ciphertext ‖ tag 16.

    Keys live at most a day or a generation and seal far fewer than 2^32 messages, NIST's bound for random nonces.
    `random` is replaced only to make test vectors.
    """
    nonce = random(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, aad)


def seal_each(keys: Sequence[bytes], plaintexts: Sequence[bytes], aad: bytes, names: Sequence[bytes]) -> list[bytes]:
    """`seal` for many plaintexts, each under its own key and a random nonce; its AAD ends in its own name.

    The nonces are drawn in one call: asking the system's generator a million times costs more than the cipher.
    """
    drawn = os.urandom(NONCE_BYTES * len(keys))
    nonces = [drawn[at : at + NONCE_BYTES] for at in range(0, len(drawn), NONCE_BYTES)]
    return [
        nonce + AESGCM(key).encrypt(nonce, plaintext, aad + name)
        for key, nonce, plaintext, name in zip(keys, nonces, plaintexts, names, strict=True)
    ]


def unseal(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Open what `seal` made. Raises WrongKeyError when key, bytes or AAD differ."""
    return _open(key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], aad)


def unseal_each(keys: Sequence[bytes], sealed: Sequence[bytes], aad: bytes, names: Sequence[bytes]) -> list[bytes]:
    """Open what `seal_each` made. Raises WrongKeyError when a key, bytes, or AAD differ."""
    try:
        return [
            AESGCM(key).decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], aad + name)
            for key, box, name in zip(keys, sealed, names, strict=True)
        ]
    except (InvalidTag, ValueError):
        raise WrongKeyError("sealed bytes do not open: another key, or they were altered or cut off") from None


def seal_once(key: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-256-GCM with an all-zero nonce: ciphertext ‖ tag. Safe only because `key` never seals a second message."""
    return AESGCM(key).encrypt(_ZERO_NONCE, plaintext, aad)


def unseal_once(key: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Open what `seal_once` made. Raises WrongKeyError."""
    return _open(key, _ZERO_NONCE, sealed, aad)


def seal_numbered(key: bytes, number: int, plaintext: bytes, aad: bytes) -> bytes:
    """AES-256-GCM with a counter as nonce. Safe because `key` belongs to one file and numbers never repeat in it."""
    return AESGCM(key).encrypt(number.to_bytes(NONCE_BYTES, "big"), plaintext, aad)


def unseal_numbered(key: bytes, number: int, sealed: bytes, aad: bytes) -> bytes:
    """Open what `seal_numbered` made. Raises WrongKeyError."""
    return _open(key, number.to_bytes(NONCE_BYTES, "big"), sealed, aad)


def _open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    if len(sealed) < TAG_BYTES or len(nonce) != NONCE_BYTES:
        raise WrongKeyError("sealed bytes are too short to hold an authentication tag: they were cut off")
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise WrongKeyError("sealed bytes do not open: another key, or they were altered") from None


def aes_blocks(key: bytes, blocks: bytes) -> bytes:
    """AES-256 of each 16-byte block by itself: a pseudorandom permutation, a component of the column function.

    ECB is right here and only here: inputs are distinct labels, outputs are never ciphertext of a message.
    """
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - a PRF, see above
    return encryptor.update(blocks) + encryptor.finalize()


def xor(values: Sequence[bytes]) -> bytes:
    """XOR of equally long byte strings (at least one)."""
    total = 0
    for value in values:
        total ^= int.from_bytes(value, "big")
    return total.to_bytes(len(values[0]), "big")


def hkdf_sha256(secret: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without salt: the secrets given are uniformly random."""
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(secret)


def sign_public(seed: bytes) -> bytes:
    """The 32-byte Ed25519 public key of a 32-byte seed."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """Ed25519 signature, 64 bytes. Messages start with a label, so no signature serves for two purposes."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def verify(public: bytes, signature: bytes, message: bytes) -> None:
    """Return if the Ed25519 signature is right, raise VerificationError if not.

    A key of small order has no secret: anybody signs anything under it, so nothing is signed by it.
    """
    if public[:31] + bytes([public[31] & 127] if len(public) == KEY_BYTES else []) in _SMALL_ORDER:
        raise VerificationError("the key is of small order: everybody can sign with it")
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise VerificationError("signature is wrong") from None


def park_keypair() -> tuple[bytes, bytes]:
    """A fresh ML-KEM-768+X25519 key pair: (private 64 ‖ 32 bytes, public 1,184 ‖ 32 bytes)."""
    kem, dh = mlkem.MLKEM768PrivateKey.generate(), x25519.X25519PrivateKey.generate()
    return kem.private_bytes_raw() + dh.private_bytes_raw(), park_public(
        kem.private_bytes_raw() + dh.private_bytes_raw()
    )


def park_public(private: bytes) -> bytes:
    """The public half of a `park_keypair` private key."""
    kem = mlkem.MLKEM768PrivateKey.from_seed_bytes(private[:64]).public_key().public_bytes_raw()
    return kem + x25519.X25519PrivateKey.from_private_bytes(private[64:]).public_key().public_bytes_raw()


def box_seal(public: bytes, plaintext: bytes, info: bytes) -> bytes:
    """HPKE (RFC 9180 base mode, ML-KEM-768+X25519) to a `park_keypair` public key.

    Raises BadInputError for a key that nothing can be sealed to; a point of small order is one.
    """
    try:
        receiver = MLKEM768X25519PublicKey(
            mlkem.MLKEM768PublicKey.from_public_bytes(public[:1184]),
            x25519.X25519PublicKey.from_public_bytes(public[1184:]),
        )
        return _HPKE.encrypt(plaintext, receiver, info=info)
    except ValueError:
        raise BadInputError("nothing can be sealed to this key: it is no ML-KEM-768+X25519 public key") from None


def box_open(private: bytes, sealed: bytes, info: bytes) -> bytes:
    """Open what `box_seal` made. Raises WrongKeyError."""
    receiver = MLKEM768X25519PrivateKey(
        mlkem.MLKEM768PrivateKey.from_seed_bytes(private[:64]),
        x25519.X25519PrivateKey.from_private_bytes(private[64:]),
    )
    try:
        return _HPKE.decrypt(sealed, receiver, info=info)
    except (InvalidTag, ValueError):
        raise WrongKeyError("box does not open: it was sealed to another key, or altered") from None


def public_pem(public: bytes) -> bytes:
    """An Ed25519 public key as PEM, for people who check with other tools."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
