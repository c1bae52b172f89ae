"""The key disclosure graph as data (`docs/spec/disclosure.md`): what opens what. The attacker knows no other edges.

`disclosure.toml` beside this file is the page's own file, byte for byte; a test compares them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Edge:
    """Whoever holds all of `needs` gets `yields`: by opening a sealed kind, or by computing."""

    name: str
    needs: tuple[str, ...]
    yields: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Secrets with where they may be kept, and every edge between them."""

    kept: dict[str, tuple[str, ...]]
    edges: tuple[Edge, ...]

    def kept_in(self, place: str) -> list[str]:
        """Names of the secrets that may lie in `place`, for example `slot`."""
        return [name for name, places in self.kept.items() if place in places]

    def has(self, *names: str) -> bool:
        """Whether all these edges are in the graph."""
        return {edge.name for edge in self.edges}.issuperset(names)


@cache
def load() -> Graph:
    """The graph of byte formats version 1."""
    return parse(resources.files(__package__).joinpath("disclosure.toml").read_text("utf-8"))


def parse(text: str) -> Graph:
    """A graph from its TOML."""
    data = tomllib.loads(text)
    sealed = [Edge(entry["name"], tuple(entry["opened_by"]), tuple(entry["yields"])) for entry in data["sealed"]]
    rules = [Edge(entry["name"], tuple(entry["needs"]), tuple(entry["yields"])) for entry in data["rule"]]
    return Graph({entry["name"]: tuple(entry["kept"]) for entry in data["secret"]}, (*sealed, *rules))
