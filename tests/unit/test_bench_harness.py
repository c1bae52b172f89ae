"""Promises of the benchmark's harness: what it times, compares and writes. Nothing is timed here."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from bench import peer, results, works
from bench.harness import Run, WorkFailedError, interleaved, middle, run
from bench.results import Result
from unheld.testing.bulk import bench_csv
from unheld_branch.records.mapping import mapping_of

PYTHON = sys.executable


def test_run_gives_what_was_printed() -> None:
    """The output of the process comes back as text."""
    assert run([PYTHON, "-c", "print('seen')"]).output == "seen\n"


def test_run_sees_the_memory_of_the_process() -> None:
    """A process that fills 200 MB shows a peak of at least that."""
    assert run([PYTHON, "-c", "b'x' * 200_000_000"]).peak >= 200_000_000


def test_run_refuses_a_failure() -> None:
    """A command that fails has no time; its complaint and exit code are told."""
    with pytest.raises(WorkFailedError, match=r"exit code 3: no way"):
        run([PYTHON, "-c", "import sys; print('no way', file=sys.stderr); sys.exit(3)"])


def test_run_refuses_a_killed_process() -> None:
    """A command killed by a signal has no time either."""
    with pytest.raises(WorkFailedError, match=r"exit code -9"):
        run([PYTHON, "-c", "import os; os.kill(os.getpid(), 9)"])


def test_works_are_interleaved_and_turned() -> None:
    """Every round runs each work once, every second round in reverse."""
    order: list[str] = []

    def work(name: str) -> Run:
        order.append(name)
        return Run(float(len(order)), 0, "")

    found = interleaved({"a": lambda: work("a"), "b": lambda: work("b")}, 3)

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [each.seconds for each in found["a"]] == [1, 4, 5]


def test_middle_is_the_median() -> None:
    """One slow run does not move the figure."""
    assert middle([Run(1, 0, ""), Run(99, 0, ""), Run(2, 0, "")], lambda each: each.seconds) == 2


def test_new_results_take_the_place_of_old_ones() -> None:
    """A partial benchmark renews its own works, in their place, and keeps the others."""
    old = [Result("a", 1, "s"), Result("b", 2, "s")]

    assert results.merged(old, [Result("a", 3, "s"), Result("c", 4, "s")]) == [
        Result("a", 3, "s"),
        Result("b", 2, "s"),
        Result("c", 4, "s"),
    ]


def test_results_survive_their_file(tmp_path: Path) -> None:
    """What is written reads back, with exactly the promised keys."""
    listed = [Result("a", 1.5, "s", 1.4, "DuckDB 2.0.0: 2.1 s"), Result("b", 2, "ms")]
    results.write(listed, tmp_path / "r.json", tmp_path / "r.md")

    assert results.read(tmp_path / "r.json") == listed
    assert set(json.loads((tmp_path / "r.json").read_text())[0]) == {"work", "value", "unit", "ratio", "peer"}


def test_no_file_is_no_result(tmp_path: Path) -> None:
    """The first benchmark starts from nothing."""
    assert results.read(tmp_path / "none.json") == []


def test_table_shows_value_ratio_and_peer() -> None:
    """A row has the work, our figure, the ratio, and who the peer is; without a peer the cells are empty."""
    table = results.table([Result("a", 1.955, "s", 1.46, "DuckDB 2.0.0: 2.85 s"), Result("b", 12_345, "ms")])

    assert table.splitlines()[2:] == [
        "| `a` | 1.96 s | 1.46 × | DuckDB 2.0.0: 2.85 s |",
        "| `b` | 12,345 ms |  |  |",
    ]


@pytest.mark.parametrize(("value", "text"), [(1.464, "1.46"), (19.12, "19.1"), (1250.4, "1,250"), (0.004, "0.00")])
def test_figures_have_three_digits(value: float, text: str) -> None:
    """Figures are told no finer than they are known."""
    assert results.figure(value) == text


@pytest.mark.parametrize("classes", [["contact"], ["charge", "contact", "place"]])
def test_peer_writes_what_the_mapping_keeps(tmp_path: Path, classes: list[str]) -> None:
    """The mapping of a work and the columns of its peer name the same columns of the file."""
    kept = tomllib.loads(works.mapping(tmp_path / "m.toml", classes).read_text())["columns"]

    assert sorted(works.columns(classes)) == sorted(kept)


@pytest.mark.parametrize("classes", [["contact"], ["charge", "contact", "place"]])
def test_mappings_are_accepted(tmp_path: Path, classes: list[str]) -> None:
    """The branch reads the benchmark's mappings without complaint."""
    assert mapping_of(works.mapping(tmp_path / "m.toml", classes)).kind == "records"


def test_registry_mapping_is_accepted(tmp_path: Path) -> None:
    """The branch reads the mapping of the benchmark's registry without complaint."""
    assert mapping_of(works.registry_mapping(tmp_path / "m.toml")).kind == "registry"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A file of the peer."""
    source = bench_csv(tmp_path / "b.csv", rows=2_000, parties=40)
    peer.sort(source, tmp_path / "b.parquet", works.columns(["contact"]))
    return tmp_path / "b.parquet"


def test_peer_keeps_every_record_sorted(plain: Path) -> None:
    """The peer's file holds all records, by party and time."""
    rows = duckdb.read_parquet(str(plain)).select("msisdn", "datetime").fetchall()

    assert len(rows) == 2_000
    assert rows == sorted(rows)


def test_peer_compresses_with_zstd(plain: Path) -> None:
    """The peer is given the compression that makes it small."""
    groups = pq.read_metadata(plain)

    assert {groups.row_group(0).column(n).compression for n in range(groups.num_columns)} == {"ZSTD"}


def test_peer_drops_every_record_that_names_a_number(plain: Path) -> None:
    """After the rewrite the number is neither owner nor counterpart, and nobody else's records are gone."""
    everything = duckdb.read_parquet(str(plain)).select("msisdn", "msisdn_counterpart").fetchall()
    number = everything[0][0]
    peer.drop(plain, number)

    left = duckdb.read_parquet(str(plain)).select("msisdn", "msisdn_counterpart").fetchall()
    assert sorted(map(str, left)) == sorted(str(row) for row in everything if number not in row)
    assert 0 < len(left) < len(everything)


def test_peer_leaves_no_second_file(plain: Path) -> None:
    """The rewritten file takes the place of the old one."""
    peer.drop(plain, "+99910000000")

    assert sorted(each.name for each in plain.parent.iterdir()) == ["b.csv", "b.parquet"]


def test_peer_refuses_unknown_words() -> None:
    """An unknown act is refused with the usage."""
    with pytest.raises(SystemExit, match=r"bench\.peer sort"):
        peer.main(["shuffle"])


def test_registry_gives_its_first_numbers(tmp_path: Path) -> None:
    """The parties that are forgotten are the first of the registry, header left out."""
    path = tmp_path / "r.csv"
    path.write_text("msisdn,imsi\n+99911111111,1\n+99922222222,2\n+99933333333,3\n")

    assert works.some_numbers(path, 2) == ["+99911111111", "+99922222222"]


@pytest.mark.parametrize(
    ("words", "complaint"), [(["nothing"], "no such group: nothing"), (["--rounds", "2"], "fewer than 3 rounds")]
)
def test_command_refuses_what_it_does_not_know(words: list[str], complaint: str) -> None:
    """A wrong group or too few rounds is refused before anything is measured."""
    with pytest.raises(WorkFailedError, match=complaint):
        run([PYTHON, "-m", "bench", *words])


FAKE = """#!/bin/sh
echo "$@" >> "$0.calls"
case "$*" in
  *" ingest "*) mkdir -p "$2/blocks/contact" && printf 1234567890 > "$2/blocks/contact/x.parquet" ;;
  *" erase plan "*) echo '{"digest": "abcdef"}' ;;
  *" erase apply "*) echo '{"milliseconds": 2.5}' ;;
  each*) echo '[1.5, 2.5, 9.0]' ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that answers as the real one would, and notes how it was called."""
    command = tmp_path / "unheld"
    command.write_text(FAKE)
    command.chmod(0o755)
    monkeypatch.setattr(works, "COMMAND", command)
    monkeypatch.setattr(works, "FORGETTER", [str(command), "each"])
    return command


def test_sealing_gives_time_bytes_memory_and_close(fake: Path, tmp_path: Path) -> None:
    """Each sealing work tells its time, bytes and memory beside the peer, and its close alone."""
    found = {each.work: each for each in works.seal(tmp_path, rows=1_000, parties=20, rounds=1)}

    names = [work + part for work in ("seal-csv", "seal-csv-3") for part in ("", "-bytes", "-memory", "-close")]
    assert list(found) == names
    assert found["seal-csv-bytes"].value == 0.01
    assert all((found[name].peer is None) == name.endswith("-close") for name in names)


def test_forgetting_tells_the_time_of_the_act_itself(fake: Path, tmp_path: Path) -> None:
    """The command's own milliseconds are told, beside the peer's; everyone has no peer."""
    found = {each.work: each for each in works.forget(tmp_path, rounds=1, most=10**4)}

    assert list(found) == ["forget-1e4", "forget-half", "forget-everything"]
    assert [each.value for each in found.values()] == [2.5, 2.5, 2.5]
    assert found["forget-everything"].peer is None


def test_no_number_is_ever_an_argument(fake: Path, tmp_path: Path) -> None:
    """The party that is forgotten is named in a file, and the plan is confirmed by its digest."""
    list(works.forget(tmp_path, rounds=1, most=10**4))

    calls = Path(f"{fake}.calls").read_text()
    assert "+999" not in calls
    assert "--confirm abcdef" in calls
