"""`unheld-branch`: the service of a branch, and the steps that it runs each in a process of its own.

Nobody decides anything here. A step says in a line what it did; an error has the exit code of its kind.
Each step loads what it needs when it begins: loading all parts takes longer than most steps.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from unheld_branch.kernel import process
from unheld_verify.errors import BadInputError, UnheldError, UsageError

if TYPE_CHECKING:
    from unheld_branch.records.mapping import Mapping
    from unheld_branch.store.store import Store
    from unheld_branch.workflows import ingest
    from unheld_branch.workflows.service import Step

PROGRAM = "unheld-branch"
_INTERRUPTED = 130
Act = Callable[[argparse.Namespace, "Store"], tuple[str, int]]


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    given = _parser().parse_args(words)
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    process.harden(lock_memory=unlimited or os.environ.get("UNHELD_LOCK_MEMORY") == "1")
    try:
        said, code = _WITHOUT_STORE.get(given.step, _step)(given)
    except UnheldError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    print(said)
    raise SystemExit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description="The branch of a network that can forget.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {metadata.version(PROGRAM)}")
    steps = parser.add_subparsers(dest="step", required=True)
    made: dict[str, argparse.ArgumentParser] = {}
    for name, words in _HELP.items():
        made[name] = steps.add_parser(name, help=words, description=words)
        made[name].add_argument("store", type=Path, help="the store's folder")
    for name in ("ingest", "park"):
        made[name].add_argument("sources", nargs="+", help="files, folders or globs")
        made[name].add_argument("--mapping", type=Path, required=True, help="what the files' columns mean")
    made["unpark"].add_argument("batch", help="a parked batch")
    made["apply"].add_argument("plans", type=Path, nargs="+", help="erasure plans that headquarters signed")
    made["upgrade"].add_argument("plan", type=Path, help="an upgrade plan that headquarters signed")
    made["upgrade"].add_argument("--confirm", required=True, help="the first 8 or more digits of its digest")
    made["take-over"].add_argument("founded", type=Path, help="the founded set, as headquarters signed it")
    _copy_parser(steps)
    run = made["run"]
    run.add_argument("--once", action="store_true", help="do what is due now, then end: for cron")
    run.add_argument("--every", type=int, default=60, help="seconds between looks at the clock")
    run.add_argument("--inbox", type=Path, help="folder whose files are taken in as they come")
    run.add_argument("--mapping", type=Path, help="mapping of the inbox's files")
    run.add_argument("--plans", type=Path, help="folder whose *.plan files are applied as they come")
    return parser


def _copy_parser(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = "a copy of a store that is on another machine"
    acts = steps.add_parser("copy", help=words, description=words).add_subparsers(dest="act", required=True)
    promoted = acts.add_parser("promote", help="make it the store, when the store is lost")
    promoted.add_argument("folder", type=Path, help="the copy's folder")
    serve = acts.add_parser("serve", help="follow a store: it writes here, over the address given")
    serve.add_argument("folder", type=Path, help="the copy's folder; its slots lie in FOLDER.slots")
    serve.add_argument("--listen", default="127.0.0.1:8450", help="ADDRESS:PORT (default: %(default)s)")


def _copy(given: argparse.Namespace) -> tuple[str, int]:
    from unheld_branch.copies import serving
    from unheld_branch.copies.keeper import Keeper
    from unheld_branch.copies.worker import Desk
    from unheld_branch.kernel.clock import machine_clock
    from unheld_branch.store import copying

    if given.act == "promote":
        return _promote(given.folder)
    desk = Desk(Keeper(given.folder, copying.slots_of(given.folder), machine_clock().now))
    server = serving.listening(given.listen, desk)
    place = given.listen.rpartition(":")[0]
    print(f"{PROGRAM}: copy {given.folder} at http://{place}:{server.server_port}#{desk.key.hex()}", flush=True)
    serving.run(server, desk.look)
    return "ended", 0


def _promote(folder: Path) -> tuple[str, int]:
    from unheld_branch.copies import promoting
    from unheld_branch.kernel.clock import machine_clock

    done = promoting.promote(folder, machine_clock())
    said = [f"{folder} is the store now, from generation {done.generation} on; the former store is refused"]
    said += [f"copy {name} did not say whether it has more" for name in done.unheard]
    said += [
        "open the day again: custodians give its keys anew",
        f"keep `copy serve {folder}` up: it turns others away",
    ]
    return "\n".join(said), 3 if done.unheard else 0


def _step(given: argparse.Namespace) -> tuple[str, int]:
    from unheld_branch import assembly

    if given.step == "apply":
        _decisions(given)
    with assembly.opened(given.store) as store:
        return _ACTS[given.step](given, store)


def _decisions(given: argparse.Namespace) -> None:
    """Lay decisions about copies before the store first: it may not open without them."""
    from unheld_branch import assembly
    from unheld_branch.store import releases
    from unheld_slots import durable

    for path in [one for one in given.plans if one.suffix == releases.ENDING]:
        releases.offer(given.store, path.read_bytes(), assembly.policy_of(given.store))
        durable.remove_file(path)
    given.plans = [one for one in given.plans if one.suffix != releases.ENDING]


def _run(given: argparse.Namespace) -> tuple[str, int]:
    from unheld_branch.workflows.service import Service

    if (given.inbox is None) != (given.mapping is None):
        raise UsageError("--inbox and --mapping belong together")
    for folder in filter(None, (given.inbox, given.plans)):
        if not folder.is_dir():
            raise BadInputError(f"{folder}: there is no such folder")
    service = Service(given.store, partial(_child, given.store), given.inbox, given.mapping, given.plans)
    done = service.run(once=given.once, every=max(1, given.every))
    failed = [step for step in done if step.exit_code]
    said = "\n".join(f"{step.words}: exit {step.exit_code}" for step in done)
    return said, 0 if not failed else 3 if len(failed) < len(done) else 1


def _child(root: Path, step: str, *words: str) -> Step:
    from unheld_branch.workflows.service import Step

    ended = subprocess.run([sys.executable, "-m", "unheld_branch", step, str(root), *words], check=False)
    return Step(step, ended.returncode)


def _open(_: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.assembly import custodians
    from unheld_branch.workflows import day
    from unheld_verify import columns

    opened = day.open_day(store, custodians(store))
    said = f"{columns.day_text(opened.day)} is open: {opened.custodians} custodians, {opened.columns} columns"
    return "\n".join([said, *day.doubts(opened)]), 0


def _close(_: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.assembly import custodians
    from unheld_branch.workflows import day
    from unheld_verify import columns

    closed = day.close_day(store, custodians(store))
    return f"{columns.day_text(closed.day)} is closed: {closed.records:,} records; no key of it is held here", 0


def _lapse(_: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.assembly import custodians
    from unheld_branch.workflows import lapse

    return f"lapsed: {len(lapse.lapse(store, custodians(store)).columns)} columns", 0


def _ingest(given: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.workflows import ingest

    report = ingest.ingest(store, given.sources, _mapping(given))
    return _taken(report.records, "sealed", report.refused, bool(report.deliveries or report.known))


def _park(given: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.workflows import park

    report = park.park(store, given.sources, _mapping(given))
    return _taken(report.records, "parked", report.refused, bool(report.batches or report.known))


def _unpark(given: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.assembly import custodians
    from unheld_branch.workflows import park

    return f"{park.unpark(store, custodians(store), given.batch).records:,} parked records sealed", 0


def _apply(given: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.assembly import custodians
    from unheld_branch.workflows import plans

    done = plans.apply_files(store, custodians(store), given.plans)
    said = [f"{one.path.name}: {one.became}{f': {one.why}' if one.why else ''}" for one in done]
    return "\n".join(said), plans.exit_code(done)


def _mapping(given: argparse.Namespace) -> Mapping:
    from unheld_branch.records.mapping import mapping_of

    return mapping_of(given.mapping)


def _taken(records: int, word: str, refused: Sequence[ingest.Refusal], taken: bool) -> tuple[str, int]:
    lines = [f"{records:,} records {word}", *(f"refused: {one.reason}" for one in refused)]
    return "\n".join(lines), (3 if taken else 1) if refused else 0


def _take_over(given: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.workflows import custody
    from unheld_verify import columns, signed

    one = custody.take_over(store, signed.decode(given.founded.read_bytes(), "founded"))
    return f"custodian set {one.draft.set} seals from {columns.day_text(one.draft.begins)} on", 0


def _upgrade(given: argparse.Namespace, store: Store) -> tuple[str, int]:
    from unheld_branch.workflows import upgrade as upgrading
    from unheld_verify import upgrade

    done = upgrading.apply(store, upgrade.decode(given.plan.read_bytes(), str(given.plan)), given.confirm)
    if done is None:
        return "nothing to do: this plan does not name the store", 0
    return f"store: format {done.format}{', as it was already' if done.again else ''}", 0


_HELP = {
    "run": "keep the days by the clock, each step in a process of its own",
    "open": "ask the custodians for the day's column keys",
    "close": "merge the day's batches and drop its keys",
    "lapse": "drop what is due by the calendar",
    "ingest": "seal files into the open day",
    "park": "write files without custodians; nobody here can read them",
    "unpark": "seal a parked batch into the open day",
    "apply": "carry out erasure plans that headquarters signed",
    "upgrade": "bring the store to a later format by a plan that headquarters signed",
    "take-over": "seal under a custodian set that headquarters founded",
}
_WITHOUT_STORE: dict[str, Callable[[argparse.Namespace], tuple[str, int]]] = {"run": _run, "copy": _copy}
_ACTS: dict[str, Act] = {
    "open": _open, "close": _close, "lapse": _lapse, "ingest": _ingest, "park": _park, "unpark": _unpark,
    "apply": _apply, "take-over": _take_over, "upgrade": _upgrade,
}  # fmt: skip

if __name__ == "__main__":
    main()
