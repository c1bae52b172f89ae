"""Clock, lock and process of the branch."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from unheld_branch.kernel import clock, locks
from unheld_verify.errors import LockedError


def test_a_fixed_clock_stands_until_it_is_moved() -> None:
    """Simulated time moves only when it is told to."""
    fixed = clock.FixedClock(86_399)

    assert fixed.now() == fixed.now() == 86_399
    fixed.seconds += 1
    assert fixed.now() == 86_400


def test_the_system_clock_is_the_machine_s() -> None:
    """Without a fixed clock the time is now."""
    assert abs(clock.SystemClock().now() - time.time()) < 5


def test_a_lock_ends_with_its_block(tmp_path: Path) -> None:
    """A lock is free again after an error inside it."""
    with pytest.raises(ZeroDivisionError), locks.locked(tmp_path / "lock", exclusive=True):
        raise ZeroDivisionError

    with locks.locked(tmp_path / "lock", exclusive=True):
        assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A process that was killed leaves no lock behind."""
    code = f"""
from pathlib import Path
from unheld_branch.kernel import locks
with locks.locked(Path({str(tmp_path / "lock")!r}), exclusive=True):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError), locks.locked(tmp_path / "lock", exclusive=False):
            pass
        other.kill()
        other.wait()

    with locks.locked(tmp_path / "lock", exclusive=True):
        assert other.returncode is not None


def test_a_hardened_process_leaves_no_core_and_cannot_be_traced() -> None:
    """What the system granted is told, and it holds: no core file, not dumpable."""
    code = """
import resource
from unheld_branch.kernel.process import harden
done = harden(lock_memory=True)
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
print(done.no_core, done.no_dump, type(done.locked_memory).__name__)
import ctypes
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "True", "bool", "0"]
