"""The socket of a service that answers others, or the person at its own machine."""

from __future__ import annotations

import ipaddress
import socket

from unheld_verify.errors import StateError, UsageError


def listening(place: str, *, here: bool = False) -> socket.socket:
    """A socket that listens at `ADDRESS:PORT`; `here`: only an address of this machine will do.

    Raises UsageError, or StateError where the port is taken.
    """
    host, _, port = place.rpartition(":")
    try:
        address, number = ipaddress.ip_address(host.strip("[]")), range(1 << 16).index(int(port))
    except ValueError:
        raise UsageError(f"{place}: write ADDRESS:PORT, for example 127.0.0.1:8441 or [::]:8440") from None
    if here and not address.is_loopback:
        raise UsageError(f"{place}: the pages are for the person at this machine alone: give 127.0.0.1 and a port")
    try:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        return socket.create_server((str(address), number), family=family)
    except OSError as error:
        raise StateError(f"{place}: cannot listen there: {error}; is it running already?") from None
