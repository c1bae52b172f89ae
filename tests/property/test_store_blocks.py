"""Rows and facts of a block: what is written reads back, anything else is refused."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import floor, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unheld_branch.keys.folios import FolioSecrets
from unheld_branch.records import schema
from unheld_branch.store import blocks, layout
from unheld_branch.store.blocks import Place
from unheld_branch.store.layout import SIGNED, UNSIGNED, Field, Layout, Numbers
from unheld_verify import canonical, crypto
from unheld_verify.columns import Column
from unheld_verify.errors import BadInputError, WrongKeyError

KINDS = {field.number: field.kind for field in schema.FIELDS}
# A text ends where its zeros begin, so a stored text has none at its end; texts of records have none at all.
TEXTS = st.binary(min_size=1, max_size=63).map(lambda text: text.replace(b"\0", b"x"))
VALUES: dict[str, Any] = {
    "u": st.integers(0, 2**64 - 2),
    "s": st.integers(-(2**63) + 1, 2**63 - 1),
    "b": TEXTS,
    "d": st.text("0123456789", min_size=1, max_size=19).map(str.encode),
}
Facts = dict[int, list[Any]]


@st.composite
def tables(draw: st.DrawFn) -> Facts:
    """Facts by field number, null where None: some fields, some rows; texts of digits and others, often repeated."""
    numbers = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6, unique=True))
    count = draw(st.integers(1, 12))
    columns = {}
    for number in sorted(numbers):
        kind = draw(st.sampled_from("bd")) if KINDS[number] == "b" else KINDS[number]
        some = draw(st.lists(st.none() | VALUES[kind], min_size=1, max_size=3))
        columns[number] = draw(st.lists(st.sampled_from(some), min_size=count, max_size=count))
    return columns


def _columns(facts: Facts) -> dict[int, Any]:
    def column(kind: str, values: list[Any]) -> Any:
        null = np.array([value is None for value in values])
        if kind == "b":
            return layout.texts(np.array([value or b"" for value in values], "S"))
        if kind == "s":
            return layout.code_signed(np.array([value or 0 for value in values], np.int64), null)
        return layout.code_unsigned(np.array([value or 0 for value in values], np.uint64), null)

    return {number: column(KINDS[number], values) for number, values in facts.items()}


def _facts(columns: Mapping[int, Any]) -> Facts:
    def value(number: int, item: Any) -> Any:
        if KINDS[number] == "b":
            return bytes(item) or None
        if not item:
            return None
        return layout.signed(int(item)) if KINDS[number] == "s" else int(item) - 1

    def items(column: Any) -> Any:
        return column.coded if isinstance(column, Numbers) else column.values[column.codes]

    return {number: [value(number, item) for item in items(column)] for number, column in sorted(columns.items())}


def _plaintext(facts: Facts) -> bytes:
    return blocks.rows_plaintexts(_columns(facts), np.array([0, len(next(iter(facts.values())))]))[0]


def _written_again(rows: blocks.Rows) -> bytes:
    body = b"\x01" + rows.layout.head + rows.count.to_bytes(4, "big") + rows.constants + rows.rows
    return body.ljust(blocks.padme(len(body)), b"\0")


@settings(max_examples=50)
@given(tables())
def test_rows_read_back(facts: Facts) -> None:
    """Every fact that was written is read again, null stays null, leading zeros stay, and nothing is cut off."""
    assert _facts(blocks.columns_of([blocks.read_rows(_plaintext(facts))])) == facts


@settings(max_examples=50)
@given(tables(), st.data())
def test_folios_of_one_table_are_cut_at_their_bounds(facts: Facts, data: st.DataObject) -> None:
    """Each folio's plaintext holds its own rows and nobody else's, whatever stands once in it."""
    count = len(next(iter(facts.values())))
    cuts = sorted(data.draw(st.sets(st.integers(1, count))) | {0, count})

    plaintexts = blocks.rows_plaintexts(_columns(facts), np.array(cuts))

    found = [_facts(blocks.columns_of([blocks.read_rows(text)])) for text in plaintexts]
    assert found == [{number: values[start:end] for number, values in facts.items()} for start, end in pairwise(cuts)]


@settings(max_examples=50)
@given(tables(), st.data())
def test_blocks_of_one_layout_join(facts: Facts, data: st.DataObject) -> None:
    """Blocks that share a layout are read together as the rows of the first, then of the second, and so on."""
    parsed = blocks.read_rows(_plaintext(facts))
    times = data.draw(st.integers(1, 3))

    joined = _facts(blocks.columns_of([parsed] * times))

    assert joined == {number: values * times for number, values in facts.items()}


@settings(max_examples=50)
@given(tables(), st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_is_another_block(facts: Facts, at: int, flip: int) -> None:
    """No two plaintexts are read as the same rows: what parses is written back to the same bytes."""
    plaintext = bytearray(_plaintext(facts))
    plaintext[at % len(plaintext)] ^= flip
    try:
        rows = blocks.read_rows(bytes(plaintext))
    except BadInputError:
        return

    assert _written_again(rows) == bytes(plaintext)


@given(st.integers(0, 2**64 - 1))
def test_a_number_of_a_digits_field_is_digits_or_refused(coded: int) -> None:
    """A digits field holds what "1" and 1 to 18 digits write, or null; no other number is read as some text."""
    rows = np.frombuffer(coded.to_bytes(8, "big"), np.uint8).reshape(1, 8)
    written = str(coded)
    if coded and (written[0] != "1" or not 2 <= len(written) <= 19):
        with pytest.raises(BadInputError, match="digits"):
            layout.decode(layout.DIGITS, rows)
    else:
        column = layout.decode(layout.DIGITS, rows)
        assert isinstance(column, layout.Texts)
        assert column.values[column.codes].tolist() == [b"" if not coded else written[1:].encode()]


@settings(max_examples=50)
@given(tables(), st.integers(0))
def test_a_cut_block_is_refused(facts: Facts, length: int) -> None:
    """A plaintext with its end missing, or with bytes added, is never read."""
    plaintext = _plaintext(facts)
    for wrong in (plaintext[: length % len(plaintext)], plaintext + b"\0"):
        with pytest.raises(BadInputError):
            blocks.read_rows(wrong)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Arbitrary bytes never bring a reader down, and are read only if a writer could have made them."""
    try:
        rows = blocks.read_rows(data)
    except BadInputError:
        return

    assert _written_again(rows) == data


REGISTRY = st.lists(
    st.dictionaries(st.text("abc_", min_size=1, max_size=6), st.text(max_size=20), max_size=4), max_size=4
)


@given(REGISTRY)
def test_facts_read_back(facts: list[dict[str, str]]) -> None:
    """The facts of a registry are read as they were written."""
    assert blocks.read_facts(blocks.facts_plaintext(facts)) == facts


@given(REGISTRY, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_of_facts_is_refused_or_is_another_block(
    facts: list[dict[str, str]], at: int, flip: int
) -> None:
    """Facts have one spelling: what parses is written back to the same bytes."""
    plaintext = bytearray(blocks.facts_plaintext(facts))
    plaintext[at % len(plaintext)] ^= flip
    try:
        read = blocks.read_facts(bytes(plaintext))
    except BadInputError:
        return

    assert blocks.facts_plaintext(read) == bytes(plaintext)


@pytest.mark.parametrize("value", [{"a": "b"}, ["a"], [{"a": 1}], [{"a": ["b"]}], "a", 1])
def test_facts_are_a_list_of_objects_of_strings(value: Any) -> None:
    """Any other JSON in a facts block is refused."""
    text = canonical.encode(value)
    body = b"\x02" + len(text).to_bytes(4, "big") + text

    with pytest.raises(BadInputError, match="list of objects"):
        blocks.read_facts(body.ljust(blocks.padme(len(body)), b"\0"))


@given(st.integers(1, 2**40))
def test_padding_is_padme(length: int) -> None:
    """The padded size is that of the definition, at least 64, and costs at most 12 %."""
    exponent = floor(log2(length))
    unit = 1 << max(0, exponent - (floor(log2(exponent)) + 1 if exponent else 1))
    by_definition = -(-length // unit) * unit

    assert blocks.padme(length) == max(64, by_definition)
    assert blocks.padme(length) <= max(64, length * 1.12)


FIELD = Field(1, UNSIGNED, 3)
OTHER = Field(2, UNSIGNED, 1)


@pytest.mark.parametrize(
    ("constant", "varying"),
    [
        ((OTHER, FIELD), ()),
        ((), (OTHER, FIELD)),
        ((FIELD,), (FIELD,)),
        ((), (FIELD, FIELD)),
        ((), (Field(1, UNSIGNED, 0),)),
        ((), (Field(1, UNSIGNED, 9),)),
        ((Field(7, SIGNED, 9),), ()),
        ((Field(21, layout.DIGITS, 9),), ()),
        ((), ()),
    ],
)
def test_a_list_of_fields_that_no_writer_makes_is_refused(
    constant: tuple[Field, ...], varying: tuple[Field, ...]
) -> None:
    """Fields ascend in each part, stand once, and have widths of the page."""
    with pytest.raises(BadInputError, match="block"):
        layout.decode_head(Layout(constant, varying).head)


@given(st.binary(max_size=40))
def test_any_head_is_read_or_refused(data: bytes) -> None:
    """A head that parses is written back to the same bytes."""
    try:
        shape = layout.decode_head(data)
    except BadInputError:
        return

    assert shape.head == data


def test_a_text_wider_than_a_field_is_refused() -> None:
    """63 bytes is the widest that six bits can say; more is never cut off in silence."""
    with pytest.raises(BadInputError, match="63 bytes"):
        layout.encode(layout.texts(np.array([b"x" * 64])))


@given(st.lists(tables(), min_size=1, max_size=3))
def test_layouts_of_other_widths_join_without_loss(given_tables: list[Facts]) -> None:
    """Rows of several batches become one table; a field that one of them lacks is null there."""
    joined = _facts(layout.concatenate([_columns(facts) for facts in given_tables]))

    for number, values in joined.items():
        expected: list[Any] = []
        for facts in given_tables:
            missing = [None] * len(next(iter(facts.values())))
            expected += facts.get(number, missing)
        assert values == expected


def test_a_block_without_rows_is_refused() -> None:
    """A folio without records has no block."""
    head = Layout((FIELD,), ()).head
    body = b"\x01" + head + bytes(4) + bytes(3)

    with pytest.raises(BadInputError, match="no row"):
        blocks.read_rows(body.ljust(64, b"\0"))


PLACE = Place(b"s" * 16, 7, Column("contact", 20_600, 20_635), b"b" * 16)
SECRETS = FolioSecrets(bytes(range(64)))
OTHERS = {
    "store": Place(b"t" * 16, 7, PLACE.column, PLACE.batch_id),
    "set": Place(PLACE.store_id, 8, PLACE.column, PLACE.batch_id),
    "class": Place(PLACE.store_id, 7, Column("charge", 20_600, 20_635), PLACE.batch_id),
    "event day": Place(PLACE.store_id, 7, Column("contact", 20_601, 20_635), PLACE.batch_id),
    "sealing day": Place(PLACE.store_id, 7, Column("contact", 20_600, 20_636), PLACE.batch_id),
    "batch": Place(PLACE.store_id, 7, PLACE.column, b"c" * 16),
}


def _sealed() -> tuple[bytes, bytes]:
    made = blocks.seal(PLACE, SECRETS, [b"plain" * 20])
    return made.ids[0].tobytes(), made.blocks[0]


def test_a_block_opens_at_its_place() -> None:
    """Key, place and id that sealed a block open it; its id is that of folio and batch."""
    block_id, sealed = _sealed()

    assert blocks.open_block(PLACE, SECRETS.block_key(0), block_id, sealed) == b"plain" * 20
    assert block_id == crypto.blake2b_128(SECRETS.okm[32:48], PLACE.batch_id)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_a_block_opens_nowhere_else(other: Place) -> None:
    """A block that was moved to another store, set, column or batch does not open, nor does one under another id."""
    block_id, sealed = _sealed()

    with pytest.raises(WrongKeyError):
        blocks.open_block(other, SECRETS.block_key(0), block_id, sealed)
    with pytest.raises(WrongKeyError):
        blocks.open_block(PLACE, SECRETS.block_key(0), b"x" * 16, sealed)


@given(st.integers(0), st.integers(1, 255))
def test_no_byte_of_a_block_can_be_flipped(at: int, flip: int) -> None:
    """A sealed block with any byte changed does not open."""
    block_id, sealed = _sealed()
    wrong = bytearray(sealed)
    wrong[at % len(wrong)] ^= flip

    with pytest.raises(WrongKeyError):
        blocks.open_block(PLACE, SECRETS.block_key(0), block_id, bytes(wrong))


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=40))
def test_blocks_stand_in_the_order_of_their_ids(ids: list[bytes]) -> None:
    """The order of a file is that of the ids as bytes, so it tells nothing of parties."""
    order = blocks.sort_order(blocks.ids_array(ids))

    assert [ids[place] for place in order.tolist()] == sorted(ids)


@given(st.lists(st.integers(1, 2**31), min_size=1, max_size=20))
def test_sizes_of_many_blocks_are_the_sizes_of_each(lengths: list[int]) -> None:
    """Padding many lengths at once gives the Padmé size of each."""
    assert blocks.padded(np.array(lengths)).tolist() == [blocks.padme(length) for length in lengths]
