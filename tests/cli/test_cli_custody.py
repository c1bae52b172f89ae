"""Headquarters' commands for custodians: with three of them as processes across HTTP, and what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.commands import Box, Ended
from tests.support.served import Served, served
from tests.support.stores import made_store
from unheld.assembly import CLOCK_VARIABLE, Deployment
from unheld.workflows import custody
from unheld.workflows.custody import Proposal
from unheld_verify.errors import BadInputError

NAMES = ("Umoja Trust", "Tara", "Högskolan")


def now(box: Box) -> Box:
    """Custodians have clocks of their own: the commands use the same time."""
    moment = datetime.now(UTC)
    box.when, box.seconds = moment.date(), int(moment.timestamp()) % 86_400
    return box


def away_from_midnight() -> None:
    """A day that ends in the middle of this test would be another day for half of it."""
    left = 86_400 - int(time.time()) % 86_400
    if left < 420:
        time.sleep(left + 1)


def named(running: list[Served]) -> list[str]:
    """The custodians as options."""
    pairs = zip(NAMES, running, strict=True)
    return [word for name, one in pairs for word in ("--name", f"{name}=http://{one.line[0]}:{one.line[1]}/v1")]


@pytest.fixture(scope="module")
def custodians(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Served]]:
    """Three processes, each with a line and a page of its own."""
    away_from_midnight()
    folder = tmp_path_factory.mktemp("custodians")
    with ExitStack() as stack:
        yield [stack.enter_context(served(folder / str(at), "--name", name)) for at, name in enumerate(NAMES)]


@pytest.fixture(scope="module")
def told(custodians: list[Served], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """Everything that was said on the way from no custodians to a day that was opened, sealed and closed."""
    box = Box(tmp_path_factory.mktemp("home"))
    said: dict[str, Ended] = {}

    def call(label: str, *words: str) -> Ended:
        said[label] = now(box)(*words)
        return said[label]

    call("init", "init", "--custodians", "3", "--threshold", "2", "--remote")
    call("open early", "day", "open")
    call("propose", "custody", "init", *named(custodians))
    call("asked", "custody", "go")
    for one in custodians[:2]:
        one.approve_all()
    call("two said yes", "custody", "go")
    custodians[2].approve_all()
    call("words", "custody", "go", "--json")
    call("words again", "custody", "go")
    asked = re.findall(r"request\?id=(\w+)", custodians[0].get().text)
    said["page"] = Ended(0, custodians[0].get(f"request?id={asked[0]}").text, "")
    for one in custodians:
        one.approve_all()
    call("founded", "custody", "go")
    known, told_branch = box.folder / "s.register" / "custodians.toml", box.folder / "s.custodians.toml"
    said["addresses"] = Ended(0, told_branch.read_text(), known.read_text())
    call("open", "day", "open")
    call("status", "custody", "status", "--json")
    call("store", "status")
    call("freeze", "custody", "freeze", "--reason", "an order came")
    call("open frozen", "day", "open")
    time.sleep(1.1)  # a thaw is later than its freeze
    call("thaw", "custody", "thaw")
    call("open again", "day", "open")
    call("beat", "custody", "beat", "--json")
    call("drill", "custody", "drill", "--json")
    custodians[0].approve_all()
    call("drill later", "custody", "drill", "--json")
    call("close", "day", "close")
    call("log", "log", "publish")
    call("rotate", "custody", "rotate")
    call("asked again", "custody", "go")
    custodians[0].approve_all("refuse")
    call("refused", "custody", "go")
    call("doctor", "doctor")
    return said


def test_a_store_for_custodians_elsewhere_says_that_it_has_none(told: dict[str, Ended]) -> None:
    """Founding says what comes next, and no day opens before it."""
    assert told["init"].code == 0
    assert "none yet: no day opens" in told["init"].out
    assert told["open early"].code in {1, 10}
    assert "unheld custody init" in told["open early"].err


def test_who_has_not_answered_is_named(told: dict[str, Ended]) -> None:
    """Exit 3 while somebody is waited for; who has answered and who has not stands there by name."""
    assert (told["propose"].code, told["asked"].code, told["two said yes"].code) == (0, 3, 3)
    assert all(
        f"  {at}. {name}: awaited; the person there has not decided yet\n" in told["asked"].out
        for at, name in enumerate(NAMES, 1)
    )
    assert "  1. Umoja Trust: will be a custodian\n" in told["two said yes"].out
    assert "  3. Högskolan: awaited; the person there has not decided yet\n" in told["two said yes"].out
    assert "1 of 3 custodians are awaited: Högskolan\n" in told["two said yes"].err


def test_every_step_is_told_in_words(told: dict[str, Ended]) -> None:
    """A person who reads along knows what is asked of whom, and what comes next, at each step."""
    assert told["propose"].out.count(": not asked yet\n") == 3
    assert "(step 1 of 4: every person says whether they will be a custodian)" in told["asked"].out
    assert told["asked"].out.endswith(
        "next: unheld custody go, once they have answered; repeat it at will, nothing is lost by it\n"
    )
    assert "(step 3 of 4: every person compares the four words and approves)" in told["words again"].out
    assert "also hears them from another custodian, and refuses where a word differs" in told["words again"].out
    assert told["founded"].out.count(": holds its part\n") == 3
    assert "its four words, to publish: " + " ".join(told["words"].document["words"]) in told["founded"].out


def test_a_refusal_ends_a_set(told: dict[str, Ended]) -> None:
    """Where a person refused, asking again is not what comes next, and the words say what is."""
    assert told["refused"].code == 3
    assert "  1. Umoja Trust: awaited; the person there refused\n" in told["refused"].out
    assert "this set does not begin" in told["refused"].out
    assert "this set does not begin" not in told["asked again"].out


def test_the_words_are_the_same_on_the_page(told: dict[str, Ended]) -> None:
    """What headquarters reads aloud stands on the custodian's screen before anybody confirms."""
    words = told["words"].document["words"]

    assert told["words"].code == 3
    assert len(words) == 4
    assert told["words"].document["stage"] == "transcript"
    assert re.findall(r"<span>(\w+)</span>", told["page"].out) == words


def test_headquarters_tells_the_name_that_the_page_shows(told: dict[str, Ended]) -> None:
    """Whoever reads "Who asks" on a page can be told by telephone what must stand there."""
    name = re.search(r"headquarters(?:-? ?[a-z]{5}){4}", told["propose"].out)

    assert name
    assert f"<dd>{name[0]}</dd>" in told["page"].out
    assert name[0] in told["asked"].out
    assert told["status"].document["headquarters"] == name[0]


def test_it_ends_in_a_set_that_opens_days(told: dict[str, Ended]) -> None:
    """Founded by all three, taken over by the branch, and the day is open by their keys."""
    assert told["founded"].code == 0
    assert "set 1 (founded): 2 of 3" in told["founded"].out
    assert told["open"].code == 0
    assert "3 custodians" in told["open"].out
    assert (told["close"].code, told["log"].code) == (0, 0)


def test_the_branch_is_told_where_its_custodians_are(told: dict[str, Ended]) -> None:
    """Founding leaves the addresses where the branch's own program looks for them."""
    assert told["addresses"].out == told["addresses"].err
    assert "Umoja Trust" in told["addresses"].out


def test_status_tells_of_each_custodian(told: dict[str, Ended]) -> None:
    """Open day and how often it was given, keys, slot, and whether it is frozen."""
    rows = told["status"].document["custodians"]

    assert [row["name"] for row in rows] == list(NAMES)
    assert [row["open"][0]["issues"] for row in rows] == [1, 1, 1]
    assert all(row["keys"] > 0 and row["frozen"] == "" and not row["away"] for row in rows)


def test_the_store_s_status_says_who_answered(told: dict[str, Ended]) -> None:
    """And no word of custodians on this machine: there are none."""
    assert "Umoja Trust: answered; Tara: answered; Högskolan: answered" in told["store"].out
    assert "on this machine" not in told["store"].out + told["doctor"].out
    assert "custodian-slots" not in told["doctor"].out


def test_frozen_custodians_hand_out_nothing(told: dict[str, Ended]) -> None:
    """A freeze stops even the day that is open; a thaw ends it."""
    assert told["freeze"].code == 0
    assert told["freeze"].out.count("FROZEN by headquarters") == 3
    assert told["open frozen"].code == 1
    assert "frozen by headquarters" in told["open frozen"].err
    assert told["thaw"].out.count("not frozen") == 3
    assert (told["open again"].code, told["beat"].code) == (0, 0), told["beat"]


def test_a_drill_shows_who_answered(told: dict[str, Ended]) -> None:
    """The words stay until all have answered."""
    first, later = told["drill"].document, told["drill later"].document

    assert first["words"] == later["words"]
    assert [row["decision"] for row in first["custodians"]] == ["", "", ""]
    assert [row["decision"] for row in later["custodians"]] == ["approved", "", ""]


def test_who_is_away_is_told_and_the_others_answer(custodians: list[Served], tmp_path: Path) -> None:
    """Where nobody listens, the command says so of that one, and ends with exit 3."""
    box = Box(tmp_path)
    now(box)("init", "--custodians", "3", "--threshold", "2", "--remote")
    words = named(custodians)
    words[-1] = f"{NAMES[2]}=http://127.0.0.1:9/v1"
    now(box)("custody", "init", *words)

    ended = now(box)("custody", "go", "--json")

    assert ended.code == 3
    assert "cannot be reached" in {one["name"]: one["why"] for one in ended.document["waits"]}["Högskolan"]
    assert (
        "the person there has not decided yet" in {one["name"]: one["why"] for one in ended.document["waits"]}["Tara"]
    )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A store with three custodians of its own machine."""
    made = Box(tmp_path)
    assert made("init", "--custodians", "3", "--threshold", "2").code == 0
    return made


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["init", "--here"], 2, "unheld custody rotate"),
        (["rotate", "--here", "--name", "A=http://a/v1"], 2, "do not go together"),
        (["rotate", "--name", "A"], 1, "NAME=URL"),
        (["rotate", "--name", "A=http://a/v1", "--name", "A=http://b/v1"], 1, "each name once"),
        (["rotate", "--name", "A=ftp://a/v1", "--threshold", "1"], 1, "is no address"),
        (["rotate", "--name", "A=http://me:secret@a/v1", "--threshold", "1"], 1, "is no address"),
        (["rotate", "--name", "A=", "--threshold", "1"], 1, "is no address"),
        (["rotate", "--name", "A=http://a/v1", "--threshold", "2"], 1, "2 of 1 is not possible"),
        (["rotate", "--begins", "2026-07-01"], 1, "2026-07-02 or later"),
        (["rotate", "--begins", "soon"], 1, "is not a date"),
        (["rotate", "--name", "A\u202eB=http://a/v1"], 1, "'A\\u202eB': write 1 to 80 signs that can be seen"),
        (["rotate", "--name", "A\u200b=http://a/v1"], 1, "write 1 to 80 signs that can be seen"),
        (["rotate", "--name", " A=http://a/v1"], 1, "without space at the ends"),
        (["rotate", "--name", f"{'A' * 81}=http://a/v1"], 1, "write 1 to 80 signs"),
        (["rotate", "--name", "\u00e9=http://a/v1", "--name", "e\u0301=http://b/v1"], 1, "each name once"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_set_that_cannot_be_is_refused(box: Box, words: list[str], code: int, why: str) -> None:
    """The error names the place and the mend, and nothing is proposed."""
    ended = box("custody", *words)

    assert (ended.code, ended.out) == (code, "")
    assert why in ended.err
    assert [path.name for path in (box.folder / "s.register" / "custody").iterdir()] == ["set-1"]
    assert not (box.folder / "s.register" / "custodians.toml").exists()


def test_a_name_has_one_spelling(box: Box) -> None:
    """However a keyboard composes its letters, what is signed and kept is the composed form, and reading finds it."""
    typed = "Ho\u0308gskolan"
    urls = ["--name", f"{typed}=http://127.0.0.1:9/v1", "--name", "Tara=http://127.0.0.1:9/v1"]
    assert box("custody", "rotate", *urls).code == 0

    deployment = Deployment(box.root)
    assert deployment.ceremonies()[2].draft.names == ("H\u00f6gskolan", "Tara")
    path = box.folder / "s.register" / "custodians.toml"
    path.write_text(path.read_text().replace("H\u00f6gskolan", typed))
    assert "H\u00f6gskolan" in box("custody", "go").err


@pytest.mark.parametrize("origin", ["log\u202egro.elpmaxe", "log\x07.example.org", "x" * 201])
def test_a_store_s_name_can_be_seen(tmp_path: Path, origin: str) -> None:
    """No origin that reads as another one is pinned for ever, and nothing is made."""
    ended = Box(tmp_path)("init", "--origin", origin)

    assert (ended.code, ended.out) == (1, "")
    assert "origin: " in ended.err
    assert list(tmp_path.iterdir()) == []


def test_who_they_are_is_said_on_purpose(tmp_path: Path) -> None:
    """Custodians on this machine protect against nobody who holds it: nobody gets them by leaving words out."""
    box = Box(tmp_path)
    box("init", "--remote")

    ended = box("custody", "init")

    assert ended.code == 2
    assert "--here" in ended.err


def test_rotation_here_follows_from_tomorrow(box: Box) -> None:
    """Proposed, founded, the old ones retired; the day after opens under the new set with its own threshold."""
    assert box("custody", "rotate", "--here", "--threshold", "3").code == 0
    ended = box("custody", "go")
    box.when += timedelta(days=1)

    assert (ended.code, ended.out.count("asked to make no more keys: approved")) == (0, 3)
    assert "this program answers for the persons" in ended.out
    assert box("day", "open").code == 0
    assert "3 of 3 open a closed day, 3 reached" in box("status").out


def test_a_ceremony_can_be_given_up(box: Box) -> None:
    """With --anew the next number is taken; without it nothing happens."""
    assert box("custody", "rotate", "--here").code == 0
    assert box("custody", "rotate", "--here").code == 1
    assert box("custody", "rotate", "--here", "--anew", "--json").document["set"] == 3


@pytest.mark.parametrize("word", ["status", "beat", "thaw", "drill", "go"])
def test_without_custodians_there_is_nobody_to_ask(tmp_path: Path, word: str) -> None:
    """Exit 10: no set; the words say how to get one."""
    box = Box(tmp_path)
    box("init", "--remote")

    ended = box("custody", word)

    assert (ended.code, ended.out) == (10, "")
    assert "unheld custody" in ended.err


def test_custodians_elsewhere_are_never_replaced_by_ones_here_unasked(tmp_path: Path) -> None:
    """Where the file of addresses is lost, a rotation asks for the names instead of founding a set on this machine."""
    made = made_store(tmp_path, n=2, t=2, remote=True)
    with patch.dict("os.environ", {CLOCK_VARIABLE: str(made.now)}):
        custody.propose(made.deployment, Proposal({"A": "http://127.0.0.1:9/v1", "B": "http://127.0.0.1:9/v1"}))
        made.deployment.addresses.unlink()

        with pytest.raises(BadInputError, match="no address of A, B"):
            custody.go(made.deployment)


@pytest.mark.parametrize("text", ["[set-1", "[other]\nA = 'http://a/v1'\n", "[set-1]\nA = 7\n", "[set-1]\nA = 'a'\n"])
def test_addresses_that_cannot_be_read_are_named(box: Box, text: str) -> None:
    """A person may edit the file; what is off in it is told with its place."""
    (box.folder / "s.register" / "custodians.toml").write_text(text)

    ended = box("custody", "status")

    assert ended.code == 1
    assert "custodians.toml" in ended.err
