"""Where the files of a log are read from: a folder, or an http(s) URL. Sizes and times are bounded."""

from __future__ import annotations

import http.client
import stat
import time
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unheld_verify.errors import BadInputError, CannotVerifyError

TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS


class Source(Protocol):
    """Files by relative path."""

    def read(self, path: str, limit: int) -> bytes:
        """The file's bytes. Raises CannotVerifyError if it cannot be had, BadInputError if it is over `limit` bytes."""

    def names(self, folder: str) -> list[str] | None:
        """The names in a folder, sorted (none if there is no such folder); None where a folder cannot be listed."""


@dataclass(frozen=True)
class FolderSource:
    """A folder on this machine."""

    folder: Path

    def read(self, path: str, limit: int) -> bytes:
        """See `Source`."""
        try:
            if not stat.S_ISREG((self.folder / path).stat().st_mode):  # a pipe would be waited for without end
                raise CannotVerifyError(f"{self.folder / path} is no plain file")
            with (self.folder / path).open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise CannotVerifyError(f"{self.folder / path} cannot be read: {error.strerror}") from None
        return _within(data, limit, str(self.folder / path))

    def names(self, folder: str) -> list[str] | None:
        """See `Source`. Names that start with a dot (a write that a crash cut off) are passed over."""
        try:
            names = [entry.name for entry in (self.folder / folder).iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise CannotVerifyError(f"{self.folder / folder} cannot be listed: {error.strerror}") from None
        return sorted(name for name in names if not name.startswith("."))


@dataclass(frozen=True)
class HttpSource:
    """A prefix on a web server. One file takes at most `seconds`."""

    prefix: str
    seconds: float = TIMEOUT_SECONDS

    def read(self, path: str, limit: int) -> bytes:
        """See `Source`."""
        url = f"{self.prefix.rstrip('/')}/{path}"
        deadline = time.monotonic() + self.seconds
        # The scheme was checked when the source was opened, and urllib follows redirects to http, https and ftp only.
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip, identity"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as response:  # noqa: S310
                data = _read_until(response, limit, deadline)
        except (OSError, EOFError, ValueError, http.client.HTTPException, zlib.error) as error:
            raise CannotVerifyError(f"{url} cannot be fetched: {error}") from None
        return _within(data, limit, url)

    def names(self, folder: str) -> list[str] | None:
        """See `Source`: a web server lists nothing."""
        return None


def open_source(place: str) -> Source:
    """The source at a path or URL. Raises BadInputError for any other scheme."""
    if place.startswith(("http://", "https://")):
        return HttpSource(place)
    if "://" in place:
        raise BadInputError(f"{place}: a log is read from a folder or from an http:// or https:// address")
    return FolderSource(Path(place))


def _read_until(response: http.client.HTTPResponse, limit: int, deadline: float) -> bytes:
    """The body, unpacked, or more than `limit` bytes of it. What came is taken at once: who trickles is given up."""
    unzip = zlib.decompressobj(_GZIP) if response.headers.get("Content-Encoding") == "gzip" else None
    pieces, size = [], 0
    while size <= limit and (raw := response.read1(_CHUNK)):
        pieces.append(unzip.decompress(raw, limit + 1 - size) if unzip else raw)
        size += len(pieces[-1])
        if time.monotonic() > deadline:
            raise TimeoutError("it took too long")
    if size <= limit and (response.length or (unzip is not None and not unzip.eof)):
        raise EOFError("it was cut off")
    return b"".join(pieces)


def _within(data: bytes, limit: int, place: str) -> bytes:
    if len(data) > limit:
        raise BadInputError(f"{place} is larger than {limit} bytes")
    return data
