"""One evil custodian of three at a real branch: it shuts no day, spoils no parking, and holds nobody up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bending import attested_anew, bending, without, wrong
from tests.support.calls import ALICE, FIRST, Call, calls
from tests.support.refusing import refusing
from tests.support.stores import TestStore, made_store
from unheld_branch.custody.http import HttpTransport
from unheld_branch.keys.columns import complete
from unheld_branch.workflows import day as days
from unheld_custodian.custodian import Custodian
from unheld_verify import columns, crypto, custody, note, signed
from unheld_verify.errors import AwayError, PartialError, StateError
from unheld_verify.signed import Document

CLASSES = tuple(columns.CLASSES)


@pytest.fixture
def made(tmp_path: Path) -> TestStore:
    return made_store(tmp_path, n=3, t=2)


@pytest.mark.parametrize("classes", [CLASSES, ("contact",)])
def test_a_push_that_leaves_columns_out_shuts_none(made: TestStore, classes: tuple[str, ...]) -> None:
    """What nothing closed and two others give is open: who left it out is named, and its push does not count."""
    with bending("open", without(*classes), 1):
        opened = made.open_day(FIRST)
    policy = made.deployment.policy()
    wanted = columns.window(columns.day_of(FIRST), policy.late_days, policy.lifetimes)
    assert opened.columns == len(wanted)
    assert opened.lacking == ("custodian-1",)
    assert "custodian-1" in " ".join(days.doubts(opened))


def test_a_liar_that_leaves_columns_out_too_is_still_found(made: TestStore) -> None:
    """Where one is away and the other leaves everything out, no day opens that nothing can be sealed on: park."""
    with bending("open", without(*CLASSES), 1), refusing("open", 2), pytest.raises(StateError, match="custodian-1"):
        made.open_day(FIRST)
    assert made.open_day(FIRST).lacking == ()


def test_an_erased_column_stays_shut_whoever_gives_it(made: TestStore) -> None:
    """What the journal says was erased is opened by no push, and who does not give it is named by nobody."""
    made.open_day(FIRST)
    made.close()
    made.forget_day(FIRST)
    made.set_clock(FIRST, 86_400)
    opened = made.open_day(columns.date_of(columns.day_of(FIRST) + 1))
    assert opened.lacking == ()


@pytest.mark.parametrize("fields", [{"generation": None}, {"generation": "9"}, {"columns": [["x", 1]]}])
def test_an_attestation_of_another_form_stops_nobody(made: TestStore, fields: dict[str, object]) -> None:
    """A custodian that signs what no reader expects counts as one that did not testify; the day goes on."""

    def lie(custodian: Custodian, said: Document) -> Document:
        return custody.attestation_body(attested_anew(custodian, custody.attestation_of(said), **fields))

    made.open_day(FIRST)
    with bending("close", lie, 1), pytest.raises(PartialError, match="custodian-1"):
        made.close()
    assert made.close().day == columns.day_of(FIRST)


def test_an_answer_of_another_form_stops_nobody(made: TestStore) -> None:
    """An answer that cannot be read is a custodian's that does not answer, also where all are asked in one thread."""
    with bending("open", lambda _, said: {**said, "testimony": {"statement": 1, "signature": 2}}, 1):
        assert made.open_day(FIRST).custodians == 2


def test_one_that_refuses_parking_keys_keeps_the_others_from_no_one(made: TestStore) -> None:
    """Those of the others are kept, and with t of them records are parked and opened again."""
    with refusing("park", 1), pytest.raises(PartialError, match="custodian-1"):
        made.open_day(FIRST)
    made.close()
    batch = made.park(calls(Call(ALICE, FIRST, 5))).batches[0]
    made.set_clock(FIRST, 86_400)
    made.open_day(columns.date_of(columns.day_of(FIRST) + 1))
    assert made.unpark(batch).records == 1


def test_parking_keys_that_nothing_can_be_sealed_to_are_not_taken(made: TestStore) -> None:
    """They would stop every parking later, when nobody can be asked any more."""

    def lie(custodian: Custodian, said: Document) -> Document:
        parking = signed.from_json(said["parking"], "parking").document
        useless = [[*one[:2], note.base64_text(b"\xff" * crypto.PARK_PUBLIC_BYTES)] for one in parking["keys"]]
        return {"parking": signed.sign({**parking, "keys": useless}, custodian.state.sign).as_json()}

    with bending("park", lie, 1), pytest.raises(PartialError, match="custodian-1"):
        made.open_day(FIRST)
    assert made.park(calls(Call(ALICE, FIRST, 5))).records == 1


def test_wrong_shares_of_one_shut_no_parked_batch(made: TestStore) -> None:
    """Two of three true ones open it: which they are shows, since only the right key opens a segment."""
    made.open_day(FIRST)
    batch = made.park(calls(Call(ALICE, FIRST, 5))).batches[0]

    def lie(_: Custodian, said: Document) -> Document:
        return {"shares": dict.fromkeys(said["shares"], "00" * 32)}

    with bending("unpark", lie, 0):
        assert made.unpark(batch).records == 1


def test_two_of_three_true_ones_open_the_day(made: TestStore) -> None:
    """The liar is named by both others, whatever columns it lies about."""
    with bending("open", wrong(("contact", columns.day_of(FIRST))), 0):
        assert made.open_day(FIRST).left_out == ("custodian-0",)


def test_who_lacks_columns_stays_where_too_few_have_them() -> None:
    """Without t whole pushes all of them are taken: what n-t+1 erased is shut, and nobody is blamed for it."""
    assert complete([], [("contact", 1)], 1) == ([], [])


@pytest.fixture
def trickle() -> Iterator[str]:
    """A custodian that sends one byte of its answer's head at a time, for ever."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        line, _ = server.accept()
        with line:
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not over.wait(0.05):
                try:
                    line.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=drip)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
    over.set()
    thread.join()
    server.close()


def test_a_custodian_that_trickles_is_away(trickle: str) -> None:
    """Each byte comes in time, and the answer never: the whole call has an end."""
    begun = time.monotonic()
    with pytest.raises(AwayError):
        HttpTransport([trickle], seconds=0.4).call(0, b"abc")
    assert time.monotonic() - begun < 3
