"""Edges of the key disclosure graph for what travels: letters, answers, the boxes of a ceremony, values for a grant.

Every key that may be one is tried on every box, whoever wrote in clear which key it is for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from unheld.testing.disclosure import Edge
from unheld.testing.evidence_lines import Box, Seed
from unheld_custodian.state import Ceremony
from unheld_verify import canonical, columns, crypto, custody, grant, parked, roster, signed
from unheld_verify.columns import Column
from unheld_verify.errors import UnheldError, WrongKeyError
from unheld_verify.signed import Document

if TYPE_CHECKING:
    from unheld.testing.closure import Closure

CEREMONY = "ceremony-private-key"


def seize(walked: Closure, likely: set[bytes]) -> None:
    """Hold every loose key that may open a box, and every loose seed that fits a commitment."""
    privates, travelled = walked.evidence.privates, walked.evidence.travelled
    for name in (*walked.graph.kept_in("process"), CEREMONY):
        walked.held.add(name, *privates)
    for header, _, _ in walked.evidence.parked:
        places = [(index, header.reason, header.period) for index in range(header.n)]
        walked.held.add("park-private-key", *((*place, key) for place in places for key in privates))
    for seed, commitment in travelled.commitments.items():
        label = (b"unheld/v1/commit", seed.roster, seed.component.to_bytes(2, "big"))
        walked.held.add("chain-seed", *((seed, key) for key in likely if crypto.sha256(*label, key) == commitment))


def take_ceremony(walked: Closure, edge: Edge, ceremony: Ceremony) -> None:
    """What a custodian keeps of a set that is being made: its one-time key, seeds that it drew, then its chains."""
    walked.gain(edge, CEREMONY, *filter(None, [ceremony.transport]))
    begins = roster.draft_of(signed.decode(ceremony.draft, "draft")).begins
    for number, secret in ceremony.drawn.items():
        if ceremony.transcript:
            walked.gain(edge, "chain", (number, begins, secret))
        else:
            walked.gain(edge, "chain-seed", (Seed(ceremony.roster, number), secret))


def letters(walked: Closure, edge: Edge) -> None:
    """What was asked: days, hashes, a plan in its own seal, a grant. No key travels this way."""
    for _, plaintext in _opened(walked, edge):
        walked.gain(edge, "asks", custody.unpadded(plaintext))


def answers(walked: Closure, edge: Edge) -> None:
    """Column keys of a push, shares of a parked batch; values stay in their own box."""
    for box, plaintext in _opened(walked, edge):
        body = canonical.decode(custody.unpadded(plaintext))
        if "testimony" in body:
            _take_push(walked, edge, body)
        for number, share in body.get("shares", {}).items():
            batches = (header.batch for header, _, _ in walked.evidence.parked)
            walked.gain(edge, "park-share", *((batch, int(number), bytes.fromhex(share)) for batch in batches))
        if "values" in body:
            walked.evidence.travelled.values(body, box.place)


def _take_push(walked: Closure, edge: Edge, body: Document) -> None:
    push = custody.push_of(body)
    keys = (
        (Column(*pair, push.day), number, key) for pair, found in push.keys.items() for number, key in found.items()
    )
    walked.gain(edge, "column-key", *keys)


def deal_boxes(walked: Closure, edge: Edge) -> None:
    """Chain seeds of a ceremony."""
    for box, plaintext in _opened(walked, edge):
        walked.gain(edge, "chain-seed", (walked.evidence.travelled.seeds[box], plaintext))


def chain_from_seed(walked: Closure, edge: Edge) -> None:
    """The chain at a set's first day."""
    for seed, secret in walked.held.fresh(edge.name, "chain-seed"):
        found = walked.evidence.travelled.rosters.get(seed.roster)
        if found is not None:
            number = seed.component.to_bytes(2, "big")
            link = crypto.hmac_sha256(secret, b"unheld/v1/chain", seed.roster, number)
            walked.gain(edge, "chain", (seed.component, found.draft.begins, link))


def values_boxes(walked: Closure, edge: Edge) -> None:
    """Values of one label, whose label is not said: they are named by the grant."""
    for _, plaintext in _opened(walked, edge):
        said = signed.decode(plaintext, "values").document
        for ((cls, day), sealed), found in grant.values_of(said["values"]).items():
            column, label = Column(cls, day, sealed), said["grant"]
            values = ((label, column, number, value) for number, value in found.items())
            walked.gain(edge, "component-value", *values)


def all_values(walked: Closure, edge: Edge) -> None:
    """Of every grant and column whose components are all there."""
    given: dict[tuple[str, Column], dict[int, bytes]] = defaultdict(dict)
    for label, column, number, value in walked.held.found["component-value"]:
        given[label, column][number] = value
    for policy in walked.evidence.policies.values():
        count = len(columns.components(policy.n, policy.t))
        whole = (
            (column, grant.join(list(found.values()))) for (_, column), found in given.items() if len(found) == count
        )
        walked.gain(edge, "column-value", *whole)


def parked_boxes(walked: Closure, edge: Edge) -> None:
    """The shares that a custodian's parking key opens; a loose key is tried as each of them."""
    for index, reason, period, key in walked.held.fresh(edge.name, "park-private-key"):
        for header, _, _ in walked.evidence.parked:
            if (header.reason, header.period) == (reason, period):
                with suppress(WrongKeyError):
                    shares = parked.open_box(key, header, index)
                    walked.gain(edge, "park-share", *((header.batch, *share) for share in shares.items()))


def _opened(walked: Closure, edge: Edge) -> Iterator[tuple[Box, bytes]]:
    """Every box of an edge's kind that a key opens, of all pairs of both that were not tried yet."""
    (name,) = edge.needs
    for box in walked.evidence.travelled.of(edge.name):
        for key in walked.held.fresh(f"{edge.name}/{crypto.sha256(box.sealed).hex()}", name):
            with suppress(UnheldError):
                yield box, crypto.box_open(key, box.sealed, box.info)
