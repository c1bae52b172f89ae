"""The corpus: good bytes of every reader, and what once broke one. `python -m fuzz.kept` writes the good ones anew."""

from __future__ import annotations

from pathlib import Path

from tests.support.readers import READERS
from unheld_verify import crypto

CORPUS = Path(__file__).parent / "corpus"
_MOST = 8_192
"""Bytes of the longest example that is kept; longer ones are made when they are needed."""


def examples(target: str) -> list[bytes]:
    """What a reader accepts."""
    return list(READERS[target].examples())


def main() -> None:
    """Keep the good bytes of every reader."""
    for target in READERS:
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("good-*"):
            old.unlink()
        made = sorted(examples(target), key=len)
        for data in [one for one in made if len(one) <= _MOST] or [made[0][:_MOST]]:
            (folder / f"good-{crypto.sha256(data)[:8].hex()}").write_bytes(data)


if __name__ == "__main__":
    main()
