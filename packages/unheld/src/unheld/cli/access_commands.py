"""access: a subscriber's own records, by a card. The subscriber's steps need no store and no network.

subscriber    key · begin · ask · check · open
counter       slip (asks for the number, not shown) · fetch
headquarters  answer
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from unheld.access import card as cards
from unheld.access import cardpage, own
from unheld.access.card import Card
from unheld.access.folder import GRANT, REQUEST, WANTED, Folder, Wish
from unheld.access.messages import Slip
from unheld.access.values import Read, State
from unheld.assembly import clock
from unheld.cli import numbers
from unheld.cli.app import group
from unheld.cli.output import Answer, Surface, command, counted, settings
from unheld.cli.store_commands import deployment
from unheld.workflows import access as workflow
from unheld_slots import durable
from unheld_verify import columns
from unheld_verify.errors import BadInputError, UsageError

access = group("access", "A subscriber's own records, opened with a card on their own machine.")

_CARD = Annotated[str, typer.Option("--card", help="File with the card's groups, or - (default: asked, not shown).")]
_FOLDER = Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder of unheld access begin.")]
_SMALL = 64 << 20


@command(access, "key", Surface.ONE_PARTY)
def key(out: Annotated[Path, typer.Option(help="Folder for the card: a page to print, and the public key.")]) -> Answer:
    """Make a card: a secret to print and keep, and a public key for the registry. The secret goes nowhere else."""
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: is not empty; a card gets a folder of its own")
    made = cards.new()
    durable.make_folders(out)
    durable.write_file(out / "card.html", cardpage.page(made).encode())
    durable.write_file(out / "card.txt", ("\n".join(made.lines()) + "\n").encode())
    durable.write_file(out / "public-key.txt", (made.public.hex() + "\n").encode())
    said = [
        f"card {out / 'card.html'}: print it and keep the paper",
        "  card.html and card.txt hold the secret too: let neither stay on a disk",
        "  whoever holds it can ask in its owner's place; nobody can make it again",
        f"public key {made.public.hex()}",
        "  it goes into the registry's column of subscriber keys; from then on the card opens what is sealed",
    ]
    return Answer(said, {"folder": str(out), "public_key": made.public.hex()})


@command(access, "begin", Surface.ONE_PARTY)
def begin(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder for this round, on a disk of yours.")],
    card: _CARD = "",
) -> Answer:
    """Make a request for the counter, signed by the card: it says whose card asks, and nothing else."""
    Folder(folder).begin(_card(card), clock().now())
    made = str(folder / REQUEST)
    return Answer([f"request {made}: bring it to the counter within a week, and say your number there"], {"made": made})


@command(access, "slip", Surface.ONE_PARTY)
def slip(
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="A request made by unheld access begin.")],
    out: Annotated[Path, typer.Option(help="Where to write the slip.")],
    file: Annotated[str, typer.Option(help="File with the number, one line, or - (default: asked, not shown).")] = "",
) -> Answer:
    """Give a slip to whoever made a request with the card registered for the number. Only they can open it."""
    data = _read(request)
    where = deployment()
    with where.opened() as store:
        home = store.policy.home
        named = numbers.read_file(file, home) if file else [numbers.ask_one(home)]
        if len(named) != 1:
            raise BadInputError(f"{file}: names {len(named)} numbers; a request is for one")
        durable.write_file(out, workflow.slip(store, data, named[0]))
    return Answer([f"slip {out}: for whoever made the request; nobody else can open it"], {"made": str(out)})


@command(access, "ask", Surface.ONE_PARTY)
def ask(
    folder: _FOLDER,
    slip: Annotated[Path | None, typer.Option(help="The slip from the counter, if it is new.")] = None,
    cls: Annotated[list[str] | None, typer.Option("--class", help="Only this class; repeat it.")] = None,
    begins: Annotated[str, typer.Option(help="First event day, YYYY-MM-DD.")] = "",
    ends: Annotated[str, typer.Option(help="Last event day, YYYY-MM-DD.")] = "",
    card: _CARD = "",
) -> Answer:
    """Sign a grant for classes and days, with an answer key made for it alone. It is good once, for three days."""
    if unknown := sorted(set(cls or []) - set(columns.CLASSES)):
        raise UsageError(f"--class {unknown[0]}: choose from {', '.join(columns.CLASSES)}")
    mine = Folder(folder)
    if slip is not None:
        mine.take_slip(_read(slip))
    days = {"begins": begins, "ends": ends}
    wish = Wish(cls or (), **{name: columns.day_number(text) for name, text in days.items() if text})
    made = mine.ask(_card(card), wish, clock().now())
    said = [f"grant {folder / GRANT}: {counted(len(made.columns), 'column')}; send it to headquarters"]
    said += ["  compare these words with what the operator published of its custodians:"]
    words, who = own.four_words(mine.slip()), own.headquarters(mine.slip())
    said += [f"  set {number}: {four}" for number, four in words.items()]
    said += [f"  who asks them for you, and what they know it by: {who}"]
    document = {"made": str(folder / GRANT), "columns": len(made.columns), "headquarters": who}
    return Answer(said, document | {"words": {str(number): four for number, four in words.items()}})


@command(access, "answer", Surface.ONE_PARTY)
def answer(
    grant: Annotated[Path, typer.Argument(metavar="GRANT", help="A grant made by unheld access ask.")],
    out: Annotated[Path, typer.Option(help="Where to write the answers.")],
    everybody: Annotated[bool, typer.Option("--everybody", help="Ask all custodians, not just enough.")] = False,
) -> Answer:
    """Ask the custodians for a grant. They seal what they answer to the subscriber; the log counts it."""
    done = workflow.answered(deployment(), _read(grant), everybody=everybody)
    durable.write_file(out, done.data)
    said = [f"answers {out}: of {counted(done.custodians, 'custodian')}, for the subscriber alone"]
    said += [f"  set {number}: too few answered; its days stay shut" for number in done.short]
    return Answer(said, {"made": str(out), "custodians": done.custodians, "short": list(done.short)})


@command(access, "check", Surface.ONE_PARTY)
def check(
    folder: _FOLDER, answers: Annotated[Path, typer.Argument(metavar="ANSWERS", help="Headquarters' answers.")]
) -> Answer:
    """Compare what custodians answered, and make the request for blocks: a bucket of every file, used or not."""
    mine = Folder(folder)
    read = mine.check(_read(answers))
    made = str(folder / WANTED)
    said = [*_states(mine.slip(), read), f"request for blocks {made}: bring it to the counter"]
    return Answer(said, {"made": made, **_checked(read)})


@command(access, "fetch", Surface.ONE_PARTY)
def fetch(
    wanted: Annotated[Path, typer.Argument(metavar="WANTED", help="A request made by unheld access check.")],
    out: Annotated[Path, typer.Option(help="Where to write the blocks.")],
) -> Answer:
    """Copy the blocks of a request as they lie in the store: sealed, among others', whether or not one is wanted."""
    data = _read(wanted)
    with deployment().opened() as store:
        done = workflow.fetch(store, data)
    durable.write_file(out, done.data)
    said = [f"blocks {out}: from {counted(done.files, 'file')}, each among others"]
    said += [f"  {counted(done.missing, 'file')} not here any more"] if done.missing else []
    return Answer(said, {"made": str(out), "files": done.files, "missing": done.missing})


@command(access, "open", Surface.ONE_PARTY)
def open_(
    folder: _FOLDER,
    blocks: Annotated[Path, typer.Argument(metavar="BLOCKS", help="What unheld access fetch wrote.")],
    out: Annotated[Path, typer.Option(help="Folder for your records.")],
) -> Answer:
    """Open one's own records: a page to read, CSV and JSON, and in words what was checked and what was not."""
    mine = Folder(folder)
    opened, read = mine.open(_read(blocks))
    files = own.write(out, mine, opened, read)
    counts = {cls: len(listed) for cls, listed in opened.records.items()}
    lines = own.said(mine, opened, read)
    said = [f"{files[-1]}: " + (", ".join(f"{cls} {count:,}" for cls, count in counts.items()) or "nothing held")]
    document = {"files": [str(path) for path in files], "records": counts, "said": lines, **_checked(read)}
    return Answer([*said, *(f"  {line}" for line in lines)], document)


def _states(slip: Slip, read: Read) -> list[str]:
    counts = {state: sum(one.state is state for one in read.columns.values()) for state in State}
    said = [f"{counted(count, 'column')} {state.value}" for state, count in counts.items() if count]
    return [*said, *own.wrong(slip, read)]


def _checked(read: Read) -> dict[str, object]:
    """What a program needs to know of the check."""
    return {
        "columns": {state.name.lower(): sum(one.state is state for one in read.columns.values()) for state in State},
        "liars": [list(place) for place in read.liars],
        "pairs": [list(place) for place in read.pairs],
    }


def _card(path: str) -> Card:
    if not path:
        return cards.read(settings.ask("the card's groups (not shown)", hidden=True))
    return cards.read(sys.stdin.read() if path == "-" else numbers.read_text(Path(path)))


def _read(path: Path) -> bytes:
    """A small file that somebody handed over."""
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file")
    if path.stat().st_size > _SMALL:
        raise BadInputError(f"{path}: larger than any file of this kind")
    return path.read_bytes()
