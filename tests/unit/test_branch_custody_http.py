"""The line over HTTP: one POST a message, and whatever goes wrong is somebody being away."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from unheld_branch.custody import http
from unheld_branch.custody.http import HttpTransport
from unheld_verify.errors import AwayError, BadInputError


class _Custodian(BaseHTTPRequestHandler):
    """Answers with the bytes turned around; `/status/N` with that status, `/slow` never."""

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/slow":
            self.server.never.wait()  # type: ignore[attr-defined]
            return
        status = int(self.path.rpartition("/")[2]) if self.path.startswith("/status/") else 200
        self.send_response(status)
        self.send_header("Location", "/v1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[::-1])

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server on this machine."""
    server = HTTPServer(("127.0.0.1", 0), _Custodian)
    server.never = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.never.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_bytes_go_to_the_custodian_of_that_index_and_come_back(url: str) -> None:
    """Each index has its address, and nothing is added to what is said."""
    line = HttpTransport(["http://127.0.0.1:9/v1", f"{url}/v1"])

    assert line.call(1, b"\x00abc") == b"cba\x00"


@pytest.mark.parametrize("status", [302, 307, 404, 500])
def test_another_status_is_no_answer_and_no_redirect_is_followed(url: str, status: int) -> None:
    """A letter goes to the one address that was written down."""
    with pytest.raises(AwayError, match=str(status)):
        HttpTransport([f"{url}/status/{status}"]).call(0, b"abc")


def test_who_is_not_there_is_away() -> None:
    """The place and the reason are told in words that are no programmer's."""
    with pytest.raises(AwayError) as told:
        HttpTransport(["http://127.0.0.1:9/v1"]).call(0, b"abc")
    assert str(told.value) == "does not answer at 127.0.0.1:9 (connection refused)"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "nothing within 1.5 seconds"),
        (socket.gaierror(-2, "Name or service not known"), "no such host"),
        (ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] (_ssl.c:1000)"), "its certificate is not"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (HTTPException(b"\xff"), "speaks no HTTP"),
        (OSError(), "the line was cut"),
    ],
    ids=["slow", "no host", "certificate", "reset", "no HTTP", "unknown"],
)
def test_a_fault_of_a_line_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    """No name of a class, no number of an error, no name of a source file."""

    def fail(_: HTTPConnection) -> None:
        raise error

    monkeypatch.setattr(HTTPConnection, "connect", fail)
    with pytest.raises(AwayError, match=words) as told:
        HttpTransport(["http://custodian.example/v1"], seconds=1.5).call(0, b"abc")
    assert not re.search(r"Errno|Error|_ssl|\[", str(told.value))


def test_who_never_answers_is_away(url: str) -> None:
    """After the time given, nobody waits on."""
    with pytest.raises(AwayError, match=r"within|was cut"):
        HttpTransport([f"{url}/slow"], seconds=0.2).call(0, b"abc")


def test_who_sends_without_end_is_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than the bound is read into memory."""
    monkeypatch.setattr(http, "BYTES_MOST", 10)

    with pytest.raises(AwayError, match="more than"):
        HttpTransport([f"{url}/v1"]).call(0, bytes(20))


@pytest.mark.parametrize("url", ["", "ftp://x/v1", "file:///etc/passwd", "http://", "https://me:pw@x/v1", "custodian"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(BadInputError, match="no address"):
        HttpTransport([url])
