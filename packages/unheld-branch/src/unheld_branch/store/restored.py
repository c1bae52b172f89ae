"""A store that was put back from a backup or a snapshot: what it opens, and which copy to use instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unheld_branch.store import copying
from unheld_branch.store.following import Copies
from unheld_branch.store.vault import Vault
from unheld_verify.errors import PromotedError, RolledBackError, UnheldError


@dataclass(frozen=True)
class _Found:
    """What copies say: generations by name, who is the store now, and why others say nothing."""

    generations: dict[str, int]
    promoted: str
    silent: list[str]


def advice(folder: Path, slots: Path, vault: Vault, copies: Copies) -> str:
    """Sentences for whoever put it back: what opens here, and the copy that has the most, with what promotes it.

    Empty where the store itself is whole and no copy has more: then it is a copy that was put back. Changes nothing.
    """
    own, found = _own(vault), _ask(copies)
    if own and not found.promoted and max(found.generations.values(), default=0) <= own:
        return ""
    instead = "; ".join([_instead(folder, slots, found), *found.silent])
    return f"\n  what opens here: {_opens(own)}\n  use instead: {instead}"


def _own(vault: Vault) -> int:
    """The generation that opens here, 0 for none."""
    try:
        vault.condition()
        return vault.load().generation
    except UnheldError:
        return 0


def _ask(copies: Copies) -> _Found:
    found = _Found({}, "", [])
    for one in copies:
        try:
            found.generations[one.name] = one.copy.standing().generation
        except PromotedError:
            return _Found({}, one.name, [])
        except RolledBackError:
            found.silent.append(f"copy {one.name} was put back, too")
        except (UnheldError, OSError) as error:
            found.silent.append(f"copy {one.name} did not say what it has ({error})")
    return found


def _opens(own: int) -> str:
    if not own:
        return "nothing of anybody: the root key of that generation was destroyed"
    return (
        f"who was known at generation {own}, so also whoever was forgotten since: destroy its slots once a copy is "
        "the store"
    )


def _instead(folder: Path, slots: Path, found: _Found) -> str:
    if found.promoted:
        return f"copy {found.promoted}, which is the store now"
    if not found.generations:
        return "a copy, where there is one: none answers here"
    newest = max(found.generations, key=lambda name: found.generations[name])
    place = "FOLDER` on its machine" if copying.is_far(newest) else f"{newest}`"
    return (
        f"copy {newest}, of generation {found.generations[newest]}: take {folder} and {slots} away, then "
        f"`unheld-branch copy promote {place}"
    )
