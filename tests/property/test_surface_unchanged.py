"""The public surface: what any command says is a figure of the whole or one party's facts, and never anybody else's.

Two networks have the same rows with other people in them. Every command of the tree runs on both; once what is random
is masked, nothing that is said differs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.support.commands import Ended
from tests.support.journey import CANARY, CLAIMANT, FIRST, Network, journey
from unheld.cli.output import SURFACES
from unheld.testing.population import ALPHA_SENDERS, SHORT_SENDERS
from unheld.testing.synthetic import Operator

MODES = {"text": (), "json": ("--json",), "log": ("--log-json",)}
EACH_MODE = ["json", *(pytest.param(mode, marks=pytest.mark.slow) for mode in ("text", "log"))]
HERE, THERE = (Operator(seed, subscribers=60, days=2, first_day=FIRST) for seed in (5, 6))
PACKAGES = Path(__file__).parents[2] / "packages"

_MASKS = (
    (re.compile(r"(?:[0-9a-f]{4}-){7}[0-9a-f]{4}"), "CODE"),
    (re.compile(r"[A-Za-z0-9+/]{43,}={0,2}"), "KEY"),
    (re.compile(r'"milliseconds": [\d.]+|\d+\.\d+ ms|\d[\d,]* MiB|\d+\.\d MB/s|"left": \d+|\d+ s left'), "MEASURED"),
    (re.compile(r"leaf \d+ of"), "leaf DRAWN of"),
    (
        re.compile(r'[ \d,]+ bytes|"(bytes|bytes_read|size)": \d+'),
        "SIZE",
    ),  # sealed files end in padding of a drawn size
    (re.compile(r"( days +\d+) +[\d,]+(?=  [\d-])"), r"\1 SIZE"),  # the same in the table of status
    (re.compile(r"[0-9a-f]{8,}"), "HEX"),
    (re.compile(r'(?:\b(?:[bdfghjklmnprstvz][aiou]){2}[bdfghjklmnprstvz]\b[-", ]*){4}'), "FOUR WORDS"),
)


@cache
def _names() -> dict[str, str]:
    """Another name for everybody but the two people whom calls are about."""
    pairs: list[tuple[str, str]] = []
    ours, theirs = HERE.population, THERE.population
    own = {CANARY, CLAIMANT}
    for mine, other in ((ours.msisdn, theirs.msisdn), (ours.imsi, theirs.imsi), (ours.imei, theirs.imei)):
        found = zip(mine.to_pylist(), other.to_pylist(), strict=True)
        pairs += [pair for place, pair in enumerate(found) if place not in own]
    strangers = slice(ours.subscribers, ours.first_sender)
    pairs += zip(ours.book.to_pylist()[strangers], theirs.book.to_pylist()[strangers], strict=True)
    for name in ("holder", "document"):
        found = zip(HERE.registry()[name].to_pylist(), THERE.registry()[name].to_pylist(), strict=True)
        pairs += [pair for place, pair in enumerate(found) if place not in own]
    pairs += [(cell, f"d{cell[1:]}") for cell in HERE.cells()["location_id"].to_pylist()]
    pairs += [(sender, sender[::-1]) for sender in ALPHA_SENDERS]
    pairs += [(sender, str(int(sender) + 1)) for sender in SHORT_SENDERS]
    return dict(pairs)


@pytest.fixture(scope="module")
def network() -> Network:
    """The people who are there."""
    return Network.of(HERE)


@pytest.fixture(scope="module")
def replaced(network: Network) -> Network:
    """The same rows of other people."""
    marks = (*network.marks, *THERE.planted(), *(sender[::-1] for sender in ALPHA_SENDERS))
    return network.renamed(_names(), marks)


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, network: Network, replaced: Network
) -> dict[tuple[str, str], tuple[Path, dict[str, Ended]]]:
    """Every command on both networks, in every way of answering that is asked for."""

    class Runs(dict[tuple[str, str], tuple[Path, dict[str, Ended]]]):
        def __missing__(self, which: tuple[str, str]) -> tuple[Path, dict[str, Ended]]:
            mode, who = which
            folder = tmp_path_factory.mktemp("surface") / "x"
            self[which] = folder, journey(folder, {"here": network, "there": replaced}[who], *MODES[mode])
            return self[which]

    return Runs()


def _masked(folder: Path, ended: Ended) -> tuple[int, str, str]:
    texts = []
    for text in (ended.out, ended.err):
        masked = text.replace(str(folder), "FOLDER")
        for pattern, word in _MASKS:
            masked = pattern.sub(word, masked)
        texts.append(masked)
    return ended.code, texts[0], texts[1]


def test_other_people_are_other_people(network: Network, replaced: Network) -> None:
    """The replacement replaces: no identity but the canary's and the claimant's stands in both networks."""

    def identities(rows: Network) -> set[str]:
        columns = [rows.registry[name] for name in ("msisdn", "imsi", "imei", "holder", "document")]
        columns += [day[name] for day in rows.days for name in ("msisdn_counterpart", "location_id")]
        return {str(value) for column in columns for value in column.to_pylist() if value is not None}

    kept = identities(network) & identities(replaced)

    assert len(kept) == 5 * len({CANARY, CLAIMANT})
    assert {network.canary, network.claimant} <= kept


@pytest.mark.parametrize("mode", EACH_MODE)
def test_every_command_says_the_same_whoever_the_others_are(
    mode: str, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """What any command says is unchanged when every other party's rows are replaced."""
    (here, ours), (there, theirs) = runs[mode, "here"], runs[mode, "there"]

    assert {label: _masked(here, said) for label, said in ours.items()} == {
        label: _masked(there, said) for label, said in theirs.items()
    }


def test_the_sizes_that_are_masked_do_not_tell_either(
    runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]],
) -> None:
    """Sealed files are as large whoever the others are, but for padding of a drawn size: within 2 in 100."""
    sizes = [runs["json", who][1]["check"].document["bytes_read"] for who in ("here", "there")]

    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_the_runs_call_every_command(runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]) -> None:
    """No command is left out: a new one joins the journey."""
    said = {ended.document["command"] for ended in runs["json", "here"][1].values() if ended.out}

    assert set(SURFACES) - {"demo"} == said


@pytest.mark.parametrize("mode", EACH_MODE)
def test_no_command_says_anybodys_name(
    mode: str, network: Network, replaced: Network, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """No number, IMSI, IMEI, name or document of anybody stands in stdout or stderr of any command; but the claimant's
    own receipt says whose it is."""
    for who, marks in (("here", network.marks), ("there", replaced.marks)):
        for label, ended in runs[mode, who][1].items():
            own = {network.claimant.removeprefix("+")} if label == "receipt check" else set()
            assert {mark for mark in marks if mark in ended.out + ended.err} == own, label


def test_no_file_beside_the_delivered_ones_names_anybody(
    network: Network, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """Store, slots, custodians, log, register, plans, boxes, receipts and papers name nobody but the canaries of
    genesis; what a buyer is handed holds the lines of today, and what the claimant opened is the next promise."""
    folder = runs["text", "here"][0]
    marks = [mark.encode() for mark in network.marks if mark != network.canary.removeprefix("+")]
    given = {"delivered", "canaries.txt", "claimant.txt", "handed", "records"}

    assert _naming(folder, marks, given) == []
    assert {path.name for path in folder.iterdir()} >= {
        "s",
        "s.log",
        "s.hq",
        "s.slots",
        "copy",
        "plan.json",
        "plan.box",
    }
    assert list((folder / "s" / "totals").glob("*.json"))


def test_the_search_for_names_finds_them_where_they_are(
    network: Network, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """The control: every planted identity that was delivered is found in the delivered files."""
    delivered = b"".join(path.read_bytes() for path in (runs["text", "here"][0] / "delivered").iterdir())
    people = [value.encode() for value in network.registry["holder"].to_pylist()]

    assert all(name in delivered for name in people)
    assert len([mark for mark in network.marks if mark.encode() in delivered]) > 5 * len(people)
    assert _naming(runs["text", "here"][0], people, set()) != []


def test_own_records_name_nobody_else(
    network: Network, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """What a person opens with a card holds their own facts, and of others aliases alone."""
    records = runs["text", "here"][0] / "records"
    line = network.registry.filter(pc.equal(network.registry["msisdn"], network.claimant)).to_pylist()[0]
    own = {str(value).removeprefix("+") for value in line.values()}
    marks = [mark.encode() for mark in network.marks if mark not in own]

    assert len(list(records.iterdir())) == 3
    assert _naming(records, marks, set()) == []


def _naming(folder: Path, marks: list[bytes], given: set[str]) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in given]
    return [path for path in files if any(mark in path.read_bytes() for mark in marks)]


def test_a_canary_is_told_the_same_in_any_crowd(
    tmp_path: Path, network: Network, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """One party's facts stay as they are when the others' rows become others altogether, more and elsewhere."""
    crowd = Operator(9, subscribers=90, days=2, first_day=FIRST)
    own = network.of_canary()
    merged = pa.concat_tables([crowd.day(FIRST), own])
    rows = replace(
        network,
        registry=pa.concat_tables([crowd.registry(), network.registry.slice(0, 2)]),
        days=(merged, crowd.day(crowd.sealing_days[1])),
    )

    said = journey(tmp_path / "x", rows, "--json")["canary check"]

    assert own.num_rows
    assert said.document == runs["json", "here"][1]["canary check"].document


def test_a_canarys_answer_does_follow_its_own_rows(
    tmp_path: Path, network: Network, runs: dict[tuple[str, str], tuple[Path, dict[str, Ended]]]
) -> None:
    """The control: without its own records the canary is told of its registration only."""
    others = network.days[0].filter(pc.not_equal(network.days[0]["msisdn"], network.canary))

    said = journey(tmp_path / "x", replace(network, days=(others, network.days[1])), "--json")["canary check"]

    def classes(ended: Ended) -> set[str]:
        return {item["class"] for item in ended.document["seen"]}

    assert classes(runs["json", "here"][1]["canary check"]) == {"charge", "contact", "place", "identity"}
    assert classes(said) == {"identity"}


# What leads from a place, a device, a name or a document to people would be a search. These words name such a start,
# and these types are people.
_STARTS = re.compile(
    r"(^|_)(cell|cells|location|location_id|place_id|imei|device|holder|document|given_name|born|email)(_|$)"
)
_PEOPLE = re.compile(r"\b(Parties|PartyRow|Rows|PartyKeys|RegistryRow|Found|Newcomers|identities)\b")


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sorted(PACKAGES.glob("*/src/**/*.py")):
        if "testing" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(PACKAGES)}:{node.name}", node


def test_no_function_leads_from_a_cell_a_device_or_a_name_to_people() -> None:
    """No function of any package takes a cell, a device, a name or a document and gives parties."""
    leading = [
        place
        for place, node in _functions()
        if any(_STARTS.search(argument.arg) for argument in [*node.args.args, *node.args.kwonlyargs])
        and node.returns is not None
        and _PEOPLE.search(ast.unparse(node.returns))
    ]

    assert leading == []


def test_no_command_reaches_the_room_where_parties_are_kept() -> None:
    """The command line imports nothing of the party tree: it can hand identities in, and get none out."""
    doors = [
        path for path in sorted(PACKAGES.glob("unheld/src/unheld/cli/*.py")) if "unheld_branch.keys" in path.read_text()
    ]

    assert doors == []
