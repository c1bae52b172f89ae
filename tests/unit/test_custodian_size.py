"""A custodian's program stays small enough that an organisation can have it read by somebody of its own in a day."""

from __future__ import annotations

import ast
import tokenize
from pathlib import Path

MOST = 1_500
PACKAGE = Path(__file__).parents[2] / "packages" / "unheld-custodian" / "src"
_NOT_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)


def lines_of_code(path: Path) -> int:
    """Lines as they stand in the file, without blank ones, comments and docstrings; a wrapped statement has several."""
    with path.open("rb") as source:
        tokens = [one for one in tokenize.tokenize(source.readline) if one.type not in _NOT_CODE and one.string]
    lines = {line for one in tokens for line in range(one.start[0], one.end[0] + 1)}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return len(lines)


def test_a_custodian_is_at_most_1500_lines_of_code() -> None:
    """All modules together; the failure says by how many it is over, and where."""
    counts = {path.name: lines_of_code(path) for path in sorted(PACKAGE.rglob("*.py"))}
    assert len(counts) > 5
    assert sum(counts.values()) <= MOST, f"unheld-custodian has {sum(counts.values())} lines of code: {counts}"


def test_lines_are_counted_as_said(tmp_path: Path) -> None:
    """The measure itself: eight lines of text, four of code."""
    path = tmp_path / "a.py"
    path.write_text('"""Doc."""\n\n# why\nx = [\n    1,  # one\n]\ny = 2\n"""Of y."""\n')
    assert lines_of_code(path) == 4
