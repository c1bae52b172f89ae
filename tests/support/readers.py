"""Every reader of bytes, by name: the one list that hostile bytes are fed from, by tests and `python -m fuzz`."""

from __future__ import annotations

from tests.support import readers_copies, readers_custody, readers_office, readers_proof, readers_store, readers_tables
from tests.support.reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader
    for module in (readers_proof, readers_custody, readers_store, readers_tables, readers_copies, readers_office)
    for reader in module.READERS
}
