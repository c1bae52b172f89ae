"""What the page's script is told: the kinds of statements, the shapes of their fields, and all words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from unheld_verify import columns, paper, statement, words
from unheld_verify.errors import InternalError

LANGUAGE = "my"
OWN_NAME = "မြန်မာ"
_HERE = files("unheld.page")

Shape = dict[str, Any]
_Maker = Callable[..., Shape]


def _one_of(names: str) -> Shape:
    return {"check": "one_of", "names": names.split(", ")}


def _ascending(each: Shape, least: int) -> Shape:
    return {"check": "ascending", "each": each, "least": least}


_TEXT: Shape = {"check": "text"}
_DATE: Shape = {"check": "date"}
_COLUMN: Shape = {"check": "pair", "each": [_one_of(", ".join(columns.CLASSES)), _DATE]}
# The words of `statement.shapes` as the script's checks; the first that matches. Unknown words fail the build.
_SHAPES: tuple[tuple[str, _Maker], ...] = (
    (r"(\d+) hex digits", lambda digits: {"check": "hex", "digits": int(digits)}),
    (r"a number(?:, at least (\d+))?", lambda least: {"check": "number", "least": int(least or 0)}),
    (r"a power of two(?:, at least (\d+))?", lambda least: {"check": "power", "least": int(least or 1)}),
    (r"a date YYYY-MM-DD", lambda: _DATE),
    (r"words", lambda: _TEXT),
    (r"a public key NAME\+ID\+BASE64", lambda: {"check": "key"}),
    (r"the name of a registered key", lambda: {"check": "name"}),
    (r"text or an object", lambda: {"check": "text_or_object"}),
    (r"one of (.+)", _one_of),
    (r"an ascending list of numbers", lambda: _ascending({"check": "number", "least": 0}, 0)),
    (r"an ascending list of \[class, date\]", lambda: _ascending(_COLUMN, 0)),
    (r"an ascending list of codes, at least one", lambda: _ascending(_TEXT, 1)),
    (r"an ascending list of (.+)", lambda names: _ascending(_one_of(names), 1)),
)


def json_text() -> str:
    """The tables as JSON that may stand in a script: no `<` is in it."""
    text = json.dumps(_tables(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def english() -> dict[str, str]:
    """Every text of the page by its key: its own, and those of `unheld_verify.words`."""
    own: dict[str, str] = _read("en.json")
    general = {_general(number): text for number, text in enumerate(words.NOT_PROVEN)}
    says = {f"says.{kind}": _template(kind) for kind in statement.KINDS}
    unproven = {f"unproven.{kind}": words.not_proven(kind)[0] for kind in statement.KINDS}
    return own | general | says | unproven


def burmese() -> dict[str, str]:
    """The Burmese of the texts that have one. A text whose English has changed since is left out."""
    now = english()
    entries: dict[str, dict[str, Any]] = _read(f"{LANGUAGE}.json")
    return {key: entry[LANGUAGE] for key, entry in entries.items() if now.get(key) == entry["en"]}


def shape(said: str) -> Shape:
    """The script's check for words of `statement.shapes`. Raises InternalError for words that it does not know."""
    for pattern, make in _SHAPES:
        if found := re.fullmatch(pattern, said):
            return make(*found.groups())
    raise InternalError(f"the receipt page has no check for a field that is {said!r}")


def _tables() -> dict[str, Any]:
    return {
        "kinds": statement.KINDS,
        "shapes": {name: shape(said) for name, said in statement.shapes().items()},
        "leaves": statement.LEAVES,
        "max_text": statement.MAX_TEXT,
        "papers": statement.PAPERS,
        "certificate_title": paper.CERTIFICATE_TITLE,
        "unproven": [_general(number) for number in range(len(words.NOT_PROVEN))],
        "words": {"en": english(), LANGUAGE: burmese()},
    }


def _general(number: int) -> str:
    return f"unproven.{number}"


def _template(kind: str) -> str:
    """The sentence of a kind with the names of its fields in braces, where the script puts their values."""
    return words.says({name: f"{{{name}}}" for name in statement.KINDS[kind]} | {"kind": kind})


def _read(name: str) -> Any:
    return json.loads((_HERE / name).read_text(encoding="utf-8"))
