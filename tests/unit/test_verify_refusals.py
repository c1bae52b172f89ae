"""What the verifier and its formats refuse where everything around it is sound: one odd field, length or place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.founding import HEADQUARTERS, Founding, resigned
from unheld_branch.log.tiles import LogWriter
from unheld_verify import bag, canonical, checkpoint, crypto, note, paper, receipt, roster, statement, tiles, upgrade
from unheld_verify.columns import ATTEST_LABEL, LAST_DAY, Attestation
from unheld_verify.errors import (
    BadInputError,
    CannotVerifyError,
    NotAllowedError,
    VerificationError,
    WrongKeyError,
)
from unheld_verify.parked import ParkedHeader
from unheld_verify.plan import Plan
from unheld_verify.upgrade import Part, UpgradePlan

SEED, ORIGIN = bytes(range(32)), "log.example/unheld"
KEY = note.Key(ORIGIN, crypto.sign_public(SEED))
PAPERS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "paper.json").read_text())
HEADER = ParkedHeader(bytes(16), bytes(16), "outage", 7, 1, 2, 1, (b"one", b"two"))
PLANS = [
    Plan(bytes(16), "drop-store", "2026-07-03", {}).signed(HEADQUARTERS),
    UpgradePlan(bytes(16), "2026-07-03", "0.2.0", (Part("store", 1, 2),)).signed(HEADQUARTERS),
]


def _log(folder: Path, count: int) -> tiles.Log:
    entries = [crypto.sha256(number.to_bytes(4, "big")) for number in range(count)]
    LogWriter.create(folder, SEED, ORIGIN).append(0, entries)
    return tiles.open_log(str(folder))


def test_a_case_folder_has_a_bound_on_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hands over a million files is told so, before any is read."""
    monkeypatch.setattr(bag, "MAX_FILES", 2)
    for number in range(3):
        (tmp_path / str(number)).touch()

    with pytest.raises(BadInputError, match="more than 2 files"):
        bag.verify(tmp_path, KEY)


def test_a_case_folder_has_a_bound_on_its_bytes(tmp_path: Path) -> None:
    """A folder that says to hold terabytes is not read."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(bag.MAX_BYTES + 1)

    with pytest.raises(BadInputError, match="bytes: too much"):
        bag.verify(tmp_path, KEY)


def test_a_folder_that_cannot_be_listed_is_not_called_false(tmp_path: Path) -> None:
    """What cannot be read is unknown, and says why."""
    with pytest.raises(CannotVerifyError, match="cannot be read: No such file"):
        bag.verify(tmp_path / "gone", KEY)


def test_a_list_of_a_case_folder_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """The files that name the others are UTF-8, or are nothing."""
    (tmp_path / "bagit.txt").write_bytes(b"\xff\xfe")

    with pytest.raises(BadInputError, match=r"bagit\.txt is not UTF-8"):
        bag.verify(tmp_path, KEY)


def test_a_log_of_full_tiles_alone_has_no_partial_ones_in_a_case_folder() -> None:
    """In a log of exactly 256 entries a partial tile belongs to nothing, and so nothing hides in one."""
    full = {f"{bag.LOG}/{tiles.tile_path(0, 0)}": 1, f"{bag.LOG}/{tiles.tile_path(1, 0, 1)}": 1}
    bag._check_log_files(full, 256)

    with pytest.raises(BadInputError, match="is no file of a public log of 256 entries"):
        bag._check_log_files({f"{bag.LOG}/{tiles.tile_path(0, 1, 1)}": 1}, 256)


def test_a_proof_from_a_newer_log_than_the_folders_is_not_called_false(tmp_path: Path) -> None:
    """A receipt of next year is no forgery beside the log of this year: the newer log is asked for."""
    _log(tmp_path / "newer", 5)
    older = _log(tmp_path / "older", 3)
    roots = bag._Roots(older, checkpoint.verify(older.checkpoint(), KEY))

    with pytest.raises(CannotVerifyError, match="put the newer log there"):
        roots.check((tmp_path / "newer" / "checkpoint").read_bytes(), KEY)


def test_a_file_that_vanishes_while_it_is_checked_is_unknown(tmp_path: Path) -> None:
    """A listed file that cannot be opened any more is not called changed."""
    with pytest.raises(CannotVerifyError, match="cannot be read: No such file"):
        bag._digest(tmp_path / "gone", "sha256")


def test_a_checkpoint_that_would_not_read_back_is_not_signed() -> None:
    """An extension with a line break in it would be two: it is not signed."""
    with pytest.raises(BadInputError, match="newline"):
        checkpoint.sign(checkpoint.Checkpoint(ORIGIN, 1, bytes(32), ("a\nb",)), SEED)


def test_an_attestation_is_an_object() -> None:
    """A list that a custodian signed attests nothing."""
    said = canonical.encode([1])
    signature = crypto.sign(SEED, ATTEST_LABEL + said)

    with pytest.raises(BadInputError, match="no object"):
        Attestation(said, signature).read(crypto.sign_public(SEED))


def test_what_was_sealed_each_opens_with_its_own_key_alone() -> None:
    """Under another key, or with a byte changed, none of many boxes opens."""
    keys, names = [bytes(32), b"\1" * 32], [b"a", b"b"]
    sealed = crypto.seal_each(keys, [b"one", b"two"], b"aad", names)

    assert crypto.unseal_each(keys, sealed, b"aad", names) == [b"one", b"two"]
    with pytest.raises(WrongKeyError):
        crypto.unseal_each(keys[::-1], sealed, b"aad", names)


def test_other_tools_read_our_keys() -> None:
    """The PEM of a key is read by a library to the same 32 bytes."""
    found = serialization.load_pem_public_key(crypto.public_pem(KEY.public))
    raw = found.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    assert raw == KEY.public


def test_a_paper_has_one_spelling() -> None:
    """The same fields with a space between them, or a proof with a line break in it, are refused."""
    good = PAPERS["papers"][0]["paper"].encode()
    document = canonical.decode(good)
    document["proofs"][0] += "\n"

    assert paper.decode(good).encode() == good
    for other in (good.replace(b",", b", ", 1), canonical.encode(document)):
        with pytest.raises(BadInputError):
            paper.decode(other)


def test_a_paper_that_is_no_certificate_covers_no_erasure() -> None:
    """Only a certificate is held to what the store did after it."""
    made = next(one["paper"].encode() for one in PAPERS["papers"] if '"kind":"certificate"' not in one["paper"])
    checked = paper.verify(made, note.parse_key(PAPERS["vkey"]))

    assert bag.sealed_since(checked, {3: {"kind": "close", "day": "2026-01-07"}}) == ""


def test_a_certificate_after_which_nothing_was_sealed_covers_its_erasure() -> None:
    """A store that stood still gives nobody a line about going on."""
    made = next(one["paper"].encode() for one in PAPERS["papers"] if one["kind"] == "certificate")
    checked = paper.verify(made, note.parse_key(PAPERS["vkey"]))

    assert bag.sealed_since(checked, {0: {"kind": "genesis", "day": "2026-01-01"}}) == ""


def test_a_list_of_a_case_folder_has_a_bound(tmp_path: Path) -> None:
    """A file that names the others is not read when it is as large as what it names."""
    with (tmp_path / "bagit.txt").open("wb") as file:
        file.truncate(1 << 30)

    with pytest.raises(BadInputError, match=r"bagit\.txt is larger than"):
        bag.verify(tmp_path, KEY)


def test_a_paper_of_another_log_is_false() -> None:
    """A paper that was made for one log is none under another's key."""
    good = PAPERS["papers"][0]["paper"].encode()
    key = note.parse_key(PAPERS["vkey"])

    with pytest.raises(VerificationError, match="was made for log"):
        paper._named(replace(paper.decode(good), log="other.example"), (), key)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("store", 7, "wrong type"),
        ("batch", "zz", "wrong type"),
        ("set", True, "wrong type"),
        ("reason", "whim", "unknown reason"),
        ("store", "00", "not 16 bytes"),
        ("batch", "00", "not 16 bytes"),
        ("period", LAST_DAY + 1, "cannot be"),
        ("period", -1, "cannot be"),
        ("set", 2**32, "cannot be"),
        ("set", -1, "cannot be"),
        ("boxes", ["AAAA"], "other boxes or spellings"),
        ("batch", "AA" * 16, "other boxes or spellings"),
    ],
)
def test_the_header_of_a_parked_batch_has_sound_fields(field: str, value: Any, said: str) -> None:
    """A header with one odd field is refused before any box of it is looked at."""
    document = canonical.decode(HEADER.encode()) | {field: value}

    with pytest.raises(BadInputError, match=said):
        ParkedHeader.decode(canonical.encode(document))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: type(plan).__name__)
def test_a_plan_is_for_its_own_store(plan: Plan | UpgradePlan) -> None:
    """A plan that headquarters signed for one store does nothing at another."""
    plan.verify(crypto.sign_public(HEADQUARTERS), bytes(16))

    with pytest.raises(NotAllowedError, match="not for 01"):
        plan.verify(crypto.sign_public(HEADQUARTERS), b"\1" * 16)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: type(plan).__name__)
def test_a_plan_is_confirmed_by_eight_digits_of_its_own(plan: Plan | UpgradePlan) -> None:
    """Seven digits, or those of another plan, confirm nothing; capital letters are the same digits."""
    plan.confirm(plan.digest[:8].upper())

    for typed in (plan.digest[:7], "", "00000000"):
        with pytest.raises(NotAllowedError, match="nothing was changed"):
            plan.confirm(typed)


def test_an_upgrade_goes_upwards() -> None:
    """A plan from a format to the same one is refused."""
    plan = UpgradePlan(bytes(16), "2026-07-03", "0.2.0", (Part("store", 1, 1),)).signed(HEADQUARTERS)

    with pytest.raises(BadInputError, match="no upgrade"):
        upgrade.decode(plan.encode())


def test_a_part_that_does_not_change_is_none_of_an_upgrade() -> None:
    """A plan tells of a part only what it does to it."""
    plan = UpgradePlan(bytes(16), "2026-07-03", "0.2.0", (Part("store", 1, 2),))

    assert plan.part("store") == Part("store", 1, 2)
    assert plan.part("slot") is None


def test_a_tree_of_parties_names_each_once() -> None:
    """Nobody gets two receipts of one forgetting."""
    with pytest.raises(BadInputError, match="each identity once"):
        receipt.party_tree(["tel:+95912345", "tel:+95912345"], "0a" * 16)


def test_a_claim_code_has_its_length() -> None:
    """A code that was cut off opens nothing, and says that it is short."""
    with pytest.raises(BadInputError, match="claim code has"):
        receipt.open_box(b"short", b"")


def test_an_early_stage_carries_no_later_one() -> None:
    """What is no document of a ceremony has no earlier stage in it."""
    made = Founding(1, 1)

    with pytest.raises(BadInputError, match="a join carries no transcript"):
        roster.inner(made.joins[0], "transcript")


def test_a_document_of_a_ceremony_says_whose_it_is() -> None:
    """A join without a custodian's number is refused, and not put anywhere."""
    made = Founding(1, 1)
    nameless = resigned(made.joins[0], made.seeds[0], index="0")

    with pytest.raises(BadInputError, match="does not say of which custodian"):
        roster.roster(made.draft, [nameless], HEADQUARTERS)


def test_a_bundle_with_fewer_entries_than_its_name_says_is_refused(tmp_path: Path) -> None:
    """A bundle that was cut between two entries is named with both numbers."""
    log = _log(tmp_path / "log", 3)
    bundle = tmp_path / "log" / tiles.tile_path(tiles.ENTRIES, 0, 3)
    bundle.write_bytes(bundle.read_bytes()[: 2 * (2 + statement.ENTRY_BYTES)])

    with pytest.raises(BadInputError, match="has 2 entries, not 3"):
        log.entries(0, 3)


def test_where_nothing_can_be_listed_every_entry_may_have_an_opening() -> None:
    """Over HTTP each entry is asked for its opening; none is taken for missing."""
    assert tiles.open_log("http://127.0.0.1:9").opened(3) == [0, 1, 2]
