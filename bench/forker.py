"""Commands as processes of their own without the second that each takes to load Python's parts: forked when asked for.

    python -m bench.forker

Reads lines of JSON on standard input: {"words":[program, …], "env":{…}, "out":PATH, "err":PATH}. Programs are
`unheld`, `unheld-branch`, and `before` (`unheld` as the release before wrote stores). Prints the process's id, and when
it ended
[code, peak resident bytes]. This process holds nothing and does nothing itself.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any
from unittest.mock import patch

import unheld.cli as program
import unheld_branch.__main__ as branch
from unheld.cli import (  # noqa: F401 - loaded once  # noqa: F401
    app,
    custody_commands,
    demand_register_commands,
    erase_commands,
    exit_commands,
    proof_commands,
    record_commands,
    store_commands,
    upgrade_commands,
)
from unheld_branch.store import mark
from unheld_branch.store import store as stores
from unheld_verify import formats


def begin(asked: dict[str, Any]) -> int:
    """Fork a process that runs the command; its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ.update(asked["env"])
        for number, name, flags in ((0, os.devnull, os.O_RDONLY), *_written(asked)):
            os.dup2(os.open(name, flags, 0o600), number)
        code = _run(asked["words"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _written(asked: dict[str, Any]) -> tuple[tuple[int, str, int], ...]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    return (1, asked["out"], flags), (2, asked["err"], flags)


def _run(words: list[str]) -> int:
    sys.argv = words
    if words[0] == "unheld-branch":
        branch.main(words[1:])
    if words[0] == "before":
        older = formats.FORMATS[mark.STORE].newest - 1
        with patch.object(stores, "FORMAT", older), patch.object(mark, "write", lambda *_: None):
            program.main()
    program.main()
    return 0


def main() -> None:
    """Serve until standard input ends."""
    gc.freeze()  # what is loaded stays shared with every process
    for line in sys.stdin:
        pid = begin(json.loads(line))
        print(pid, flush=True)
        _, status, usage = os.wait4(pid, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024]), flush=True)


if __name__ == "__main__":
    main()
