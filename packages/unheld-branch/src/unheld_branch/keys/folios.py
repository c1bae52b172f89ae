"""Folio secrets: from a party key and the column function to block key, block ids and alias; and the handle of a day.

See `docs/spec/folio.md`. One SHA-512 call a folio (NIST SP 800-56C one-step KDF).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unheld_verify import columns, crypto
from unheld_verify.columns import Column

_LABEL = b"unheld/v1/folio"
OKM_BYTES = 64


def info(set_number: int, column: Column) -> bytes:
    """The fixed 28 bytes that bind folio secrets to one column of one custodian set."""
    return _LABEL + column_bytes(set_number, column)


def column_bytes(set_number: int, column: Column) -> bytes:
    """class u8 ‖ set u32 ‖ d u32 ‖ e u32: a column inside an AAD or a KDF input, 13 bytes."""
    return (
        columns.CLASSES[column.cls].to_bytes(1, "big")
        + set_number.to_bytes(4, "big")
        + column.event_day.to_bytes(4, "big")
        + column.sealing_day.to_bytes(4, "big")
    )


@dataclass(frozen=True, slots=True)
class FolioSecrets:
    """Secrets of n folios of one column, 64 bytes each, in the order of the parties given."""

    okm: bytes

    def __len__(self) -> int:
        return len(self.okm) // OKM_BYTES

    def block_key(self, number: int) -> bytes:
        """AES-256 key of this folio's blocks."""
        start = number * OKM_BYTES
        return self.okm[start : start + 32]

    def block_id(self, number: int, batch_id: bytes) -> bytes:
        """The 16-byte id of this folio's block in one batch: unlinkable between batches without the id key."""
        start = number * OKM_BYTES + 32
        return crypto.blake2b_128(self.okm[start : start + 16], batch_id)

    def block_keys(self) -> list[bytes]:
        """AES-256 keys of all folios' blocks."""
        return [self.okm[start : start + 32] for start in range(0, len(self.okm), OKM_BYTES)]

    def block_ids(self, batch_id: bytes) -> list[bytes]:
        """The 16-byte ids of all folios' blocks in one batch."""
        keys = [self.okm[start : start + 16] for start in range(32, len(self.okm), OKM_BYTES)]
        return crypto.blake2b_128_each(keys, batch_id)

    def at(self, places: npt.NDArray[np.int64]) -> FolioSecrets:
        """Those at `places`, in that order."""
        whole = np.frombuffer(self.okm, np.uint8).reshape(-1, OKM_BYTES)
        return FolioSecrets(whole[places].tobytes())

    def aliases(self) -> npt.NDArray[np.bytes_]:
        """8 bytes a party: how other parties' contact rows of this column name it."""
        whole = np.frombuffer(self.okm, np.uint8).reshape(-1, OKM_BYTES)
        return np.ascontiguousarray(whole[:, 48:56]).view("S8").reshape(-1)


def handles(party_keys: bytes, store_id: bytes, sealing_day: int) -> npt.NDArray[np.void]:
    """8 bytes a party: groups its blocks of one open day, whatever their column. Needs the party key alone, so that the
    close derives folio secrets only for parties that have blocks; it is only ever stored sealed.
    """
    data = b"unheld/v1/handle" + store_id + sealing_day.to_bytes(4, "big")
    keys = [party_keys[i : i + 32] for i in range(0, len(party_keys), 32)]
    hashes = np.frombuffer(b"".join(crypto.blake2b_128_each(keys, data)), "V8")
    return hashes[::2].copy()


def derive(party_keys: bytes, column_function: bytes, set_number: int, column: Column) -> FolioSecrets:
    """Folio secrets of n parties: `party_keys` n x 32 bytes, `column_function` n x 16 bytes, same order."""
    return FolioSecrets(crypto.one_step_kdf(party_keys, column_function, info(set_number, column)))
