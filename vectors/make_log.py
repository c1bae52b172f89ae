"""Makes vectors/log.json: a log of 288 entries in nine publications, a receipt of every kind, a box, and bad receipts.

Run `python vectors/make_log.py` to write it anew. All randomness is SHA-256("unheld/vectors/log" ‖ count u32), counted
from 0 in the order of use and cut to the length asked for, so the same bytes come out every time.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, crypto, note, proof, receipt, statement
from unheld_verify.statement import Opening

ORIGIN = "log.example/unheld"
STORE = "0123456789abcdef0123456789abcdef"
PUBLICATION = 32
PUBLICATIONS = 9
_SLOTS = "file: does not survive a snapshot of this disk"
_IDENTITIES = ("tel:+9599990001", "tel:+9599990002", "imsi:414999990000003")


class _Stream:
    """Reproducible bytes."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, length: int) -> bytes:
        value = crypto.sha256(b"unheld/vectors/log", self._count.to_bytes(4, "big"))
        self._count += 1
        return value[:length]


def make() -> dict[str, Any]:
    """The vectors as JSON values."""
    random = _Stream()
    seed = random(32)
    trees = {says: receipt.party_tree(_IDENTITIES, STORE, random, says) for says in ("forgotten", "named")}
    openings = [Opening(made, random(statement.R_BYTES)) for made in _statements(trees["forgotten"], trees["named"])]
    entries = [opening.entry for opening in openings]
    entries += [random(statement.ENTRY_BYTES) for _ in range(PUBLICATION * PUBLICATIONS - len(entries))]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "log"
        writer = LogWriter.create(folder, seed, ORIGIN)
        for start in range(0, len(entries), PUBLICATION):
            writer.append(start, entries[start : start + PUBLICATION])
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): crypto.sha256(path.read_bytes()).hex() for path in paths}
        receipts = _receipts(writer, openings, trees)
    return {
        "origin": ORIGIN,
        "seed": seed.hex(),
        "vkey": note.format_key(writer.key),
        "entries": [entry.hex() for entry in entries],
        "checkpoint": proof.parse(receipts[0]["receipt"].encode()).checkpoint.decode(),
        "files_sha256": files,
        "receipts": receipts,
        "bad_receipts": _bad_receipts(receipts, random),
        "box": _box(trees["forgotten"].parties[0], random),
    }


def _statements(tree: receipt.PartyTree, named: receipt.PartyTree) -> list[statement.Statement]:
    of_demand = {"demand": "fedcba9876543210" * 2, "root": named.root.hex(), "leaves": named.leaves}
    group = note.Key("w-7f3a.example", crypto.sign_public(crypto.sha256(b"group")))
    digest = [crypto.sha256(bytes([number])).hex() for number in range(5)]
    fields: dict[str, dict[str, Any]] = {
        "genesis": {"store": STORE, "genesis": digest[0], "policy": "default, 2 of 3 custodians"},
        "open": {"sealing_day": "2026-01-05", "set": 1},
        "batch": {"sealing_day": "2026-01-05", "records_at_most": 16384, "rows": digest[1]},
        "close": {
            "sealing_day": "2026-01-05",
            "records_at_most": 65536,
            "generation": 7,
            "root": digest[2],
            "head": digest[3],
        },
        "erase-parties": {"root": tree.root.hex(), "leaves": tree.leaves, "slots": _SLOTS, "copies": 2},
        "erase-day": {"event_day": "2026-01-04", "custodians": [0, 1, 2], "slots": _SLOTS},
        "erase-class": {"event_day": "2026-01-03", "class": "place", "custodians": [0, 2], "slots": _SLOTS},
        "erase-everything": {"slots": _SLOTS, "copies": 2},
        "lapse": {"columns": [["contact", "2025-12-06"], ["place", "2025-12-29"]], "custodians": [0, 1, 2]},
        "parked": {"period": 2922, "records_at_most": 4096},
        "demand-received": {
            **of_demand,
            "authority": "Ministry of Roads",
            "asks": ["location", "registry", "traffic"],
            "targets": len(_IDENTITIES),
        },
        "demand-narrowed": {**of_demand, "asks": ["registry"]},
        "demand-refused": {**of_demand, "codes": ["DeFactoImpossibility", "NoCourtOrder"]},
        "demand-withdrawn": of_demand,
        "claim-answered": {},
        "paper": {"paper": "manifest", "digest": digest[4]},
        "group": {"key": note.format_key(group)},
        "standstill": {"group": group.name, "digest": digest[0], "begins": "2026-01-07", "ends": "2026-02-06"},
        "custodians": {
            "set": 2,
            "digest": digest[1],
            "n": 7,
            "t": 4,
            "begins": "2026-01-08",
            "custodians": [0, 1, 2, 4, 6],
        },
        "access-answered": {},
        "copy-released": {"copy": 2, "copies": 2, "listed": 3, "generation": 41},
        "copy-returned": {"copy": 2, "copies": 3, "listed": 3, "generation": 47},
        "copy-promoted": {"copy": 1, "copies": 2, "listed": 2, "generation": 53},
        "upgrade": {"from": 1, "to": 2, "digest": "1e" * 32},
    }
    return [statement.make(ORIGIN, kind, "2026-01-06", **given) for kind, given in fields.items()]


def _receipts(writer: LogWriter, openings: list[Opening], trees: dict[str, receipt.PartyTree]) -> list[dict[str, Any]]:
    made = []
    for index, opening in enumerate(openings):
        kind = opening.statement["kind"]
        says = statement.LEAVES.get(kind, "")
        for party in (None, *trees[says].parties) if says else (None,):
            shown = writer.prove(index)
            data = receipt.encode(opening, party, index, shown.path, shown.checkpoint)
            said = receipt.verify(data, writer.key).says
            made.append({"kind": kind, "says": said, "receipt": data.decode()})
    return made


def _bad_receipts(receipts: list[dict[str, Any]], random: _Stream) -> list[dict[str, Any]]:
    """Receipts with one flaw: its name, the step that finds it, and the exit code."""
    of_person = _of_party(receipts, "erase-parties")
    good = proof.parse(of_person.encode())
    extra = canonical.decode(good.extra)
    said, party = extra["statement"], extra["party"]
    refused = proof.parse(_of_party(receipts, "demand-refused").encode())
    in_demand = canonical.decode(refused.extra)
    manifest = proof.parse(next(made["receipt"] for made in receipts if made["kind"] == "paper").encode())
    pause = proof.parse(next(made["receipt"] for made in receipts if made["kind"] == "standstill").encode())
    paused = canonical.decode(pause.extra)
    newer = proof.parse(next(made["receipt"] for made in receipts if made["kind"] == "custodians").encode())
    other_seed = random(32)
    signed = note.parse(good.checkpoint)
    forged = note.encode(note.sign(signed.text, ORIGIN, other_seed))
    flaws: list[tuple[str, int, int, proof.Proof]] = [
        ("signed by another key", 2, 20, _with(good, checkpoint=forged)),
        ("no opening", 3, 21, _with(good, extra=b"")),
        ("r of 31 bytes", 3, 20, _extra(good, extra | {"r": extra["r"][:-2]})),
        ("r of 33 bytes, the last zero", 3, 20, _extra(good, extra | {"r": extra["r"] + "00"})),
        ("opening not canonical", 3, 20, _with(good, extra=json.dumps(extra).encode())),
        ("unknown kind", 3, 21, _extra(good, extra | {"statement": said | {"kind": "erase-disk"}})),
        ("unknown version", 3, 21, _extra(good, extra | {"statement": said | {"v": 2}})),
        ("statement of another log", 3, 20, _extra(good, extra | {"statement": said | {"log": "log.example/two"}})),
        ("a field too much", 3, 20, _extra(good, extra | {"statement": said | {"note": "x"}})),
        ("another r", 5, 20, _extra(good, extra | {"r": random(32).hex()})),
        ("another statement", 5, 20, _extra(good, extra | {"statement": said | {"copies": 3}})),
        ("another index", 5, 20, _with(good, index=good.index ^ 1)),
        ("another identity", 6, 20, _extra(good, extra | {"party": party | {"identity": "tel:+9599990009"}})),
        ("another store", 6, 20, _extra(good, extra | {"party": party | {"store": "00" * 16}})),
        ("another leaf", 6, 20, _extra(good, extra | {"party": party | {"index": party["index"] ^ 1}})),
        ("a party forgotten, not named", 6, 20, _extra(refused, in_demand | {"party": party})),
        ("a party named, not forgotten", 6, 20, _extra(good, extra | {"party": in_demand["party"]})),
        (
            "a party of a statement about none",
            6,
            20,
            _extra(manifest, canonical.decode(manifest.extra) | {"party": party}),
        ),
        ("another demand", 5, 20, _stated(refused, in_demand, demand="00" * 16)),
        ("no reason for a refusal", 3, 20, _stated(refused, in_demand, codes=[])),
        ("reasons not in order", 3, 20, _stated(refused, in_demand, codes=["NoCourtOrder", "DeFactoImpossibility"])),
        ("a pause without a day", 3, 20, _stated(pause, paused, ends="2026-01-07")),
        ("more needed than there are", 3, 20, _stated(newer, canonical.decode(newer.extra), t=8)),
    ]
    return [
        {"flaw": flaw, "step": step, "exit_code": code, "receipt": proof.encode(made).decode()}
        for flaw, step, code, made in flaws
    ]


def _of_party(receipts: list[dict[str, Any]], kind: str) -> str:
    """The first person's receipt of a kind."""
    texts = [made["receipt"] for made in receipts if made["kind"] == kind and _IDENTITIES[0] in made["says"]]
    return str(texts[0])


def _stated(good: proof.Proof, extra: dict[str, Any], **changed: Any) -> proof.Proof:
    return _extra(good, extra | {"statement": extra["statement"] | changed})


def _with(good: proof.Proof, **changed: Any) -> proof.Proof:
    return proof.Proof(**(vars(good) | changed))


def _extra(good: proof.Proof, extra: dict[str, Any]) -> proof.Proof:
    return _with(good, extra=canonical.encode(extra))


def _box(party: receipt.Party, random: _Stream) -> dict[str, str]:
    """A box with a fixed nonce (1). Only a vector may be made so: real boxes take a random one."""
    code = random(receipt.CLAIM_CODE_BYTES)
    key = crypto.hkdf_sha256(code, b"unheld/v1/box")
    sealed = crypto.seal_numbered(key, 1, canonical.encode(party.to_json()), b"")
    nonce = (1).to_bytes(crypto.NONCE_BYTES, "big")
    return {
        "claim_code": receipt.format_claim_code(code),
        "box": (nonce + sealed).hex(),
        "identity": party.identity,
    }


def encode(vectors: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(vectors, indent=1) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "log.json").write_text(encode(make()))
