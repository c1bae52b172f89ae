"""A custodian's program stays small enough that an organisation can have it read by somebody of its own in a day."""

from __future__ import annotations

import ast
import tokenize
from pathlib import Path

MOST = 1_500
PACKAGE = Path(__file__).parents[2] / "packages" / "unheld-custodian" / "src"


def lines_of_code(path: Path) -> int:
    """Logical lines: blank lines, comments and docstrings do not count, and a statement that is wrapped counts once.

    So wrapping for the reader costs nothing, and packing lines gains nothing.
    """
    with path.open("rb") as source:
        lines = sum(token.type == tokenize.NEWLINE for token in tokenize.tokenize(source.readline))
    return lines - sum(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for node in ast.walk(ast.parse(path.read_bytes()))
    )


def test_a_custodian_is_at_most_1500_lines_of_code() -> None:
    """All modules together; the failure says by how many it is over, and where."""
    counts = {path.name: lines_of_code(path) for path in sorted(PACKAGE.rglob("*.py"))}
    assert len(counts) > 5
    assert sum(counts.values()) <= MOST, f"unheld-custodian has {sum(counts.values())} lines of code: {counts}"


def test_lines_are_counted_as_said(tmp_path: Path) -> None:
    """The measure itself: six lines of text, two of code."""
    path = tmp_path / "a.py"
    path.write_text('"""Doc."""\n\n# why\nx = [\n    1,\n]\ny = 2\n')
    assert lines_of_code(path) == 2
