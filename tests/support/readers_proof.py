"""Readers of what outsiders check: notes, logs, receipts, papers, case folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.reader import Reader, file, text, untext
from unheld_verify import (
    bag,
    canonical,
    checkpoint,
    cli,
    crypto,
    merkle,
    note,
    paper,
    plan,
    proof,
    receipt,
    signed,
    spoken,
    statement,
    tiles,
    words,
)
from unheld_verify.errors import CannotVerifyError
from unheld_verify.note import Key
from unheld_verify.tiles import Log

VECTORS = Path(__file__).parents[2] / "vectors"


@cache
def vector(name: str) -> dict[str, Any]:
    """The vectors of a page."""
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return found


@cache
def log_key() -> Key:
    """The key of the log of the vectors."""
    return note.parse_key(vector("log")["vkey"])


@cache
def paper_key() -> Key:
    """The key of the log of the papers."""
    return note.parse_key(vector("paper")["vkey"])


def _receipts() -> list[bytes]:
    made = vector("log")["receipts"]
    return [made[at]["receipt"].encode() for at in (0, len(made) // 2, -1)]


def _papers() -> list[bytes]:
    return [made["paper"].encode() for made in vector("paper")["papers"]]


def _openings() -> list[bytes]:
    return [canonical.encode(_extra(data)) for data in _receipts()]


def _extra(data: bytes) -> dict[str, Any]:
    found = canonical.decode(proof.parse(data).extra)
    return {name: found[name] for name in ("r", "statement")}


def _parties() -> list[bytes]:
    found = (canonical.decode(proof.parse(made["receipt"].encode()).extra) for made in vector("log")["receipts"])
    return [canonical.encode(one["party"]) for one in found if "party" in one][:1]


def _said(data: bytes) -> str:
    """What an opened entry says, in words, once its statement's rules hold."""
    opening = statement.parse_opening(canonical.decode(data))
    statement.verify(opening, log_key().name)
    return words.says(opening.statement)


@dataclass(frozen=True)
class _Files:
    """A log in memory."""

    held: dict[str, bytes]

    def read(self, path: str, limit: int) -> bytes:
        """As a source: bounded."""
        if path not in self.held:
            raise CannotVerifyError(f"{path} is not there")
        return self.held[path][: limit + 1]

    def names(self, folder: str) -> list[str]:
        """The names in a folder."""
        return sorted(path.removeprefix(f"{folder}/") for path in self.held if path.startswith(f"{folder}/"))


_PLACES = ("checkpoint", "tile/0/000", "tile/0/001.p/32", "tile/1/000.p/1", "tile/entries/000", "openings/0.json")


@cache
def _log() -> dict[str, bytes]:
    """The files of the vectors' log, made of its entries."""
    found = vector("log")
    entries = [bytes.fromhex(entry) for entry in found["entries"]]
    hashes = [merkle.leaf_hash(entry) for entry in entries]
    opening = canonical.encode(_extra(_receipts()[0]))
    index = proof.parse(_receipts()[0]).index
    return {
        "checkpoint": found["checkpoint"].encode(),
        "tile/0/000": b"".join(hashes[:256]),
        "tile/0/001.p/32": b"".join(hashes[256:]),
        "tile/1/000.p/1": merkle.root(hashes[:256]),
        "tile/entries/000": tiles.encode_bundle(entries[:256]),
        "tile/entries/001.p/32": tiles.encode_bundle(entries[256:]),
        f"openings/{index}.json": opening,
    }


def _whole_log(data: bytes) -> Any:
    """A log of which one file, by the first byte, is another one."""
    held = dict(_log())
    place = sorted(held)[data[0] % len(held)] if data else "checkpoint"
    return tiles.verify_log(Log(_Files(held | {place: data[1:]})), log_key())


def _logs() -> list[bytes]:
    held = _log()
    return [bytes([at]) + held[place] for at, place in enumerate(sorted(held))]


_BAG = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "data/log/checkpoint")


@cache
def _bag() -> dict[str, bytes]:
    payload = {f"data/log/{path}": data for path, data in _log().items()}
    listed = "".join(f"{_sha(data)}  {path}\n" for path, data in sorted(payload.items())).encode()
    oxum = f"{sum(map(len, payload.values()))}.{len(payload)}"
    tags = {
        "bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Payload-Oxum: {oxum}\n".encode(),
        "manifest-sha256.txt": listed,
    }
    tagged = "".join(f"{_sha(data)}  {path}\n" for path, data in sorted(tags.items())).encode()
    return payload | tags | {"tagmanifest-sha256.txt": tagged}


def _sha(data: bytes) -> str:
    return crypto.sha256(data).hex()


def _case_folder(data: bytes) -> Any:
    """A case folder of which one file, by the first byte, is another one."""
    place = _BAG[data[0] % len(_BAG)] if data else _BAG[0]
    for path, whole in (_bag() | {place: data[1:]}).items():
        file(f"bag/{path}", whole)
    return bag.verify(
        file("bag/bagit.txt", _bag()["bagit.txt"] if place != "bagit.txt" else data[1:]).parent, log_key()
    )


def _checked(data: bytes) -> int:
    """What the command line says of a file: always one of its exit codes."""
    assert cli.main([str(file("given", data)), "--log-key", vector("log")["vkey"], "--json"]) in (0, 1, 20, 21)
    return 0


READERS = (
    Reader(
        "canonical",
        canonical.decode,
        lambda: [b"{}", b'{"a":[1,true,"\xc3\xa9"]}', *_openings()],
        ("unheld_verify.canonical.decode",),
        canonical.encode,
    ),
    Reader(
        "note",
        note.parse,
        lambda: [proof.parse(data).checkpoint for data in _receipts()],
        ("unheld_verify.note.parse",),
        note.encode,
    ),
    Reader(
        "note-key",
        lambda data: note.parse_key(text(data)),
        lambda: [vector("log")["vkey"].encode()],
        ("unheld_verify.note.parse_key",),
        lambda key: untext(note.format_key(key)),
    ),
    Reader(
        "base64",
        lambda data: note.base64_bytes(text(data), "it"),
        lambda: [b"", b"AAAA", b"AA=="],
        ("unheld_verify.note.base64_bytes",),
        lambda value: note.base64_text(value).encode(),
    ),
    Reader(
        "hex",
        lambda data: statement.hex_bytes(text(data), "it"),
        lambda: [b"", b"00ff"],
        ("unheld_verify.statement.hex_bytes",),
        lambda value: value.hex().encode(),
    ),
    Reader(
        "checkpoint",
        lambda data: checkpoint.parse(text(data)),
        lambda: [note.parse(_log()["checkpoint"]).text.encode()],
        ("unheld_verify.checkpoint.parse",),
        lambda value: untext(checkpoint.encode(value)),
    ),
    Reader(
        "proof",
        proof.parse,
        _receipts,
        ("unheld_verify.proof.parse",),
        proof.encode,
    ),
    Reader(
        "bundle",
        tiles.decode_bundle,
        lambda: [b"", _log()["tile/entries/001.p/32"]],
        ("unheld_verify.tiles.decode_bundle",),
        tiles.encode_bundle,
    ),
    Reader(
        "opening",
        lambda data: statement.parse_opening(canonical.decode(data)),
        _openings,
        ("unheld_verify.statement.parse_opening", "unheld_verify.tiles.Log.opening"),
        lambda value: canonical.encode(value.to_json()),
    ),
    Reader("statement", _said, _openings, ("unheld_verify.statement.verify", "unheld_verify.words.says")),
    Reader(
        "party",
        lambda data: receipt.parse_party(canonical.decode(data)),
        _parties,
        ("unheld_verify.receipt.parse_party",),
        lambda value: canonical.encode(value.to_json()),
    ),
    Reader(
        "box",
        lambda data: receipt.open_box(receipt.parse_claim_code(vector("log")["box"]["claim_code"]), data),
        lambda: [bytes.fromhex(vector("log")["box"]["box"])],
        ("unheld_verify.receipt.open_box",),
    ),
    Reader(
        "claim-code",
        lambda data: receipt.parse_claim_code(text(data)),
        lambda: [vector("log")["box"]["claim_code"].encode()],
        ("unheld_verify.receipt.parse_claim_code",),
    ),
    Reader(
        "receipt",
        lambda data: receipt.verify(data, log_key()),
        _receipts,
        ("unheld_verify.receipt.verify",),
    ),
    Reader("paper", paper.decode, _papers, ("unheld_verify.paper.decode",), lambda value: value.encode()),
    Reader(
        "paper-verified",
        lambda data: paper.verify(data, paper_key()),
        _papers,
        ("unheld_verify.paper.verify",),
        slow=True,
    ),
    Reader(
        "plan",
        plan.decode,
        lambda: [made["file"].encode() for made in vector("plan")["plans"]],
        ("unheld_verify.plan.decode",),
        lambda value: value.encode(),
    ),
    Reader(
        "signed",
        signed.decode,
        lambda: [vector("grant")["grant"].encode(), vector("custody")["ask"].encode()],
        ("unheld_verify.signed.decode", "unheld_verify.signed.from_json"),
        lambda value: value.encode(),
    ),
    Reader(
        "spoken",
        lambda data: spoken.heard(text(data)),
        lambda: [b"lusab babad gutih tugad"],
        ("unheld_verify.spoken.heard",),
    ),
    Reader("log", _whole_log, _logs, ("unheld_verify.tiles.verify_log", "unheld_verify.tiles.published"), slow=True),
    Reader(
        "case-folder",
        _case_folder,
        lambda: [bytes([at]) + _bag()[path] for at, path in enumerate(_BAG)],
        ("unheld_verify.bag.verify",),
        slow=True,
    ),
    Reader("verify-file", _checked, lambda: _receipts()[:1] + _papers()[:1], ("unheld_verify.cli.main",), slow=True),
)
