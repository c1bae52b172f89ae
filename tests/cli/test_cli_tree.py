"""The command tree: what every command has, takes and answers with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command

from tests.support.commands import Ended, in_process
from tests.support.journey import FIRST, Network, journey
from unheld.cli.app import app
from unheld.cli.output import SURFACES, Surface
from unheld.cli.surface import DOCUMENTS, ENVELOPE, PARAMETERS, paths
from unheld.testing.synthetic import Operator
from unheld_verify.errors import UnheldError

ELSEWHERE = {"demo": "runs for minutes on people who cannot exist; has tests of its own"}
SEARCHING = {
    "find",
    "search",
    "lookup",
    "query",
    "who",
    "people",
    "parties",
    "subscribers",
    "trace",
    "locate",
    "export",
}


def _walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from _walk(below, (*words, name))
    if not hasattr(command, "commands"):
        yield " ".join(words), command


TREE = {words: command for words, command in _walk(get_command(app)) if words not in ELSEWHERE}
commands = pytest.mark.parametrize("words", sorted(TREE))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """What every command says with --json."""
    network = Network.of(Operator(seed=5, subscribers=60, days=2, first_day=FIRST))
    return journey(tmp_path_factory.mktemp("tree") / "a", network, "--json")


def _documents(told: dict[str, Ended], words: str) -> list[dict[str, Any]]:
    documents = [ended.document for ended in told.values() if ended.out]
    return [document for document in documents if document["command"] == words]


@commands
def test_every_command_takes_json(words: str) -> None:
    """`--json` stands at every command itself, not only at the program."""
    assert any("--json" in parameter.opts for parameter in TREE[words].params)


@commands
def test_every_command_and_every_parameter_explains_itself(words: str) -> None:
    """There is a sentence for the command and one for each thing it takes."""
    command = TREE[words]

    assert command.help.endswith(".")
    assert all(parameter.help for parameter in command.params)


@commands
def test_every_command_declares_its_surface(words: str) -> None:
    """A command is of one of the two kinds; there is no third."""
    assert SURFACES[words] in Surface


def test_only_the_canary_the_claimant_and_a_card_s_owner_are_one_partys() -> None:
    """What opens one party's facts is a list that grows only on purpose."""
    own = {"answer", "ask", "begin", "check", "fetch", "key", "open", "slip"}
    assert {words for words, kind in SURFACES.items() if kind is Surface.ONE_PARTY} == {
        *(f"access {words}" for words in own),
        "canary check",
        "casefolder",
        "demand claim",
        "receipt check",
        "receipt open",
    }


@commands
def test_every_command_answers_with_the_keys_it_is_listed_with(words: str, told: dict[str, Ended]) -> None:
    """The keys of a document are stable: all that are listed at the top, and none that is not."""
    listed = {*ENVELOPE, *DOCUMENTS[words]}
    documents = _documents(told, words)
    assert documents

    for document in documents:
        assert {re.split(r"[.\[]", path)[0] for path in listed} == set(document)
        assert [path for path in paths(document) if not any(fnmatchcase(path, _glob(item)) for item in listed)] == []


def _glob(listed: str) -> str:
    return listed.replace("[]", "[[][]]")


def test_the_list_holds_no_key_that_nothing_answers_with(told: dict[str, Ended]) -> None:
    """The list of keys is exact: a key that left leaves the list."""
    seldom = {"unstored_bytes.*", "bad_rows.*", "refused[].file", "refused[].reason", "parked[]", "months[]", "known[]"}
    seldom |= {"short[]", "liars[][]", "pairs[][]", "left_out[]", "lacking[]", "words[]", "answered[]", "retired[]"}
    seldom |= {"files[]", "findings[].kind", "findings[].place", "findings[].words", "unread[]", "waiting[]"}
    seldom |= {"policy.centre.*", *(item for words in DOCUMENTS for item in DOCUMENTS[words] if _of_centres(item))}
    dead = [
        (words, item)
        for words, listed in DOCUMENTS.items()
        if words not in ELSEWHERE
        for item in listed
        if item not in seldom
        and not any(fnmatchcase(path, _glob(item)) for made in _documents(told, words) for path in paths(made))
    ]

    assert dead == []
    assert set(DOCUMENTS) == {*TREE, *ELSEWHERE}


def _of_centres(item: str) -> bool:
    """A network with two data centres answers with these (`test_cli_centres`)."""
    return item.startswith(("others[].", "centres[]."))


def test_the_envelope_is_the_same_everywhere(told: dict[str, Ended]) -> None:
    """Each document says its version, its command and its exit code."""
    for ended in told.values():
        if ended.out:
            assert (ended.document["schema_version"], ended.document["exit_code"]) == (1, ended.code)
            assert ended.document["command"] in TREE


def test_a_failure_ends_in_one_json_line_and_an_empty_stdout(told: dict[str, Ended]) -> None:
    """With --json the last line of stderr is the error, for programs."""
    ended = told["erase apply unconfirmed"]

    assert ended.out == ""
    assert ended.error["message_type"] == "exit_error"
    assert (ended.error["code"], ended.error["command"], ended.error["kind"]) == (4, "erase apply", "NotAllowed")


@commands
def test_nothing_takes_a_person_or_a_secret_as_an_argument(words: str) -> None:
    """Every word a command may be given is on a closed list, none of which names a person, a PIN, a code or a key."""
    assert [parameter.name for parameter in TREE[words].params if parameter.name not in {*PARAMETERS, "help"}] == []


def test_what_asks_for_a_person_is_a_switch() -> None:
    """--party and --owner of records take no value: what is typed is asked for, and not shown."""
    asking = [
        (words, parameter.name)
        for words, command in TREE.items()
        for parameter in command.params
        if parameter.name in {"party", "owner"} and words != "inventory add" and not parameter.is_flag
    ]

    assert asking == []


@commands
def test_no_command_searches(words: str) -> None:
    """No command's name finds or lists people."""
    assert not SEARCHING & set(re.split(r"[ -]", words))


def test_the_list_of_parameters_holds_nothing_that_no_command_takes() -> None:
    """The closed list of parameters is exact."""
    assert set(PARAMETERS) == {parameter.name for command in TREE.values() for parameter in command.params} - {"help"}


def test_help_says_that_there_is_no_search() -> None:
    """The first thing the program says of itself is what it will not do."""
    ended = in_process(["--help"])

    assert ended.code == 0
    assert "it has no search" in " ".join(ended.out.split())


@pytest.mark.parametrize("words", ["erase", "log", "day"])
def test_a_bare_noun_shows_its_verbs(words: str) -> None:
    """Half a command is answered by its help, as a usage error."""
    ended = in_process([words])

    assert (ended.code, ended.out) == (2, "")
    assert "Usage: unheld" in ended.err


def test_words_that_make_no_command_are_a_usage_error_in_json_too() -> None:
    """An unknown option ends like every other error."""
    ended = in_process(["status", "--json", "--bogus"])

    assert (ended.code, ended.out) == (2, "")
    assert (ended.error["kind"], ended.error["command"]) == ("Usage", "status")


def test_a_number_typed_as_an_argument_is_not_repeated() -> None:
    """Whoever types a number where none belongs reads why, and the log does not get it."""
    ended = in_process(["erase", "plan", "--out", "p", "--party", "+99912345678"])

    assert ended.code == 2
    assert "12345678" not in ended.err
    assert "never arguments" in ended.err


def test_global_options_after_the_command_are_explained() -> None:
    """The commonest slip gets its own words."""
    ended = in_process(["status", "--store", "s"])

    assert ended.code == 2
    assert "). Global options stand before the command;" in ended.err


def test_help_lists_the_exit_codes() -> None:
    """Every error's exit code stands in the help: a script's author need not read the source."""
    leaves, told = [UnheldError], in_process(["--help"]).out
    for error in leaves:
        leaves += error.__subclasses__()

    assert {str(error.exit_code) for error in leaves} <= set(re.findall(r"\b\d+\b", told.split("Exit codes:")[1]))


def test_a_mistake_of_our_own_shows_no_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What nobody foresaw ends in one line that names a place in the code: a library's message may repeat a value."""
    monkeypatch.setattr("unheld.workflows.status.status", lambda _: int("tel:+99912345678"))

    ended = in_process(["--store", str(tmp_path), "status"])

    assert (ended.code, ended.out) == (1, "")
    assert "12345678" not in ended.err
    assert "ValueError in test_cli_tree.py line" in ended.err


def test_completion_is_offered() -> None:
    """Typer's own completion is there."""
    assert isinstance(app, typer.Typer)
    assert "--show-completion" in in_process(["--help"]).out


def test_the_version_is_told() -> None:
    """What a bug report begins with."""
    ended = in_process(["--version"])

    assert ended.code == 0
    assert re.fullmatch(r"unheld \d+\.\d+\.\d+\n", ended.out)
