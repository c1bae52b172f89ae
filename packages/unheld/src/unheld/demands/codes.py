"""The codes of a refusal, and the text that stands for each in a letter (packs/codes.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Code:
    """A refusal code. `origin` says where the code comes from; `text` stands in a letter under `title`.

    A `quiet` code accuses whoever made the demand: it stands in no letter to them, and the log tells it a year later.
    """

    id: str
    title: str
    origin: str
    text: str
    quiet: bool = False


def quiet(ids: Iterable[str]) -> set[str]:
    """Those of these codes that are not told to whoever made the demand."""
    return {id_ for id_ in ids if id_ in known() and known()[id_].quiet}


@cache
def known() -> Mapping[str, Code]:
    """Every code by its id, in the order in which a lawyer reads them."""
    data = resources.files(__package__).joinpath("packs/codes.toml").read_text("utf-8")
    return {item["id"]: Code(**item) for item in tomllib.loads(data)["code"]}
