"""Makes vectors/paper.json: a small log, a paper of each kind that it vouches for, and papers with one flaw.

Run `python vectors/make_paper.py` to write it anew. All randomness is SHA-256("unheld/vectors/paper" ‖ count u32),
counted from 0 in the order of use and cut to the length asked for, so the same bytes come out every time.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from unheld_branch.log.tiles import LogWriter
from unheld_verify import canonical, crypto, note, paper, receipt, statement
from unheld_verify.paper import Paper
from unheld_verify.statement import Opening

ORIGIN = "log.example/unheld"
STORE = "0123456789abcdef0123456789abcdef"
_SLOTS = "file: does not survive a snapshot of this disk"
_FOUNDED, _ERASED, _DAY = "2026-01-01", "2026-03-01", "2026-03-02"
_DESTROYED = {"day": _ERASED, "slots": _SLOTS, "copies": 2}
_BODIES: dict[str, dict[str, Any]] = {
    "buyer-record": {"buyer": "Example Holding", "facts": [{"what": "owner", "source": "register", "known": False}]},
    "certificate": {"title": paper.CERTIFICATE_TITLE, "destroyed": _DESTROYED, "method": "cryptographic erase"},
    "manifest": {"receives": ["tariffs"], "not": ["records"]},
}


class _Stream:
    """Reproducible bytes."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, length: int) -> bytes:
        value = crypto.sha256(b"unheld/vectors/paper", self._count.to_bytes(4, "big"))
        self._count += 1
        return value[:length]


class _Log:
    """A log in the making: what it is to say, and then the receipts of it."""

    def __init__(self, random: _Stream, seed: bytes, folder: Path) -> None:
        self._random, self._folder = random, folder
        self._writer = LogWriter.create(folder, seed, ORIGIN)
        self._openings: list[Opening] = []
        self.key = self._writer.key

    def say(self, kind: str, day: str, **fields: Any) -> int:
        """Add a statement; its index."""
        self._openings.append(Opening(statement.make(ORIGIN, kind, day, **fields), self._random(32)))
        return len(self._openings) - 1

    def publish(self) -> None:
        """Publish what was said, filled up to 32 entries."""
        entries = [opening.entry for opening in self._openings]
        self._writer.append(0, entries + [self._random(32) for _ in range(32 - len(entries))])

    def receipt(self, index: int, party: receipt.Party | None = None) -> bytes:
        """The receipt of a statement."""
        shown = self._writer.prove(index)
        return receipt.encode(self._openings[index], party, index, shown.path, shown.checkpoint)


def make() -> dict[str, Any]:
    """The vectors as JSON values."""
    random = _Stream()
    seed, plan, stranger = random(32), random(32), random(32)
    papers = _papers(random, plan, stranger)
    tree = receipt.party_tree(["tel:+9599990001"], STORE, random)
    with tempfile.TemporaryDirectory() as place:
        log = _Log(random, seed, Path(place) / "log")
        policy = {"headquarters": crypto.sign_public(plan).hex(), "standstill_days": 30}
        places = {
            "genesis": log.say("genesis", _FOUNDED, store=STORE, genesis="00" * 32, policy=policy),
            "other": log.say("genesis", _FOUNDED, store="ff" * 16, genesis="00" * 32, policy=policy),
            "erased": log.say("erase-everything", _ERASED, slots=_SLOTS, copies=2),
            "parties": log.say(
                "erase-parties", _ERASED, root=tree.root.hex(), leaves=tree.leaves, slots=_SLOTS, copies=2
            ),
        }
        for name, made in papers.items():
            places[name] = log.say("paper", _DAY, paper=made.kind, digest=made.digest.hex())
        log.publish()
        shown = {name: log.receipt(index) for name, index in places.items()}
        shown["person"] = log.receipt(places["parties"], tree.parties[0])
    good = [_proven(papers, shown, kind) for kind in _BODIES]
    listed = [(flaw, step, code, made.encode()) for flaw, step, code, made in _bad(papers, shown)]
    return {
        "origin": ORIGIN,
        "vkey": note.format_key(log.key),
        "headquarters_seed": plan.hex(),
        "papers": [_good(made, log.key) for made in good],
        "bad_papers": [
            {"flaw": flaw, "step": step, "exit_code": code, "paper": data.decode()}
            for flaw, step, code, data in listed + _ill_formed(good[2])
        ],
    }


def _papers(random: _Stream, plan: bytes, stranger: bytes) -> dict[str, Paper]:
    """The good papers by kind, and those whose flaw is signed with them."""
    good = {kind: Paper(kind, ORIGIN, STORE, _DAY, body, random(32)).signed(plan) for kind, body in _BODIES.items()}
    manifest, certificate = good["manifest"], good["certificate"]
    false = _BODIES["certificate"] | {"destroyed": _DESTROYED | {"copies": 3}}
    return good | {
        "late": replace(manifest, day="2026-03-03").signed(plan),
        "early": replace(manifest, day="2025-12-31").signed(plan),
        "untitled": replace(certificate, body=_BODIES["certificate"] | {"title": "All is gone"}).signed(plan),
        "false": replace(certificate, body=false).signed(plan),
        "before": replace(certificate, day="2026-02-28").signed(plan),
        "forged": manifest.signed(stranger),
    }


def _proven(papers: dict[str, Paper], shown: dict[str, bytes], name: str, *more: str) -> Paper:
    """A paper with its proofs: the founding, its naming, for a certificate the erasure, and `more`."""
    rests = ("erased",) if papers[name].kind == "certificate" else ()
    return papers[name].proven([shown[of] for of in ("genesis", name, *rests, *more)])


def _bad(papers: dict[str, Paper], shown: dict[str, bytes]) -> list[tuple[str, int, int, Paper]]:
    """Papers with one flaw: its name, the step that finds it, the exit code."""
    manifest = _proven(papers, shown, "manifest")

    def with_only(name: str, *proofs: str) -> Paper:
        return papers[name].proven([shown[of] for of in proofs])

    return [
        ("another body", 2, 20, replace(manifest, body={"receives": ["records"]})),
        ("another day", 2, 20, replace(manifest, day="2026-03-01")),
        ("another kind", 2, 20, replace(manifest, kind="buyer-record")),
        ("another salt", 2, 20, replace(manifest, salt=bytes(32))),
        ("another signature", 2, 20, replace(manifest, signature=bytes(64))),
        ("a proof that names a person", 3, 20, _proven(papers, shown, "manifest", "person")),
        ("a proof of nothing", 3, 1, manifest.proven([b"nothing"])),
        ("a key that nobody names", 4, 20, _proven(papers, shown, "forged")),
        ("no founding", 4, 21, with_only("manifest", "manifest")),
        ("founding of another store", 4, 21, with_only("manifest", "other", "manifest")),
        ("older than its store", 4, 20, _proven(papers, shown, "early")),
        ("no proofs", 4, 21, with_only("manifest")),
        ("not named in the log", 5, 21, with_only("manifest", "genesis")),
        ("the log names another", 5, 20, with_only("manifest", "genesis", "buyer-record")),
        ("newer than its naming", 5, 20, _proven(papers, shown, "late")),
        ("another title", 6, 20, _proven(papers, shown, "untitled")),
        ("more copies than stated", 6, 20, _proven(papers, shown, "false")),
        ("dated before what it certifies", 6, 20, _proven(papers, shown, "before")),
        ("no proof of the erasure", 6, 21, with_only("certificate", "genesis", "certificate")),
    ]


def _ill_formed(good: Paper) -> list[tuple[str, int, int, bytes]]:
    """Files that are no papers, or of a later version."""
    document = canonical.decode(good.encode())
    changes: list[tuple[str, int, dict[str, Any]]] = [
        ("a later version", 21, {"v": 2}),
        ("a version that is no number", 1, {"v": "1"}),
        ("a version that is true", 1, {"v": True}),
        ("an unknown kind", 21, {"kind": "will"}),
        ("a kind that is no text", 1, {"kind": 5}),
        ("a log that is no text", 1, {"log": []}),
        ("a store of 31 digits", 1, {"store": STORE[1:]}),
        ("a day that does not exist", 1, {"day": "2026-02-30"}),
        ("a body that is a list", 1, {"body": []}),
        ("a salt of 31 bytes", 1, {"salt": "00" * 31}),
        ("proofs that are an object", 1, {"proofs": {}}),
        ("a proof that is a number", 1, {"proofs": [1]}),
        ("a proof in a second spelling", 1, {"proofs": ["AB=="]}),
        ("a field too much", 1, {"note": "x"}),
    ]
    found = [(flaw, 1, code, canonical.encode(document | change)) for flaw, code, change in changes]
    found.append(("a field too few", 1, 1, canonical.encode({k: v for k, v in document.items() if k != "salt"})))
    return [*found, ("not canonical", 1, 1, json.dumps(document).encode())]


def _good(made: Paper, key: note.Key) -> dict[str, str]:
    data = made.encode()
    return {
        "kind": made.kind,
        "digest": made.digest.hex(),
        "says": paper.verify(data, key).says,
        "paper": data.decode(),
    }


def encode(vectors: dict[str, Any]) -> str:
    """The file's text."""
    return json.dumps(vectors, indent=1) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "paper.json").write_text(encode(make()))
