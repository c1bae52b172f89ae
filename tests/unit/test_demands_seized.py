"""Somebody holds the register without the escrow key, or has written to its disk: what it tells, what is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.demands import DAY, PERSON, Registered, filed, register_of
from unheld.demands import boxes
from unheld_verify import canonical
from unheld_verify.errors import BadInputError

SHORT, LONG = b"an order", b"another order, on one line more" * 3


@pytest.fixture
def made(tmp_path: Path) -> Registered:
    """An empty deployment."""
    return register_of(tmp_path)


def _sizes(made: Registered, lines: list[str], note: str, document: bytes) -> tuple[int, int]:
    with made.desk() as desk:
        demand = desk.receive(filed(targets=len(lines)), lines, note, document)
        private = made.made.deployment.escrow_private()
        assert desk.register.named(demand, private).note == note
        assert desk.register.document(demand, private) == document
    folder = made.register / "demands" / demand.name
    return tuple((folder / name).stat().st_size for name in (boxes.NAMED, boxes.DOCUMENT))  # type: ignore[return-value]


def test_a_box_does_not_tell_by_its_size_which_name_or_letter_is_in_it(made: Registered) -> None:
    """A short code and a number, a note of one word and of ten, one letter and another: the same sizes."""
    short = _sizes(made, ["short:4141"], "Aye", SHORT)
    assert short == _sizes(made, [PERSON], "Daw Thida Khin Maung, a teacher of Hpa-an", LONG)


def test_a_large_document_is_padded_by_little(made: Registered) -> None:
    """Padding costs at most an eighth of a large document."""
    size = _sizes(made, [PERSON], "", bytes(1_000_001))[1]
    assert 1_000_001 < size < 1_130_000


@pytest.mark.parametrize("due", [0, DAY + 30])
def test_a_statement_that_is_due_on_another_day_is_found(made: Registered, due: int) -> None:
    """Whoever writes to the disk can neither tell a secret demand early nor hold one back."""
    secret = {} if due else {"secret_until": DAY + 9}
    with made.desk() as desk:
        desk.receive(filed(**secret), [PERSON])
    path = made.made.deployment.ledger / "00000001.json"
    path.write_bytes(canonical.encode(canonical.decode(path.read_bytes()) | {"due": due}))
    with pytest.raises(BadInputError, match="due"), made.desk():
        pass


@pytest.mark.parametrize(("name", "value"), [("at", "noon"), ("at", -1), ("by", 7), ("act", ["x"])])
def test_an_act_with_a_foreign_value_is_refused_by_its_file(made: Registered, name: str, value: object) -> None:
    """What no act has is said to be in that file, and is no mistake of the program."""
    with made.desk() as desk:
        demand = desk.receive(filed(), [PERSON])
    path = made.register / "demands" / demand.name / "0001.json"
    path.write_bytes(canonical.encode(canonical.decode(path.read_bytes()) | {name: value}))
    with pytest.raises(BadInputError, match=r"0001\.json"), made.desk() as desk:
        pass
