"""Make copy.json: an exchange of a store with a far copy, its digests of rows, its files and a release.

HPKE is randomised, so the sealed letters and answers of an existing copy.json are kept (`docs/spec/copy.md`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from unheld_branch.copies import letters
from unheld_branch.copies.letters import Ask, Line
from unheld_branch.keys.parties import rows
from unheld_branch.keys.parties.root import RootNode
from unheld_branch.keys.parties.tree import Tree
from unheld_branch.store import copying
from unheld_branch.store.copying import Making, Part, Standing, Step
from unheld_branch.store.database import Waiting
from unheld_branch.store.replica import Marker
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_verify import canonical, crypto, signed
from unheld_verify.errors import StateError
from unheld_verify.signed import Signed

PLACE = Path(__file__).with_name("copy.json")
STORE, BRANCH, COPY, PLAN = b"\x51" * 16, b"\x05" * 32, b"\x06" * 32, b"\x09" * 32
DOOR, REPLY = b"\x01" * 96, b"\x02" * 96
KEY, NAME, AT = b"\x07" * 32, "http://10.0.0.2:8450", 1_783_339_200
TAG_KEY, COUNT, BITS = bytes(range(32)), 24, 3


def drawn(part: str, width: int) -> rows.Bytes:
    """Field `part` of all rows: row i has the first bytes of SHA-256(part ‖ i u32)."""
    found = b"".join(crypto.sha256(part.encode(), i.to_bytes(4, "big"))[:width] for i in range(COUNT))
    return np.frombuffer(found, np.uint8).reshape(-1, width)


ROWS = rows.make(drawn("tag", 16), drawn("key", 32), drawn("label", 16), np.arange(COUNT, dtype=np.uint32)).sort()


def asks() -> list[Ask]:
    """One letter of each act."""
    first = RootNode(1, PLAN, {}, {SUBSCRIBERS: Tree(TAG_KEY)})
    making = Making(NAME, canonical.encode({"v": 1}), first, b"entry 1", b"\x11" * 32, BRANCH)
    waiting = (Waiting(0, b"\x12" * 32, b"said", None), Waiting(0, b"\x13" * 32, b"placed", 4))
    step = Step(2, b"entry 2", b"\x14" * 32, PLAN, {20_640: b"\x15" * 32}, {SUBSCRIBERS: TAG_KEY}, waiting)
    part = Part(SUBSCRIBERS, TAG_KEY, ROWS, np.frombuffer(b"\xfe" * 32, np.uint8).reshape(2, 16), BITS, (0, 5))
    named = ["blocks/contact/2026-07-05/2026-07-06/" + "b2" * 16 + ".parquet"]
    return [
        letters.making_ask(making),
        Ask("standing"),
        Ask("sums", {"tree": SUBSCRIBERS, "bits": BITS, "key": KEY.hex(), "tag_key": TAG_KEY.hex()}),
        letters.part_ask(part),
        letters.step_ask(step),
        Ask("missing", {"side": {"genesis.json": crypto.sha256(b"{}").hex()}, "named": named}),
        Ask("file", {"path": named[0], "at": 0, "sha256": crypto.sha256(b"a piece").hex()}, b"a piece"),
        Ask("finish", {"generation": 2}),
        Ask("end"),
    ]


def answers() -> list[tuple[dict[str, Any], bytes]]:
    """An answer with bytes, one with a standing, and an error."""
    standing = Standing(2, b"\x14" * 32, True, {SUBSCRIBERS: len(ROWS)}, "file")
    return [
        ({}, copying.sums([ROWS], BITS, KEY)),
        (letters.standing_fields(standing), b""),
        (letters.refusal(StateError("the copy has no such tree")), b""),
    ]


def build() -> dict[str, Any]:
    """The vectors."""
    kept = json.loads(PLACE.read_text()) if PLACE.exists() else None
    line, reply = Line(crypto.sign_public(COPY), crypto.park_public(DOOR)), crypto.park_public(REPLY)
    said = kept["letters"] if kept else [_letter(ask, line, number, reply) for number, ask in enumerate(asks())]
    about = letters.open_letter(bytes.fromhex(said[2]["sealed"]), line, DOOR)[0]
    made = {"v": 1, "kind": "release", "store": STORE.hex(), "copy": 1, "made": "2026-07-06"}
    return {
        "page": "docs/spec/copy.md",
        "branch": crypto.sign_public(BRANCH).hex(),
        "copy": crypto.sign_public(COPY).hex(),
        "headquarters": crypto.sign_public(PLAN).hex(),
        "knock": letters.knock().decode(),
        "door": letters.door(line.door, COPY).encode().decode(),
        "door_private": DOOR.hex(),
        "reply_private": REPLY.hex(),
        "letters": said,
        "answers": kept["answers"] if kept else [_answer(about, reply, *one) for one in answers()],
        "leaf": rows.encode_leaf(ROWS).hex(),
        "sums": {"bits": BITS, "key": KEY.hex(), "digests": copying.sums([ROWS], BITS, KEY).hex()},
        "marker": Marker(NAME, "", crypto.sign_public(BRANCH), AT, 0).encode().decode(),
        "pins": canonical.encode({NAME: crypto.sign_public(COPY).hex()}).decode(),
        "release": signed.sign(made, PLAN).encode().decode(),
    }


def _letter(ask: Ask, line: Line, number: int, reply: bytes) -> dict[str, Any]:
    data, digest = letters.letter(ask, line, number, reply, BRANCH)
    what = {"act": ask.act, "body": dict(ask.fields), "bytes": ask.blob.hex()}
    return what | {"digest": digest.hex(), "sealed": data.hex()}


def _answer(about: Signed, reply: bytes, fields: dict[str, Any], blob: bytes) -> dict[str, Any]:
    data = letters.answer(about, reply, fields, blob, COPY)
    return {"body": fields, "bytes": blob.hex(), "sealed": data.hex()}


if __name__ == "__main__":
    PLACE.write_text(json.dumps(build(), indent=1) + "\n")
