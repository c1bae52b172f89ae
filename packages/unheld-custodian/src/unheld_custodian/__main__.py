"""`unheld-custodian`: one command makes a custodian and runs it; the rest is for scripts and for a lost page.

Exit codes: 0 done, and the error tree's (`unheld_verify.errors`); 1 from `status` where the custodian does not run, or
runs and cannot work.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from unheld_custodian import service
from unheld_custodian.acts import Known
from unheld_custodian.desk import Desk
from unheld_custodian.pages import Key
from unheld_slots import durable
from unheld_slots.listening import listening
from unheld_slots.places import name_slots, slot_uri
from unheld_slots.slot import Slot, check_new, create_slot, open_slot
from unheld_verify.errors import LockedError, NoStoreError, StateError, UnheldError, UsageError
from unheld_verify.roster import custodian_name

NAME = "custodian"
_OLD_SECONDS = 3 * service.TICK_SECONDS


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit code."""
    call = _parser().parse_args(argv)
    try:
        return int(call.run(call))
    except UnheldError as error:
        print(f"unheld-custodian: {error}", file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="unheld-custodian", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, words in (
        ("serve", _serve, "make the custodian of FOLDER if there is none, and run it until it is told to stop"),
        ("page", _page, "make a new link to the pages; the browser that had them is shut out"),
        ("status", _status, "print figures, and how many seconds old they are"),
        ("freeze", _freeze, "hand out nothing from now on, until the freeze is ended on the pages"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("folder", type=Path, metavar="FOLDER")
        command.set_defaults(run=run)
        if name == "serve":
            command.add_argument("--listen", default="0.0.0.0:8440", metavar="ADDRESS:PORT", help="for others")
            command.add_argument("--slot", metavar="URI", help="where a new custodian's secret is kept")
            command.add_argument("--name", help="what sets will call a new custodian; its host name if not given")
        if name in ("serve", "page"):
            command.add_argument("--page", default="127.0.0.1:8441", metavar="ADDRESS:PORT", help="for the pages")
    return parser


def _serve(call: argparse.Namespace) -> int:
    folder: Path = call.folder.absolute()
    with listening(call.listen) as lines, listening(call.page, here=True) as page:
        durable.make_folders(folder)

        def opened(known: Known | None) -> Desk:
            desk = _desk(folder, call.slot, call.name, known)
            if known is None:
                print(_where(folder, "{}:{}".format(*page.getsockname()[:2]), renew=Key(folder).is_new))
                print("for others: POST http://{}:{}/v1".format(*lines.getsockname()[:2]), flush=True)
            return desk

        with service.alone(folder):
            return service.run(opened, folder, lines, page)


def _desk(folder: Path, uri: str | None, name: str | None, known: Known | None = None) -> Desk:
    slots = folder.with_name(f"{folder.name}.slot")
    if not _is_founded(folder):
        durable.make_folder(slots)
        name_slots(slots, {NAME: uri} if uri else {})
        return Desk.create(folder, _empty(slot_uri(slots, NAME)), name or platform.node(), _now, _elapsed)
    if uri not in (None, slot_uri(slots, NAME)):
        raise UsageError(f"this custodian's secret is kept in {slot_uri(slots, NAME)}: leave --slot out")
    desk = Desk.open(folder, open_slot(slot_uri(slots, NAME)), _now, _elapsed, known)
    if name is not None and custodian_name(name) != desk.name:
        raise UsageError(f"this custodian is called {desk.name}, as its sets know it: leave --name out")
    return desk


def _is_founded(folder: Path) -> bool:
    return any(folder.glob(f"{NAME}-*.sealed"))


def _empty(uri: str) -> Slot:
    """A new slot, or the empty one that a first start left when it was cut short."""
    try:
        check_new(uri)
    except StateError:
        slot = open_slot(uri)
        if slot.live():
            raise NoStoreError(f"{uri} is in use, and its custodian is not here: is the right folder given?") from None
        return slot
    return create_slot(uri)


def _page(call: argparse.Namespace) -> int:
    folder = _known(call.folder)
    print(_where(folder, call.page, renew=True))
    return 0


def _where(folder: Path, place: str, *, renew: bool) -> str:
    if renew:
        return f"your pages: http://{place}/{Key(folder).renew()}/  (opens in one browser; then bookmark it)"
    return f"your pages: http://{place}/… as bookmarked; for a new link: unheld-custodian page {folder}"


def _status(call: argparse.Namespace) -> int:
    figures = _known(call.folder) / service.FIGURES
    try:
        said, age = json.loads(figures.read_text("utf-8")), int(time.time() - figures.stat().st_mtime)
    except (OSError, ValueError, RecursionError) as error:
        raise NoStoreError(f"{figures}: cannot be read ({error}); was it ever served?") from None
    running = _runs(figures.parent)
    print(json.dumps(said | {"running": running, "age": age}, indent=2))
    if running and age > _OLD_SECONDS:
        raise StateError(f"these figures are {age} seconds old: it runs and cannot work; its pages say why")
    return 0 if running else 1


def _runs(folder: Path) -> bool:
    try:
        with service.alone(folder):
            return False
    except LockedError:
        return True


def _freeze(call: argparse.Namespace) -> int:
    folder = _known(call.folder)
    service.tell_to_freeze(folder)
    print("From now on this custodian hands out nothing. End it on its pages.")
    return 0


def _known(folder: Path) -> Path:
    if not _is_founded(folder):
        raise NoStoreError(f"{folder}: there is no custodian; make one with: unheld-custodian serve {folder}")
    return folder.absolute()


def _now() -> int:
    return int(time.time())


def _elapsed() -> float:
    """Seconds that no setting of the clock changes, those asleep with them where the system counts those."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


if __name__ == "__main__":
    sys.exit(main())
