"""The buyer record: what is known has a source and a date, and what is not known stays unknown."""

from __future__ import annotations

import io
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld.exit import buyer
from unheld.papers.html import html
from unheld_verify.errors import BadInputError
from unheld_verify.paper import Body, Paper

TODAY = "2026-07-01"
HEAD = 'buyer = "Example Buyer Ltd"\n'
FACT = '[[fact]]\nabout = "a"\nsays = "b"\nsource = "c"\ndate = 2026-06-30\n'
SHARE = '[[share]]\nowner = "o"\npercent = 49\nfrom = 2022-03-01\nsource = "s"\ndate = 2026-06-30\n'
GOOD = HEAD + FACT + SHARE


def _body(folder: Path, text: str) -> Body:
    path = folder / "buyer.toml"
    path.write_text(text)
    return buyer.body(path, TODAY)


def test_the_rest_is_unknown(tmp_path: Path) -> None:
    """49 percent known leaves 51 percent unknown, on the paper too."""
    body = _body(tmp_path, GOOD)

    assert body["owned"] == [{"of": "the network", "known_percent": "49", "unknown_percent": "51"}]
    shown = html(buyer.document(Paper("buyer-record", "log", "00" * 16, TODAY, body, bytes(32))))
    assert "the other 51 percent is UNKNOWN. Unknown is not clean." in shown


def test_a_share_that_ends_is_not_counted_in_the_end(tmp_path: Path) -> None:
    """49 percent before a condition is met and 80 after it are not 129: what counts is who owns it in the end."""
    after = SHARE.replace("49", "80").replace("2022-03-01", "2022-03-22").replace('"o"', '"p"')
    text = HEAD + SHARE.replace("source", "to = 2022-03-22\nsource") + after

    assert _body(tmp_path, text)["owned"][0]["known_percent"] == "80"


def test_unknown_is_kept_as_unknown(tmp_path: Path) -> None:
    """Neither an unknown percentage nor an unknown date becomes a number."""
    body = _body(tmp_path, GOOD.replace("49", '"unknown"').replace("2022-03-01", '"unknown"'))

    assert (body["shares"][0]["percent"], body["shares"][0]["from"]) == ("unknown", "unknown")
    assert body["owned"][0]["unknown_percent"] == "100"


def test_all_known_is_said(tmp_path: Path) -> None:
    """A whole that is known has no warning, and no mark of cleanness either."""
    body = _body(tmp_path, GOOD.replace("49", "100"))
    shown = html(buyer.document(Paper("buyer-record", "log", "00" * 16, TODAY, body, bytes(32))))

    assert "UNKNOWN" not in shown
    assert "clean" not in shown.split("<body", 1)[1]


BAD = {
    "no buyer": (GOOD.replace(HEAD, ""), "buyer is missing"),
    "no share": (HEAD + FACT, "[[share]] is missing"),
    "percent over 100": (GOOD.replace("49", "101"), "[[share]] 1: percent"),
    "percent of nothing": (GOOD.replace("49", "0"), "[[share]] 1: percent"),
    "percent below nothing": (GOOD.replace("49", "-1"), "[[share]] 1: percent"),
    "percent no number": (GOOD.replace("49", "nan"), "[[share]] 1: percent"),
    "percent as words": (GOOD.replace("49", '"most"'), 'or "unknown"'),
    "percent too exact": (GOOD.replace("49", "0.00001"), "4 decimals"),
    "percent missing": (GOOD.replace("percent = 49\n", ""), "percent is missing"),
    "no source": (GOOD.replace('source = "c"\n', ""), "[[fact]] 1: source is missing"),
    "empty source": (GOOD.replace('"c"', '" "'), "[[fact]] 1: source is missing"),
    "no date": (FACT.replace("date = 2026-06-30\n", "") + SHARE, "[[fact]] 1: date is missing"),
    "date as a text": (GOOD.replace("2026-06-30", '"2026-06-30"', 1), "[[fact]] 1: date"),
    "date with a time": (GOOD.replace("2026-06-30", "2026-06-30T10:00:00", 1), "[[fact]] 1: date"),
    "unknown date of a source": (GOOD.replace("2026-06-30", '"unknown"', 1), "the date of the source"),
    "coming date": (GOOD.replace("2026-06-30", "2026-07-02", 1), "is to come"),
    "from missing": (GOOD.replace("from = 2022-03-01\n", ""), "[[share]] 1: from"),
    "to before from": (GOOD.replace('source = "s"', 'to = 2022-02-01\nsource = "s"'), "to is before from"),
    "120 percent": (GOOD + SHARE.replace("49", "71"), "more than 100 percent from 2022-03-01"),
    "120 in the end": (GOOD + SHARE.replace("49", "71").replace("2022-03-01", '"unknown"'), "in the end"),
    "a slip": (GOOD.replace("owner", "ownr"), "did you mean 'owner'?"),
    "a score": (GOOD + "score = 3\n", "'score' is not known"),
    "fact as a table": (HEAD + "[fact]\na = 1\n" + SHARE, "[[fact]]"),
    "not TOML": ("buyer =", "not TOML"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_form_is_refused_with_its_field(case: str, tmp_path: Path) -> None:
    """The file, the field and the mend are named."""
    text, said = BAD[case]

    with pytest.raises(BadInputError) as caught:
        _body(tmp_path, text)

    assert str(caught.value).startswith(str(tmp_path / "buyer.toml"))
    assert said in str(caught.value)


def test_the_blank_form_is_toml_and_says_nothing_yet(tmp_path: Path) -> None:
    """An empty form can be read by a program, and is not taken for a filled-in one."""
    assert set(tomllib.loads(buyer.BLANK)) == {"buyer", "fact", "share"}
    with pytest.raises(BadInputError, match="is missing"):
        _body(tmp_path, buyer.BLANK)


@given(st.lists(st.decimals(min_value="0.0001", max_value=40, places=4), min_size=1, max_size=6))
def test_known_and_unknown_make_the_whole(percents: list[Decimal]) -> None:
    """Whatever the shares, either they are more than the whole and are refused, or the two sums are exactly 100."""
    shares = [SHARE.replace("49", str(percent)) for percent in percents]
    total = sum(percents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: io.BytesIO((HEAD + "".join(shares)).encode()))
        if total > 100:
            with pytest.raises(BadInputError, match="more than 100"):
                buyer.body(Path("x"), TODAY)
            return
        [owned] = buyer.body(Path("x"), TODAY)["owned"]

    assert Decimal(owned["known_percent"]) == total
    assert Decimal(owned["unknown_percent"]) == 100 - total
