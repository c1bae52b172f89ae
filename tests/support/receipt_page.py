"""The receipt page beside `unheld_verify`: one file given to both, and what each says of it."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from unheld_verify import note, paper, receipt, words
from unheld_verify.errors import BadInputError, CannotVerifyError, VerificationError

VECTORS = Path(__file__).parents[2] / "vectors"
LOG: dict[str, Any] = json.loads((VECTORS / "log.json").read_text(encoding="utf-8"))
PAPERS: dict[str, Any] = json.loads((VECTORS / "paper.json").read_text(encoding="utf-8"))
OF_EXIT_CODE = {1: "unreadable", 20: "false", 21: "unknown"}
NO_WEBCRYPTO = "Object.defineProperty(crypto, 'subtle', { value: undefined });"
NO_ED25519 = """{
  const own = crypto.subtle.importKey.bind(crypto.subtle);
  crypto.subtle.importKey = (format, data, algorithm, ...rest) => algorithm.name === "Ed25519"
    ? Promise.reject(new DOMException("no such algorithm", "NotSupportedError"))
    : own(format, data, algorithm, ...rest);
}"""
_GIVE = """async (encoded) => {
  const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], "file"));
  const result = document.getElementById("result");
  delete result.dataset.outcome;
  const shown = new Promise((resolve) => {
    const watch = () => { if (result.dataset.outcome) { watcher.disconnect(); resolve(); } };
    const watcher = new MutationObserver(watch);
    watcher.observe(result, { attributes: true });
  });
  const input = document.getElementById("file");
  input.files = carried.files;
  input.dispatchEvent(new Event("change"));
  await shown;
  const says = result.querySelector(".exact");
  const limits = [...result.querySelectorAll("#unproven li")].map((item) => item.textContent);
  return [result.dataset.outcome, Number(result.dataset.step), says ? says.textContent : "", limits];
}"""


@dataclass(frozen=True)
class Found:
    """The outcome, the step that failed (0: none), the statement in words, and what is not proven."""

    outcome: str
    step: int
    says: str = ""
    not_proven: tuple[str, ...] = ()


def of_page(page: Page, data: bytes) -> Found:
    """What the page shows for a file."""
    outcome, step, says, limits = page.evaluate(_GIVE, base64.b64encode(data).decode())
    return Found(outcome, step, says, tuple(limits))


def of_python(data: bytes, vkey: str) -> Found:
    """What `unheld-verify` says of the same file."""
    verify: Any = paper.verify if paper.is_paper(data) else receipt.verify
    try:
        checked = verify(data, note.parse_key(vkey))
    except BadInputError as error:
        return Found("unreadable", _step(error))
    except CannotVerifyError as error:
        return Found("unknown", _step(error))
    except VerificationError as error:
        return Found("false", _step(error))
    return Found("verified", 0, words.one_line(checked.says), checked.not_proven)


def _step(error: Exception) -> int:
    found = re.match(r"step (\d)", str(error))
    assert found is not None
    return int(found[1])
