"""The receipt page: one HTML file without a server that checks a receipt on the device of whoever holds it.

Its words and its table of statements come from `unheld_verify` when it is built, so both verifiers say the same.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unheld.page import tables
from unheld_verify import crypto, note
from unheld_verify.errors import InternalError

# In this order: a file uses only what stands before it, `main` begins.
SCRIPTS = (
    "bytes",
    "engine",
    "canonical",
    "note",
    "proof",
    "statement",
    "receipt",
    "paper",
    "words",
    "view",
    "main",
)
_LICENCES = ("noble-ed25519", "noble-hashes", "padauk")
_HERE = files("unheld.page")
_ENVIRONMENT = Environment(loader=PackageLoader("unheld.page", "."), autoescape=True, undefined=StrictUndefined)


def build(log_key: str = "") -> str:
    """The page as one HTML text, with the log's key put in, or without: then the reader types it.

    Raises BadInputError if `log_key` is no verifier key (NAME+ID+BASE64).
    """
    style, script = _style(), _script()
    return _ENVIRONMENT.get_template("page.html.j2").render(
        policy=_policy(style, script),
        style=_inline(style, "style"),
        script=_inline(script, "script"),
        words=tables.english(),
        burmese=tables.OWN_NAME,
        log=note.parse_key(log_key).name if log_key else "",
        log_key=log_key,
        licences=[_text(f"vendor/LICENSE-{name}") for name in _LICENCES],
    )


def _policy(style: str, script: str) -> str:
    """Nothing is loaded or sent, and only this style and this script run: what is slipped into a file does not."""
    rules: Iterable[str] = (
        "default-src 'none'",
        f"script-src {_digest(script)}",
        f"style-src {_digest(style)}",
        "font-src data:",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    )
    return "; ".join(rules)


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(crypto.sha256(text.encode())).decode()}'"


def _style() -> str:
    font = base64.b64encode((_HERE / "vendor" / "padauk.woff2").read_bytes()).decode()
    return _text("page.css").replace("@font@", font)


def _script() -> str:
    """All of it in one closure: the page leaves no name in the window, and takes none from it."""
    parts = [_text("vendor/noble.js"), f"const TABLES = {tables.json_text()};\n"]
    parts += [_text(f"js/{name}.js") for name in SCRIPTS]
    return "(() => {\n" + "".join(parts) + "})();\n"


def _inline(text: str, tag: str) -> Markup:
    if f"</{tag}" in text.lower() or "<!--" in text:
        raise InternalError(f"the page's {tag} would end within itself")
    return Markup(text)  # noqa: S704 - our own files, and the tables have no '<'


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
