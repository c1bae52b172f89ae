"""What a test that opens a store hundreds of times would work out hundreds of times, worked out once.

Only what depends on nothing but its bytes: signatures, documents that never change, and SQL from its expressions. What
a store reads, writes, opens and destroys stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, lru_cache
from pathlib import Path
from unittest.mock import patch

import sqlalchemy as sa

from unheld_branch.store import policy as policies
from unheld_branch.store import sets
from unheld_branch.store.engines import SqliteFile
from unheld_branch.store.policy import Policy
from unheld_verify import crypto
from unheld_verify.roster import Roster

_MOST = 4096
_engine, _read_policy, _read_sets = SqliteFile.engine, policies.read, sets.read
_policies: dict[bytes, Policy] = {}
_sets: dict[tuple[int, tuple[bytes, ...]], list[Roster]] = {}
_verify = lru_cache(_MOST)(crypto.verify)
_public = lru_cache(_MOST)(crypto.park_public)


@contextmanager
def remembered() -> Iterator[None]:
    """Within it, the same work is not done again."""
    with ExitStack() as stack:
        for target, name, mine in (
            (crypto, "verify", _verify),
            (crypto, "park_public", _public),
            (policies, "read", _policy),
            (sets, "read", _rosters),
            (SqliteFile, "engine", _compiling_once),
        ):
            stack.enter_context(patch.object(target, name, mine))
        yield


def _policy(path: Path) -> Policy:
    data = path.read_bytes()
    if data not in _policies:
        _policies[data] = _read_policy(path)
    return _policies[data]


def _rosters(folder: Path, policy: Policy) -> list[Roster]:
    if policy not in _policies.values():
        return _read_sets(folder, policy)
    files = tuple(path.read_bytes() for path in sorted((folder / sets.FOLDER).glob("*.json")))
    if (id(policy), files) not in _sets:
        _sets[id(policy), files] = _read_sets(folder, policy)
    return list(_sets[id(policy), files])


@cache
def _first() -> sa.Engine:
    """An engine whose dialect knows its SQLite."""
    engine = sa.create_engine("sqlite://", isolation_level="AUTOCOMMIT")
    engine.connect().close()
    return engine


def _compiling_once(file: SqliteFile, *, anew: bool = False) -> sa.Engine:
    engine = _engine(file, anew=anew)
    engine.dialect = _first().dialect  # the compiled statements are kept by dialect
    return engine.execution_options(compiled_cache=_COMPILED)


_COMPILED: dict[object, object] = {}
