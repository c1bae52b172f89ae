"""Promises of the pages' socket: one browser, at one address, and nothing for anybody else on this machine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from tests.support.ceremony import World, draft
from tests.support.served import FORM, Served, command, founded, invited, send, served
from unheld_custodian.desk import Desk
from unheld_verify import columns
from unheld_verify.errors import StateError


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A custodian that holds nothing, whose pages a browser has. Tests of this module change nothing there."""
    with served(tmp_path_factory.mktemp("pages") / "held", "--name", "Oslo") as running:
        assert running.get().status == 200
        yield running


@pytest.fixture(scope="module")
def set_of_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Served]]:
    """A founded custodian whose pages a browser has. Each test of this module asks it of a set of its own."""
    with founded(tmp_path_factory.mktemp("three")) as (world, running):
        assert running.get().status == 200
        yield world, running


def is_frozen(running: Served) -> bool:
    """Whether its person froze it."""
    return "You froze this custodian" in running.get().text


def test_the_first_browser_gets_a_cookie_for_its_path_alone(tmp_path: Path) -> None:
    """The cookie is bound to the link's path, out of reach of scripts, other sites and other ports' paths."""
    with served(tmp_path / "held") as running:
        given = running.get().headers["set-cookie"].lower()
    parts = {part.strip() for part in given.split(";")[1:]}

    assert {"httponly", "samesite=strict", f"path={running.root}"} <= parts
    assert "domain" not in given


@pytest.mark.parametrize("cookie", ["", "unheld=", "unheld=" + "00" * 16, "other=1", "unheld=;unheld="])
def test_a_second_browser_is_shut_out(entered: Served, cookie: str) -> None:
    """The link alone opens nothing once a browser has the pages, and says how to make a new one."""
    shut = entered.get(Cookie=cookie)

    assert shut.status == 403
    assert "unheld-custodian page" in shut.text
    assert "set-cookie" not in shut.headers


@pytest.mark.parametrize(
    "path",
    ["/", "//", "/favicon.ico", "/style.css", "/00000000000000000000000000000000/", "/{code}", "//{code}/", "/{half}/",
     "/../{code}/", "/%2e%2e/", "/{upper}/", "/{code}%00/", "/{code}?/"],
)  # fmt: skip
def test_without_the_code_there_is_nothing(entered: Served, path: str) -> None:
    """Any other path finds nothing, even in the browser that has the pages."""
    code = entered.root.strip("/")
    asked = path.format(code=code, half=code[:16], upper="X" + code[1:])
    headers = {"Host": entered.host, "Cookie": f"unheld={entered.cookie}"}

    assert send(entered.page, "GET", asked, b"", headers).status == 404


@pytest.mark.parametrize(
    "place",
    ["../", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "base", "base.html.j2", "en.json", "page.json", "home/",
     "style.css/", "request", "request?id=0", "request?id=../home", "freeze", "thaw", "answer", "believe"],
)  # fmt: skip
def test_there_are_five_screens_and_a_sheet(entered: Served, place: str) -> None:
    """No file can be reached by a path, and looking never does what a form does."""
    assert entered.get(place).status == 404
    assert not is_frozen(entered)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "localhost", "127.0.0.1:1", ""])
def test_another_host_name_finds_nothing(entered: Served, host: str) -> None:
    """A web page whose name was pointed at this machine gets nothing, with code and cookie too."""
    assert entered.get(Host=host.format(port=entered.page[1])).status == 404


def test_a_wrong_host_uses_no_link_up(tmp_path: Path) -> None:
    """The first browser is the first that asks for the right host."""
    with served(tmp_path / "held") as running:
        assert running.get(Host="evil.example").status == 404
        assert running.get().status == 200


@pytest.mark.parametrize(
    "origin", ["", "null", "https://{host}", "http://evil.example", "http://127.0.0.1:1", "http://localhost:{port}"]
)
def test_a_form_of_another_page_does_nothing(entered: Served, origin: str) -> None:
    """Who sends a form from anywhere else is refused, even in the browser that has the pages."""
    said = origin.format(host=entered.host, port=entered.page[1])

    assert entered.post("freeze", Origin=said).status == 403
    assert not is_frozen(entered)


def test_a_form_without_an_origin_does_nothing(entered: Served) -> None:
    """Every browser says where a form comes from; what does not say it is no form of these pages."""
    headers = FORM | {"Host": entered.host, "Cookie": f"unheld={entered.cookie}"}

    assert send(entered.page, "POST", f"{entered.root}freeze", b"", headers).status == 403
    assert not is_frozen(entered)


def test_a_form_without_the_cookie_does_nothing(entered: Served) -> None:
    """Somebody else on this machine who knows the address cannot send a form."""
    assert entered.post("freeze", Cookie="").status == 403
    assert not is_frozen(entered)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"])
def test_only_looking_and_forms(entered: Served, method: str) -> None:
    """Other methods find nothing."""
    headers = {"Host": entered.host, "Cookie": f"unheld={entered.cookie}", "Origin": f"http://{entered.host}"}

    assert send(entered.page, method, entered.root, b"", headers).status == 404


@pytest.mark.parametrize("form", ["x" * 5000, "\xff\xfe", "id=%ff&answer=approve", "answer", "&&&", "id=practice"])
def test_a_form_that_says_nothing_decides_nothing(entered: Served, form: str) -> None:
    """Too long, not text, or without an answer: refused."""
    own = {"Host": entered.host, "Cookie": f"unheld={entered.cookie}", "Origin": f"http://{entered.host}"}
    answered = send(entered.page, "POST", f"{entered.root}answer", form.encode("latin-1"), FORM | own)

    assert answered.status in (400, 404)


@pytest.mark.parametrize("place", ["", "style.css", "nowhere", "pressure"])
def test_every_answer_tells_the_browser_to_trust_nothing_else(entered: Served, place: str) -> None:
    """No script, nothing from elsewhere, no frame, nothing kept."""
    headers = entered.get(place).headers

    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'; img-src data:;")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert (headers["referrer-policy"], headers["cross-origin-opener-policy"]) == ("same-origin", "same-origin")
    assert "server" not in headers


def test_a_new_link_shuts_the_old_browser_out(tmp_path: Path) -> None:
    """After `page` the old address finds nothing, and the new one admits one browser."""
    with served(tmp_path / "held") as running:
        running.get()
        call = command("page", str(tmp_path / "held"), "--page", running.host)
        said = subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout
        assert running.get().status == 404
        running.link, running.cookie = said.split()[2], ""
        assert running.get().status == 200
        assert running.get(Cookie="").status == 403


@pytest.mark.parametrize("text", ["", "[]", '["", ""]', '{"code": ""}', "[1, 2]", "null", "\x00"])
def test_a_damaged_key_file_admits_nobody(entered: Served, text: str) -> None:
    """Whatever the file says that holds which browser has the pages, no code and no cookie fit nothing."""
    kept = entered.folder / "page.json"
    whole = kept.read_text()
    kept.write_text(text)
    try:
        assert entered.get().status == 404
        assert send(entered.page, "GET", "//", b"", {"Host": entered.host}).status == 404
    finally:
        kept.write_text(whole)


def test_a_custodian_without_its_slot_says_so_in_a_page(entered: Served) -> None:
    """A heading, that nothing is handed out, which place it is, and a way to try again: for a person, on a phone."""
    slot = entered.folder.with_name("held.slot") / "custodian.slot"
    slot.rename(slot.with_name("away"))
    try:
        told = entered.get()
    finally:
        slot.with_name("away").rename(slot)

    assert (told.status, told.headers["content-type"].partition(";")[0]) == (404, "text/html")
    for words in ("<h1>Something does not work</h1>", "it hands out nothing", str(slot), f'href="{entered.root}"'):
        assert words in told.text
    assert entered.get().status == 200


def test_no_secret_of_the_pages_is_on_the_disk(tmp_path: Path) -> None:
    """Neither the link's code nor the cookie can be read from the custodian's folder."""
    with served(tmp_path / "held") as running:
        running.get()
        stored = b"".join(path.read_bytes() for path in (tmp_path / "held").iterdir())

    assert running.root.strip("/").encode() not in stored
    assert running.cookie.encode() not in stored


def test_names_are_text(set_of_three: tuple[World, Served]) -> None:
    """Markup in what headquarters wrote is seen as text."""
    name = "<script>alert(1)</script>"
    asked = invited(set_of_three[1], 2, names=("Custodian 0", name, "“&'"))
    shown = set_of_three[1].get(f"request?id={asked}").text

    assert name not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_refusing_needs_nothing(set_of_three: tuple[World, Served]) -> None:
    """Refuse works without words and without a reason, and is what the desk then knows."""
    asked = invited(set_of_three[1], 3)
    done = set_of_three[1].post("answer", {"id": asked, "answer": "refuse", "screen": "request"})

    assert (done.status, done.headers["location"]) == (303, f"{set_of_three[1].root}?done=refuse")
    assert "You refused this." in set_of_three[1].get(f"request?id={asked}").text


def test_the_other_answer_is_not_taken_afterwards(set_of_three: tuple[World, Served]) -> None:
    """A request that was refused stays refused."""
    asked = invited(set_of_three[1], 4)
    set_of_three[1].post("answer", {"id": asked, "answer": "refuse", "screen": "request"})
    again = set_of_three[1].post("answer", {"id": asked, "answer": "approve", "screen": "request"})

    assert again.status == 409
    assert "You refused this." in set_of_three[1].get(f"request?id={asked}").text


@pytest.mark.parametrize("said", ["", "povor povor povor", "povor povor povor zonan", "<b>povor</b>"])
def test_other_words_approve_nothing(set_of_three: tuple[World, Served], said: str) -> None:
    """With other words than those of the request, it still waits."""
    world, running = set_of_three
    drill = {"drill": "ab" * 32}
    world.ask(0, "drill", drill)
    form = {"id": "ab" * 32, "answer": "approve", "screen": "request", "said": said}

    assert running.post("answer", form).status == 403
    assert world.ask(0, "drill", drill)["decision"] == ""


def test_a_frozen_custodian_is_thawed_by_its_person_alone(set_of_three: tuple[World, Served]) -> None:
    """After one press nothing is handed out, headquarters' thaw changes nothing, and one press ends it."""
    world, running = set_of_three
    day = {"day": columns.day_text(world.today)}
    assert running.post("freeze").status == 303
    world.ask(0, "thaw")
    with pytest.raises(StateError, match="frozen by person"):
        world.ask(0, "open", day)
    running.post("thaw")

    assert world.ask(0, "open", day)["day"] == day["day"]


def test_practice_touches_nothing(set_of_three: tuple[World, Served]) -> None:
    """Answering the made-up request leaves the custodian's memory as it was."""
    world, running = set_of_three
    before = world.ask(0, "status")["generation"]

    assert running.post("answer", {"id": "practice", "answer": "approve"}).headers["location"].endswith("done=practice")
    assert world.ask(0, "status")["generation"] == before


@pytest.mark.parametrize("day", ["", "yesterday", "2026-02-30", "20260708", "1969-12-31", "9999-12-31"])
def test_a_date_that_is_not_todays_is_not_confirmed(entered: Served, day: str) -> None:
    """The person is told, and nothing is believed."""
    told = entered.post("believe", {"day": day, "screen": "settings"})

    assert told.status in (400, 403)
    assert "Not done" in told.text


def test_todays_date_is_confirmed_with_one_press(entered: Served) -> None:
    """The person who types the date of today is told that it is believed."""
    today = columns.day_text(columns.day_of(datetime.now(UTC)))
    told = entered.post("believe", {"day": today, "screen": "settings"})

    assert told.status == 303
    assert told.headers["location"].endswith("done=believed")


class OnPages(World):
    """A world in which a person with nothing but the pages sits at custodian 0."""

    def approve(self, kind: str) -> None:
        for desk in self.desks:
            if isinstance(desk, Served):
                desk.approve_all()
            else:
                for one in desk.requests():
                    if one.kind == kind and not one.decision:
                        desk.decide(one.id, True, " ".join(one.words))


def test_a_set_is_made_with_the_pages_alone(tmp_path: Path) -> None:
    """From the invitation to a founded set, and to the first open day, its person needs no command."""
    with served(tmp_path / "held", "--name", "Custodian 0") as running:
        world = OnPages.of(tmp_path)
        world.at(int(time.time()))
        for desk in world.desks:
            desk.believe(world.today)
        world.desks[0] = cast("Desk", running)
        world.found(draft(begins=world.today))

        assert "You are “Custodian 0”, custodian 1 of 3 for the store" in running.get().text
        assert world.ask(0, "open", {"day": columns.day_text(world.today)})["index"] == 0
