"""A line to custodians over HTTP(S): one POST for each message, bytes to bytes.

The line is trusted with nothing: what goes over it is sealed and signed. https is for those who run the custodian's
web server, http is as safe here.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from threading import Timer
from urllib.parse import urlsplit

from unheld_verify.errors import AwayError, BadInputError

SECONDS = 15.0
BYTES_MOST = 64 << 20
_TYPE = "application/octet-stream"


class HttpTransport:
    """Custodians at these URLs (with their path, as http://HOST:PORT/v1), in the order of their index."""

    def __init__(self, urls: Sequence[str], seconds: float = SECONDS) -> None:
        for url in urls:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
                raise BadInputError(f"{url!r} is no address of a custodian; write https://HOST/v1")
        self._urls = tuple(urls)
        self._seconds = seconds

    def call(self, index: int, data: bytes) -> bytes:
        """Send bytes and give what came back. Follows no redirect. Raises AwayError with the reason."""
        where = urlsplit(self._urls[index])
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        line = kind(where.hostname or "", where.port, timeout=self._seconds)
        end = Timer(self._seconds, _cut, [line])  # a timeout of the line is of each byte: who trickles has no end
        begun = time.monotonic()
        try:
            line.connect()
            end.start()
            line.request("POST", where.path or "/v1", data, {"Content-Type": _TYPE})
            response = line.getresponse()
            came = response.read(BYTES_MOST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(f"does not answer at {where.netloc} ({_plain(error, self._seconds)})") from None
        finally:
            end.cancel()
            line.close()
        if time.monotonic() - begun >= self._seconds:
            raise AwayError(f"does not answer at {where.netloc} (no whole answer within {self._seconds:g} seconds)")
        if response.status != http.client.OK:
            raise AwayError(f"at {where.netloc} is no custodian, but what answers with HTTP status {response.status}")
        if len(came) > BYTES_MOST:
            raise AwayError(f"at {where.netloc} is no custodian, but what sends more than {BYTES_MOST:,} bytes")
        return came


def _plain(error: Exception, seconds: float) -> str:
    """What went wrong on a line, without the words of a programmer."""
    if isinstance(error, TimeoutError):
        return f"nothing within {seconds:g} seconds"
    if type(error).__module__ == "ssl":  # its module would bring ciphers of its own here
        return "its certificate is not one that this machine accepts, or it speaks no TLS"
    if isinstance(error, socket.gaierror):
        return "no such host: check the name and this machine's network"
    if isinstance(error, http.client.HTTPException):
        return "the line was cut, or what is there speaks no HTTP"
    return (getattr(error, "strerror", None) or "the line was cut").lower()


def _cut(line: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # it ended a moment ago
        line.sock.shutdown(socket.SHUT_RDWR)
