"""Scene 5, the complaint and the suit: the sale waits, and whoever was on a list has proofs that need nobody's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import bagit  # type: ignore[import-untyped]

from unheld import page
from unheld.demo.calendar import EVENING, NOON, at
from unheld.demo.replay import Replay
from unheld.demo.scene_sale import spec
from unheld.demo.world import SALE_KNOWN
from unheld.exit import casefolder, objection
from unheld.workflows import demand as demands
from unheld.workflows import leave
from unheld_slots import durable
from unheld_verify import bag, columns, note, paper, receipt, tiles
from unheld_verify.errors import InternalError, StateError

SCENE = 5
_LATER = timedelta(days=60)
_WORDS = "The sale would hand people over. We were not asked."


def object_to_sale(replay: Replay) -> None:
    """On the day the sale is known a group objects; a handover is tried on the next day."""
    deployment, group = replay.deployment, objection.new_key()
    policy = deployment.policy()
    with at(SALE_KNOWN, NOON):
        leave.register_group(deployment, note.format_key(group.public))
        said = objection.sign(group, policy.origin, policy.store_id.hex(), SALE_KNOWN.isoformat(), _WORDS)
        pause = leave.object_to(deployment, said)
    pause_days = columns.day_number(pause.ends) - columns.day_number(pause.begins)
    refused, tried = 0, replay.run / "tried"
    with at(SALE_KNOWN + timedelta(days=1), NOON):
        try:
            leave.hand_over(deployment, tried, spec(replay))
        except StateError as error:
            refused = 1
            replay.tell(f"handover refused: {error}")
    rows, days = replay.scene(SCENE), (pause_days, policy.standstill_days)
    rows.exactly("days the sale waits after a group objects", "days", None, *days)
    rows.exactly("a handover tried meanwhile: refused", "handovers", None, refused, 1)


def prove(replay: Replay) -> None:
    """After everything was dropped: the claimant's proofs, the certificate, the page."""
    deployment, key = replay.deployment, replay.deployment.log_key()
    proofs = [_forgotten(replay), *_named(replay)]
    held = sum(bool(receipt.verify(path.read_bytes(), key).says) for path in proofs)
    lists = sum(replay.orders.claimant in drawn.names for drawn in replay.orders.lists)
    # forgotten; each list received and refused; the missing person's demand received, should it be the same line
    wanted = 1 + 2 * lists + (replay.orders.claimant in replay.orders.missing_person.names)
    head = tiles.verify_log(tiles.open_log(str(deployment.log)), key)
    replay.tell(f"the claimant has {held} proofs; the log's {head.size} entries verified")
    rows = replay.scene(SCENE)
    rows.exactly("the claimant's proofs, checked offline with the log's key alone", "proofs", None, held, wanted)
    rows.shown("lists that named the claimant: each proven received, and refused", "orders", None, lists)
    rows.shown("entries of the public log, all checked", "entries", None, head.size)
    _certificate(replay)
    _page(replay)
    _case_folder(replay, proofs)


def _forgotten(replay: Replay) -> Path:
    """The claimant opens the box with the claim code, and completes the receipt from the public log."""
    if replay.forgotten is None:
        raise InternalError("the claimant was not forgotten")
    log, key = tiles.open_log(str(replay.deployment.log)), replay.deployment.log_key()
    party = receipt.open_box(receipt.parse_claim_code(replay.forgotten.claim_code), replay.forgotten.box)
    path = replay.out / "claimant" / "forgotten.tlog-proof"
    durable.make_folders(path.parent)
    durable.write_file(path, receipt.complete(receipt.opening_of(party, log, key), party, log, key), 0o644)
    replay.link("the claimant's receipt: forgotten", path)
    return path


def _named(replay: Replay) -> Sequence[Path]:
    """The claimant asks which demands named the line; headquarters answers with receipts."""
    deployment, day = replay.deployment, SALE_KNOWN + _LATER
    with at(day, EVENING):
        told = demands.answer_claim(
            deployment, replay.orders.claimant, "the claimant, by the SIM's paper", deployment.escrow_private(),
            replay.out / "claimant",
        )  # fmt: skip
    return [path for one in told for path in one.receipts]


def _certificate(replay: Replay) -> None:
    data = (replay.out / "certificate" / "certificate.json").read_bytes()
    checked = paper.verify(data, replay.deployment.log_key())
    words = "certificate “Keys of this store destroyed”: proofs in it that hold"
    replay.scene(SCENE).shown(words, "proofs", None, len(checked.receipts))


def _page(replay: Replay) -> None:
    """The page that checks a receipt in a browser, without a network."""
    path = replay.out / "check-a-receipt.html"
    durable.write_file(path, page.build(note.format_key(replay.deployment.log_key())).encode(), 0o644)
    replay.link("the page that checks a receipt", path)


def _case_folder(replay: Replay, proofs: Sequence[Path]) -> None:
    """What the claimant hands to a court: checked by bagit, a public tool, and by unheld-verify."""
    folder, key = replay.out / "case-folder", replay.deployment.log_key()
    papers = [replay.out / "certificate" / "certificate.json"]
    wanted = casefolder.Wanted(replay.deployment.log, key, receipts=proofs, papers=papers)
    casefolder.build(folder, wanted, (SALE_KNOWN + _LATER).isoformat())
    files = sum(path.is_file() for path in folder.rglob("*"))
    whole = bagit.Bag(str(folder)).is_valid()
    said = bag.verify(folder, key)
    rows = replay.scene(SCENE)
    rows.exactly("case folder, whole by bagit and by unheld-verify", "files", None, files if whole else 0, files)
    rows.shown("case folder: proofs in it that hold", "proofs", None, len(said.receipts))
    replay.link("the case folder", folder / "data" / "HOW-TO-VERIFY.txt")
