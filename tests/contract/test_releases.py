"""Stores of earlier releases: this one opens each, reads all of it, goes on working, and brings nothing back."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support import calls as records
from tests.support import releases
from tests.support.calls import ALICE, BOB, CAROL, Call
from tests.support.releases import DAVE, HELD, THIRD, Kept
from unheld_branch.store import mark
from unheld_branch.store.check import check
from unheld_verify import formats, upgrade
from unheld_verify.errors import RolledBackError

VERSIONS = releases.versions()
CLASSES = ("charge", "contact", "place")
NEXT = THIRD + timedelta(1)


def _held(kept: Kept, name: str) -> dict[str, int]:
    found = {cls: len(records.held(kept.made, f"tel:{name}", cls)) for cls in CLASSES}
    return {cls: count for cls, count in found.items() if count}


def _upgraded(kept: Kept) -> Kept:
    """Brought to this release's format, where it is of an earlier one."""
    plan = kept.made.folder / "upgrade.plan"
    if kept.box("upgrade", "plan", "--out", plan, "--json").document["plan"]:
        digest = upgrade.decode(plan.read_bytes()).digest
        assert kept.box("upgrade", "apply", plan, "--confirm", digest).code == 0
    return kept


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """A release's store as it was left."""
    return releases.unpacked(request.param, tmp_path)


@pytest.fixture(params=["as it was", "upgraded"])
def living(request: pytest.FixtureRequest, kept: Kept) -> Kept:
    """The same, and once more after an upgrade."""
    return _upgraded(kept) if request.param == "upgraded" else kept


def test_the_newest_format_has_a_store(tmp_path: Path) -> None:
    """A release that changes the format keeps a store of its own, so that the next one is held to it."""
    found = {releases.unpacked(one, tmp_path / one).made.root for one in VERSIONS}
    written = {mark.read(root, mark.STORE) for root in found}

    assert written == set(formats.FORMATS[mark.STORE].reads)


def test_a_kept_store_is_small() -> None:
    """Stores of many years go into one repository."""
    for path in releases.PLACE.rglob("store.tar.xz"):
        assert path.stat().st_size < 300_000


def test_its_manifest_is_what_its_maker_says(kept: Kept) -> None:
    """What must open stands beside the store, and not in this release's code alone."""
    assert kept.manifest["version"] == kept.version
    assert kept.manifest["held"] == json.loads(json.dumps(HELD))


def test_everything_in_it_opens_that_should(living: Kept) -> None:
    """Each party's records, as many as the manifest says; of the forgotten and of a parked batch none."""
    for name, held in living.manifest["held"].items():
        assert _held(living, name) == held


def test_every_file_of_it_is_as_its_journal_says(living: Kept) -> None:
    """`check` finds nothing missing, altered or too much."""
    with living.made.opened() as store:
        assert check(store).findings == ()


def test_its_log_and_receipts_are_verified(living: Kept) -> None:
    """The log, the receipt of the forgotten person and that of a close."""
    assert living.box("log", "verify").code == 0
    for proof in ("carol.tlog-proof", "close.tlog-proof"):
        assert living.box("receipt", "check", living.made.folder / proof).code == 0


def test_its_register_is_read(living: Kept) -> None:
    """The demand that was refused, with its codes."""
    [demand] = living.box("demand", "list", "--json").document["demands"]

    assert (demand["state"], demand["codes"]) == ("refused", ["MultipleTargets"])


def test_its_card_opens_own_records(living: Kept) -> None:
    """The person with the card reads what custodians of that release sealed."""
    folder, card = living.made.folder, ("--card", living.made.folder / "card.txt")
    (folder / "alice.txt").write_text(ALICE)
    steps: list[tuple[str | Path, ...]] = [
        ("begin", folder / "own", *card),
        ("slip", folder / "own" / "request.json", "--out", folder / "slip", "--file", folder / "alice.txt"),
        ("ask", folder / "own", "--slip", folder / "slip", *card),
        ("answer", folder / "own" / "grant.json", "--out", folder / "answers"),
        ("check", folder / "own", folder / "answers"),
        ("fetch", folder / "own" / "wanted.json", "--out", folder / "blocks"),
        ("open", folder / "own", folder / "blocks", "--out", folder / "records"),
    ]
    for words in steps:
        assert living.box("access", *words).code == 0
    found = json.loads((folder / "records" / "records.json").read_text())["records"]

    assert len(found["charge"]) == living.manifest["held"][ALICE]["charge"] - 1  # today's is not closed yet


def test_it_goes_on_working(living: Kept) -> None:
    """The open day closes, the parked batch opens into the next, files come, somebody is forgotten, the log tells."""
    made = living.made
    made.close()
    made.open_day(NEXT)
    [parked] = (made.root / "parked").glob("*.parked")
    made.unpark(parked.stem)
    made.ingest(records.calls(Call(ALICE, NEXT), Call(CAROL, NEXT)))
    made.forget(f"tel:{BOB}")
    made.close()
    made.publish()

    assert _held(living, ALICE)["charge"] == HELD[ALICE]["charge"] + 1
    assert (_held(living, DAVE)["charge"], _held(living, CAROL)["charge"]) == (1, 1)  # what came since, and no more
    assert _held(living, BOB) == {}
    assert living.box("log", "verify").code == 0
    with made.opened() as store:
        assert check(store).findings == ()


def test_its_lapses_come_when_they_are_due(living: Kept) -> None:
    """Places of its days are gone when their week is over, and charges are not."""
    living.made.close()
    living.made.set_clock(THIRD + timedelta(8))
    living.made.lapse()

    assert set(_held(living, ALICE)) == {"charge", "contact"}


def test_what_was_forgotten_stays_so_when_its_old_files_come_back(kept: Kept) -> None:
    """The store's folder as the release left it opens nothing under a slot that went on."""
    folder = kept.made.root
    shutil.copytree(folder, folder.with_name("old"))
    kept.made.forget(f"tel:{BOB}")
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("old"), folder)

    with pytest.raises(RolledBackError, match="older copy"), kept.made.opened():
        pass
