"""The card: what is printed can be typed again, and a slip of the hand is named by its line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unheld.access import card, cardpage
from unheld.access.card import Card
from unheld_verify import crypto
from unheld_verify.errors import BadInputError

CARD = Card(bytes(range(32)))
secrets = st.binary(min_size=32, max_size=32).map(Card)


@given(secrets)
def test_what_is_printed_can_be_typed_or_scanned(made: Card) -> None:
    """Groups and QR text give the same card back, in whatever case and with whatever between them."""
    typed = "\n".join(made.lines()).upper().replace("-", " ")

    assert card.read(typed) == card.read(made.text()) == card.read("\n".join(made.lines())) == made


@given(secrets, st.integers(0, 79), st.sampled_from("0123456789abcdef"))
def test_a_mistyped_digit_is_found_in_its_line(made: Card, place: int, digit: str) -> None:
    """One wrong digit is refused, and the error says which line to compare."""
    digits = "".join(made.lines()).replace("-", "")
    if digits[place] == digit:
        return

    with pytest.raises(BadInputError, match=f"line {place // 20 + 1} is mistyped"):
        card.read(digits[:place] + digit + digits[place + 1 :])


@pytest.mark.parametrize("text", ["", "0000", "g" * 80, CARD.text()[:-1], CARD.text() + "0", CARD.public.hex()])
def test_what_is_no_card_is_refused(text: str) -> None:
    """Cut off, too long, other letters, or the public key in its place."""
    with pytest.raises(BadInputError, match="4 lines of 5 groups"):
        card.read(text)


def test_lines_may_not_change_places() -> None:
    """The check of a line knows which line it is."""
    lines = CARD.lines()

    with pytest.raises(BadInputError, match="line 1 is mistyped"):
        card.read("\n".join([lines[1], lines[0], *lines[2:]]))


def test_an_error_never_repeats_the_secret() -> None:
    """Errors end up on screens and in reports."""
    wrong = CARD.lines()[0].replace("0", "1")

    with pytest.raises(BadInputError) as caught:
        card.read("\n".join([wrong, *CARD.lines()[1:]]))

    assert not re.search("[0-9a-f]{4}-", str(caught.value))


def test_the_signing_key_is_not_the_secret() -> None:
    """The seed is derived, and only its public half is for the registry."""
    assert CARD.seed != CARD.secret
    assert CARD.public == crypto.sign_public(CARD.seed)
    assert CARD.secret.hex() not in repr(CARD)


def test_two_new_cards_differ() -> None:
    """A card is random."""
    assert card.new() != card.new()


def test_the_page_holds_card_and_words_and_loads_nothing() -> None:
    """QR code, groups, public key, what to do when it is lost; no script, nothing from elsewhere."""
    page = cardpage.page(CARD)

    assert all(line in page for line in CARD.lines())
    assert all(words in page for words in ("<svg", CARD.public.hex(), "Whoever holds this card", "If you lose it"))
    assert not re.search(r"<script|src=|href=", page)
