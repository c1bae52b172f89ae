"""The example mappings read the public data they were made for: real mess, real counts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from unheld_branch.records import Chunk, RegistryRow, mapping_of, read_records, registry_rows

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "cdr-csv"
MAPPINGS = ROOT / "examples" / "mappings"
NOW = 1_783_555_200


@pytest.fixture(autouse=True)
def _data() -> None:
    """Without the data there is nothing to show: a failure in CI, a skip elsewhere."""
    if DATA.is_dir():
        return
    if os.environ.get("CI"):
        pytest.fail(f"{DATA} is missing")
    pytest.skip(f"the public data sets are not at {DATA}")


def read(name: str, file: str | Path, owner: str | None = None) -> list[Chunk]:
    return list(read_records([DATA / file], mapping_of(MAPPINGS / f"{name}.toml"), now=NOW, owner=owner))


def registered(name: str, file: str | Path) -> list[RegistryRow]:
    return [row for chunk in read(name, file) for row in registry_rows(chunk)]


def test_vast_2008() -> None:
    """All calls of the island are read; four with a negative duration are told apart, with their lines."""
    (chunk,) = read("vast2008", "vast2008/vast2008_cdr.csv")

    assert (chunk.read, chunk.table.num_rows) == (9834, 9830)
    assert [row.line for row in chunk.bad][:3] == [823, 4222, 6451]
    assert chunk.table.slice(0, 1).to_pylist() == [
        {
            "owner": "sub:349",
            "datetime": 1_149_120_480,
            "event_type": 1,
            "outgoing": True,
            "duration": 1634,
            "counterpart": "sub:23",
            "location_id": "1",
        }
    ]


def test_german_registry() -> None:
    """Five hundred customers in eleven spellings of a number: one party each, and only what is needed is kept."""
    rows = registered("telecom-de-registry", "telecom_de/kunde.csv")

    assert len({row.owner for row in rows}) == len(rows) == 500
    assert {row.owner for row in rows[:3]} == {"tel:+49145453969", "tel:+491272051171", "tel:+49803451488"}
    assert sorted(rows[0].facts) == ["born", "email", "family_name", "given_name"]
    assert (rows[0].holder, rows[0].since) == ("1", 1_489_618_800)


def test_two_generations_of_one_number(tmp_path: Path) -> None:
    """A number that was given to somebody else is the same identity with another holder and a later day, in whatever
    spelling it stands."""
    text = (DATA / "telecom_de" / "kunde.csv").read_text("utf-8")
    path = tmp_path / "kunde.csv"
    path.write_text(
        text.rstrip() + "\n501;1990-01-01;W;Jurist;2024-05-01;Nova;Nachfolgerin;n@web.de;+49 (0)1454 53969\n"
    )
    rows = [row for row in registered("telecom-de-registry", path) if row.owner == "tel:+49145453969"]

    assert [(row.holder, row.since) for row in rows] == [("1", 1_489_618_800), ("501", 1_714_514_400)]


@pytest.mark.parametrize(
    ("name", "file", "count", "bad"), [("calls", "anruf.csv", 5000, [1124]), ("sms", "sms.csv", 3000, [])]
)
def test_german_records_reach_their_owner_through_contracts(name: str, file: str, count: int, bad: list[int]) -> None:
    """No header, a byte order mark, seven decimals: each record finds its customer's number, and one call in the hour
    that summer time skips is told apart."""
    (chunk,) = read(f"telecom-de-{name}", f"telecom_de/{file}")
    customers = {row.owner for row in registered("telecom-de-registry", "telecom_de/kunde.csv")}

    assert chunk.read == count
    assert [row.line for row in chunk.bad] == bad
    assert set(chunk.table["owner"].to_pylist()) <= customers


def test_bandicoot() -> None:
    """One subscriber's file, whose owner is given; calls and texts, in and out, as bandicoot counts them."""
    (chunk,) = read("bandicoot", "bandicoot_demo/ego.csv", owner="sub:ego")
    table = chunk.table

    assert Counter(zip(table["event_type"].to_pylist(), table["outgoing"].to_pylist(), strict=True)) == {
        (1, False): 44,
        (1, True): 31,
        (2, False): 166,
        (2, True): 73,
    }
    assert set(table["owner"].to_pylist()) == {"sub:ego"}


def test_cider_keeps_every_zero() -> None:
    """Ids that start with 00 stay as they are, and the same id with +88 in front is the same party."""
    (chunk,) = read("cider-recharges", "cider_synthetic/recharges.csv")
    owners = set(chunk.table["owner"].to_pylist())
    people = {row.owner for row in registered("cider-registry", "cider_synthetic/subscribers.csv")}

    assert (chunk.table.num_rows, chunk.bad, chunk.table["amount"][0].as_py()) == (10_000, (), 9600)
    assert all(owner.startswith("sub:00") and len(owner) == 15 for owner in owners | people)
    assert owners <= people
