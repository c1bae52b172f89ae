"""From files to clean Arrow chunks: decode, normalise, split good rows from bad, keep only what a mapping names.

    mapping = mapping_of(Path("calls.toml"))
    reader = read_records(["calls/*.csv.gz"], mapping)
    for chunk in reader:
        ...                       # chunk.table, chunk.bad
    print(reader.report().saved)  # columns that were not stored

Rows are held in memory only, in chunks; no module here writes a file.
"""

from unheld_branch.records.chunks import BadRow, Chunk, FileReport, SourceReport
from unheld_branch.records.mapping import Mapping, mapping_of
from unheld_branch.records.propose import Proposal, propose
from unheld_branch.records.reader import Reader, read_records
from unheld_branch.records.registry import RegistryRow, registry_rows

__all__ = [
    "BadRow",
    "Chunk",
    "FileReport",
    "Mapping",
    "Proposal",
    "Reader",
    "RegistryRow",
    "SourceReport",
    "mapping_of",
    "propose",
    "read_records",
    "registry_rows",
]
