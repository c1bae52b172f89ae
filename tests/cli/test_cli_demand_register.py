"""demand: the register at a terminal and for programs; what it asks, says and refuses."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tests.support.commands import Box, Ended

PERSON = "09770000001"
MAPPING = Path(__file__).parents[2] / "examples" / "mappings" / "synthetic.toml"
FACTS = (
    "demand", "receive", "--authority", "High Court", "--authority-kind", "court", "--asks", "location",
    "--begins", "2021-06-26", "--ends", "2021-06-28", "--basis", "MM-31-2013-77", "--dated", "2021-06-28",
    "--issuer", "A Registrar", "--issuer-title", "Registrar", "--reference", "M/1", "--purpose", "a missing child",
    "--court-order", "--by", "Anna",
)  # fmt: skip


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A store in Myanmar, and files that demands name."""
    made = Box(tmp_path, date(2021, 7, 1))
    assert made("init", "--home", "MM").code == 0
    (tmp_path / "one.txt").write_text(f"{PERSON}\n")
    (tmp_path / "list.txt").write_text(f"{PERSON}\n+959770000002\n0977 0000 003\n{PERSON}\n")
    return made


def filed(box: Box, *more: str | Path, source: str = "one.txt") -> str:
    """File a demand; its id."""
    ended = box(*FACTS, "--targets", box.folder / source, *more, "--json")
    assert ended.code == 0, ended
    return str(ended.document["demand"])


def test_a_list_is_filed_checked_and_refused(box: Box) -> None:
    """The whole way in words: counts, codes, what the store really holds, and no number anywhere."""
    made = filed(box, source="list.txt")
    checked, refused = (
        box("demand", "check", made),
        box("demand", "refuse", made, "--code", "MultipleTargets", "--by", "B"),
    )
    listed, shown = box("demand", "list"), box("demand", "show", made[:6])
    told = "".join(ended.out + ended.err for ended in (checked, refused, listed, shown))

    assert "It names 3, more than 1." in checked.out
    assert "by 2021-06-28, the date of the order" in checked.out
    assert "nothing of it was ever sealed here" in refused.out
    assert "High Court: location; 3 lines; MultipleTargets" in listed.out
    assert "names: 3 lines" in shown.out
    assert "77000000" not in told


def test_what_no_rule_speaks_against_waits_and_nothing_answers_it(tmp_path: Path) -> None:
    """A clean demand on data that is held is told plainly that this release cannot answer it."""
    box = Box(tmp_path, date(2021, 6, 26))
    (tmp_path / "x.csv").write_bytes(_record())
    (tmp_path / "one.txt").write_text(PERSON)
    for words in (["init", "--home", "MM"], ["day", "open"], ["ingest", tmp_path / "x.csv", "--mapping", MAPPING]):
        assert box(*words).code == 0
    box.when = date(2021, 6, 27)
    assert box("day", "close").code == 0
    box.when = date(2021, 7, 1)
    made = filed(box)
    checked, shown = box("demand", "check", made), box("demand", "show", made, "--json")

    assert "waits for two people and for the custodians" in checked.out
    assert "nothing in this release can answer a demand" in checked.out
    assert (shown.document["state"], shown.document["findings"]) == ("waiting", [])


def _record() -> bytes:
    head = "event_type,outgoing,datetime,duration,msisdn,msisdn_counterpart,imsi,imei,location_id,volume_upload,"
    head += "volume_download,network,operator_code,country_code\n"
    return (head + f"call,true,2021-06-26 01:00:00+00:00,60,+95{PERSON[1:]},+959770000009,,,c1,,,,,\n").encode()


def test_nothing_releases() -> None:
    """There is no command, option or word by which a demand is answered."""
    from tests.support.commands import in_process

    told = in_process(["demand", "--help"]).out.split("Commands:")[1].lower()
    assert not [word for word in ("answer ", "release", "approve", "hand ", "export", "disclose") if word in told]


def test_one_target_is_typed_unseen(box: Box) -> None:
    """--target takes no value: the number is asked for, not shown, and counted."""
    code, shown = box.terminal(*FACTS, "--target", answers=[("not shown", f"{PERSON}\n")])
    assert code == 0
    assert PERSON not in shown
    assert "1 line" in shown


def test_a_claimant_is_asked_for_one_number_unseen(box: Box) -> None:
    """The answer names the demand, its outcome and the receipt; the number is never on the screen."""
    made = filed(box)
    box("demand", "withdraw", made, "--by", "Anna")
    box("log", "publish")
    code, shown = box.terminal(
        "demand", "claim", "--asker", "the holder", "--out", box.folder / "out", answers=[("not shown", f"{PERSON}\n")]
    )  # fmt: skip
    assert code == 0
    assert PERSON[1:] not in shown
    assert f"demand {made} named this line: High Court, received 2021-07-01" in shown
    assert "withdrawn by the authority" in shown
    assert len(list((box.folder / "out").iterdir())) == 2


def test_a_claim_takes_no_file_and_no_pipe(box: Box) -> None:
    """Without a person at a terminal there is no claim, and then none is logged."""
    ended = box("demand", "claim", "--asker", "x", "--out", box.folder / "out", stdin=b"09770000001\n")
    assert (ended.code, "nobody to ask" in ended.err) == (4, True)
    assert not (box.folder / "out").exists()


def test_without_the_escrow_key_no_claim_is_answered(box: Box) -> None:
    """The key may lie elsewhere: where it is not, the error names its place."""
    (box.folder / "s.hq" / "escrow.key").unlink()
    ended = box("demand", "claim", "--asker", "x", "--out", box.folder / "out")
    assert (ended.code, "escrow key is not here" in ended.err) == (4, True)


def test_words_of_an_area_are_sealed(box: Box) -> None:
    """What is no line is words: counted, never kept in clear, and refused by its own code."""
    (box.folder / "places.txt").write_text("Hledan market\nSule pagoda\n")
    made = filed(box, "--target-kind", "area", source="places.txt")
    checked = box("demand", "check", made)
    files = [path.read_bytes() for path in (box.folder / "s.register").rglob("*") if path.is_file()]

    assert "AreaOrTowerDump" in checked.out
    assert "2 areas" in box("demand", "show", made).out
    assert not any(b"Hledan" in data or b"pagoda" in data for data in files)


def test_a_document_and_a_note_are_sealed(box: Box) -> None:
    """Both go into boxes, and stand in no other file of the register."""
    (box.folder / "scan.pdf").write_bytes(b"%PDF stamped")
    (box.folder / "note.txt").write_text("came by courier")
    filed(box, "--document", box.folder / "scan.pdf", "--note", box.folder / "note.txt")
    files = [path.read_bytes() for path in (box.folder / "s.register").rglob("*") if path.is_file()]
    assert not any(b"stamped" in data or b"courier" in data for data in files)


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        (("--target",), 2, "not both"),
        (("--asks", "everything"), 1, "asks: choose of registry"),
        (("--authority-kind", "army"), 1, "authority_kind: choose of court"),
        (("--target-kind", "people"), 1, "target_kind: choose of line"),
        (("--begins", "yesterday"), 1, "not a date"),
        (("--ends", "2021-01-01"), 1, "ends before it begins"),
        (("--received", "2021-07-02"), 1, "still to come"),
        (("--reference", "+95 9 770 000 001"), 1, "reference: nine digits"),
        (("--issuer", "12/OUKAMA(N)123456"), 1, "issuer: nine digits or an identity card"),
        (("--secret-until", "2021-08-01", "--secret-without-end"), 1, "one of the two"),
        (("--document", "missing.pdf"), 1, "--document: there is no such file"),
        (("--document", "letters/09770000001.pdf"), 1, "--document: there is no such file"),
        (("--note", "missing.txt"), 1, "cannot be read"),
        (("--targets", "missing.txt"), 1, "cannot be read"),
        (("--by", "09770000001"), 1, "by: nine digits"),
    ],
)
def test_what_cannot_be_filed_is_told_and_nothing_is_kept(
    box: Box, more: tuple[str, ...], code: int, word: str
) -> None:
    """A false word ends in one line that names it, repeats no number, and leaves the register as it was."""
    ended = box(*FACTS, "--targets", box.folder / "one.txt", *more)
    assert (ended.code, ended.out) == (code, "")
    assert word in " ".join(ended.err.split())
    assert "770000001" not in ended.err.replace(" ", "")
    assert "no demand was filed" in box("demand", "list").out


def test_a_number_that_is_none_is_named_by_its_line(box: Box) -> None:
    """A list with a false line is not filed, and the number is not repeated."""
    (box.folder / "bad.txt").write_text(f"{PERSON}\n+9597700000021234567\n")
    ended = box(*FACTS, "--targets", box.folder / "bad.txt")
    assert (ended.code, "line 2" in ended.err, "9597700" in ended.err) == (1, True, False)


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("check", "000000"), "no demand begins"),
        (("show", "abc"), "6 or more"),
        (("refuse", "ID", "--code", "Nope", "--by", "B"), "no such code"),
        (("refuse", "ID", "--code", "RealTime", "--by", " "), "name who decided"),
        (("narrow", "ID", "--by", "B"), "whole demand"),
        (("narrow", "ID", "--by", "B", "--asks", "traffic"), "traffic is more"),
        (("narrow", "ID", "--by", "B", "--ends", "2021-06-29"), "outside the window"),
    ],
)
def test_an_act_that_is_off_says_why(box: Box, words: tuple[str, ...], word: str) -> None:
    """The register is unchanged, and the line says what to mend."""
    made = filed(box)
    ended = box("demand", *(made if item == "ID" else item for item in words))
    assert (ended.code, ended.out) == (1, "")
    assert word in " ".join(ended.err.split())
    assert box("demand", "show", made, "--json").document["state"] == "received"


@pytest.mark.parametrize("act", ["refuse", "narrow", "withdraw"])
def test_who_decides_is_never_left_out(box: Box, act: str) -> None:
    """--by stands with every decision."""
    ended = box("demand", act, filed(box), *(("--code", "RealTime") if act == "refuse" else ()))
    assert (ended.code, "--by" in ended.err) == (2, True)


def test_a_refused_demand_says_that_nothing_more_can_be_done(box: Box) -> None:
    """The error names the state."""
    made = filed(box)
    box("demand", "refuse", made, "--code", "RealTime", "--by", "B")
    ended = box("demand", "withdraw", made, "--by", "B")
    assert (ended.code, "is refused: it cannot be withdrawn; nothing can be done" in ended.err) == (1, True)


def test_a_bad_pack_stops_a_check_by_its_file(box: Box) -> None:
    """A rule that cannot be read is never passed over."""
    made = filed(box)
    (box.folder / "s.register" / "rules").mkdir()
    (box.folder / "s.register" / "rules" / "own.toml").write_text("id = 3\n")
    ended = box("demand", "check", made)
    assert (ended.code, "own.toml" in ended.err) == (1, True)


def test_a_lawyer_reads_all_rules(box: Box) -> None:
    """Laws with their periods, triggers, rules with sources, codes, and that nobody reviewed them."""
    told: Ended = box("demand", "rules")
    for words in (
        "No lawyer has reviewed it", "in force 2017-03-08 to 2021-02-12", "trigger coup-2021, 2021-02-01",
        "when targets over: 1", "DeFactoImpossibility: It is impossible in fact to comply",
    ):  # fmt: skip
        assert words in told.out
    packs = json.loads(box("demand", "rules", "--json").out)["packs"]
    assert [pack["pack"] for pack in packs] == ["generic", "myanmar"]
