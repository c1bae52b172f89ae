"""Identities as people type them: asked for or read from a file, never an argument, never repeated on the screen."""

from __future__ import annotations

import sys
from pathlib import Path

from unheld.cli.output import settings
from unheld_verify.errors import BadInputError, UnheldError


def ask_one(home: str) -> str:
    """One identity, typed without echo."""
    return normal([settings.ask("number, imsi:… or sub:… (not shown)", hidden=True)], home, "the number typed")[0]


def read_file(path: str, home: str) -> list[str]:
    """One identity a line from a file, or from standard input (`-`)."""
    text = sys.stdin.read() if path == "-" else read_text(Path(path))
    listed = [line.strip() for line in text.splitlines() if line.strip()]
    if not listed:
        raise BadInputError(f"{path}: it names nobody; write one number a line")
    return normal(listed, home, path)


def read_text(path: Path, kind: type[UnheldError] = BadInputError) -> str:
    """The text of a small file. Raises `kind` naming the file, never its content."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise kind(f"{path}: cannot be read ({error.strerror}); mend the path or its rights") from None
    except UnicodeDecodeError:
        raise kind(f"{path}: is no text (UTF-8); is it the right file?") from None


def normal(texts: list[str], home: str, place: str) -> list[str]:
    """Canonical identities. Raises BadInputError naming the line, never the number."""
    import pyarrow as pa  # noqa: PLC0415 - loaded where somebody is named, as numbering plans are

    from unheld_branch.records import identities  # noqa: PLC0415
    from unheld_branch.records.identities import NumberRule  # noqa: PLC0415

    rule = NumberRule(home=home or None, bare="national" if home else "international")
    found: list[str] = [""] * len(texts)
    for scheme in ("imsi", "sub", "number"):
        lines = [at for at, text in enumerate(texts) if _scheme(text) == scheme]
        plain = pa.array([texts[at].removeprefix(f"{scheme}:") for at in lines], pa.string())
        made = identities.identities(plain, scheme, rule)[0].to_pylist() if lines else []
        for at, identity in zip(lines, made, strict=True):
            if identity is None:
                raise BadInputError(f"{place}: line {at + 1} is no number, short code, sender name, imsi:… or sub:…")
            found[at] = identity
    return found


def _scheme(text: str) -> str:
    return next((scheme for scheme in ("imsi", "sub") if text.startswith(f"{scheme}:")), "number")
