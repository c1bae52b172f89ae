"""What `unheld upgrade` may answer with (see `surface`)."""

from __future__ import annotations

from collections.abc import Mapping

UPGRADE: Mapping[str, Mapping[str, str]] = {
    "upgrade plan": {
        "release": "a version of unheld",
        "parts[].part": "register or store",
        "parts[].from": "a format's number",
        "parts[].to": "a format's number",
        "digest": "SHA-256 of the plan; empty where there is nothing to do",
        "plan": "the file the caller named",
    },
    "upgrade apply": {
        "parts[].part": "register or store",
        "parts[].to": "a format's number",
        "parts[].again": "whether it was so already",
    },
}
