"""Attacks that use a command as a search: is this number known here? When was it met? Whose records are these?"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.calls import ALICE, BOB, DAY, FIRST, OFF_NET, Call, calls, held, registry, trees
from tests.support.commands import Box
from tests.support.stores import TestStore, made_store
from unheld.plans import planning
from unheld.plans.planning import Planned
from unheld.testing import textfile
from unheld_branch.workflows import canary
from unheld_verify import columns
from unheld_verify.errors import BadInputError, SealedError

UNKNOWN = "tel:+99900000001"
RULES = Path(__file__).parents[2] / "examples" / "mappings" / "synthetic.toml"


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    """An open day with a record of a subscriber to an off-net number."""
    store = made_store(tmp_path, canaries=("tel:" + BOB,))
    store.open_day(FIRST)
    store.ingest(calls(Call(ALICE, to=OFF_NET)))
    return store


def planned(made: TestStore, *identities: str) -> Planned:
    """A plan to forget them."""
    with made.opened() as store:
        return planning.plan_parties(store, identities, made.deployment.seed("plan"))


def shape(plan: Planned) -> tuple[object, ...]:
    """All that a plan shows to who cannot open it."""
    one = plan.plan
    return one.act, dict(one.counts), one.leaves, len(one.sealed), len(one.encode()), len(plan.claim_code)


def test_a_plan_does_not_say_whether_a_number_is_known(made: TestStore) -> None:
    """A subscriber, a number only ever called and one that nobody ever met give plans of one shape."""
    assert shape(planned(made, "tel:" + ALICE)) == shape(planned(made, "tel:" + OFF_NET))
    assert shape(planned(made, UNKNOWN)) == shape(planned(made, "tel:" + OFF_NET))


def test_a_plan_for_a_list_does_not_say_how_many_of_it_are_known(made: TestStore) -> None:
    """Neither counts nor length follow who is known, so no list can be halved until one is left."""
    strangers = [f"tel:+9990000{number:04}" for number in range(40)]
    assert shape(planned(made, *strangers)) == shape(planned(made, "tel:" + ALICE, "tel:" + OFF_NET, *strangers[2:]))


def test_the_command_says_the_same_of_anybody(tmp_path: Path) -> None:
    """On the screen two plans differ in digests, claim codes and names of files, whoever is in them."""
    box = Box(tmp_path)
    box("init")
    box("day", "open")
    assert box("ingest", textfile.write(calls(Call(ALICE)), tmp_path / "a.csv"), "--mapping", RULES).code == 0
    told = []
    for name, number in (("known", ALICE), ("other", "+99900000001")):
        (tmp_path / name).write_text(number + "\n")
        ended = box("erase", "plan", "--file", tmp_path / name, "--out", tmp_path / f"{name}.plan")
        told.append((ended.code, re.sub(r"known|other|[0-9a-f]{4,}", "…", ended.out), ended.err))

    assert told[0] == told[1]


def test_a_plan_for_nobody_applies_and_forgets_nobody(made: TestStore) -> None:
    """What was asked is done: no row of the number is here afterwards, and everybody else's stays."""
    assert made.forget(UNKNOWN).rows == 0
    assert (trees(made, "tel:" + ALICE), trees(made, UNKNOWN)) == ({0}, set())


def test_canaries_are_few(made: TestStore) -> None:
    """A list of people pinned as test SIMs would be watched every day: no more than sixteen can be."""
    with made.opened(write=False) as store:
        policy = store.policy
    crowd = tuple(f"tel:+9990000{number:04}" for number in range(17))
    assert replace(policy, canaries=crowd[:16]).canaries == crowd[:16]
    with pytest.raises(BadInputError, match="canaries"):
        replace(policy, canaries=crowd)


def test_the_log_says_how_many_canaries_there_are(made: TestStore) -> None:
    """The public rules count them and name none."""
    with made.opened(write=False) as store:
        assert store.policy.public()["canaries"] == 1
        assert BOB not in str(store.policy.public())


def test_a_canary_sees_nothing_once_its_day_is_over(made: TestStore) -> None:
    """After the close nothing is left to look with, and the error says so."""
    made.ingest(calls(Call(BOB, second=7)))
    with made.opened() as store:
        assert {seen.times for seen in canary.look(store, "tel:" + BOB)} == {(7,)}
    made.close()
    with made.opened() as store, pytest.raises(SealedError, match="no day is open"):
        canary.look(store, "tel:" + BOB)


def test_a_former_holder_is_forgotten_without_the_present_one(made: TestStore) -> None:
    """A number is named together with a day on which the person held it; whoever has it now is left alone."""
    later = FIRST + timedelta(1)
    made.ingest(registry({"msisdn": ALICE, "holder": "H1"}), by="synthetic-registry")
    made.close()
    made.open_day(later)
    made.ingest(registry({"msisdn": ALICE, "holder": "H2", "since": later.isoformat()}), by="synthetic-registry")
    made.ingest(calls(Call(ALICE, later, second=9)))
    with made.opened() as store:
        seed = made.deployment.seed("plan")
        plan = planning.plan_parties(store, ["tel:" + ALICE], seed, held_on=FIRST)
        made._apply(store, plan)

    assert held(made, "tel:" + ALICE, ended=columns.day_of(later) * DAY) == []
    assert len(held(made, "tel:" + ALICE)) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["erase", "plan", "--day", "+95912345678"],
        ["erase", "plan", "--party", "--held", "+95912345678"],
        ["park", "open", "+95912345678"],
        ["log", "prove", "--kind", "+95912345678"],
        ["ingest", "x.csv", "--mapping", str(RULES), "--replaces", "+95912345678"],
        ["inventory", "add", "x", "--checked", "+95912345678"],
    ],
)
def test_a_number_typed_where_none_belongs_is_not_repeated(tmp_path: Path, words: list[str]) -> None:
    """Errors end up in logs, and logs are not forgotten."""
    box = Box(tmp_path)
    box("init")
    box("day", "open")
    (tmp_path / "x.csv").write_text("a\n")
    given = [str(tmp_path / word) if word == "x.csv" else word for word in words]
    ended = box(*given, *(["--out", str(tmp_path / "out")] if words[0] in {"erase", "log"} else []))

    assert ended.code != 0
    assert "95912345678" not in ended.out + ended.err
