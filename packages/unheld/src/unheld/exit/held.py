"""Is anything still held? What a certificate needs to know of a store, or of the log where the store is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unheld.assembly import Deployment
from unheld.exit import issuing
from unheld_branch.store.store import Store
from unheld_verify import canonical, columns
from unheld_verify.errors import CannotVerifyError, StateError
from unheld_verify.statement import Statement

_SEALS = {"open", "batch", "close", "parked"}
_MEND = "unheld exit drop forgets everyone; then ask again"


@dataclass(frozen=True)
class Destroyed:
    """The last statement that everything was erased, and figures of what was sealed before it, from the log's words."""

    day: str
    slots: str
    copies: int
    founded: str
    sealing_days: int
    records_at_most: int
    acts: int


def destroyed(deployment: Deployment, store: Store | None) -> Destroyed:
    """What was destroyed. Raises StateError naming what is still held, CannotVerifyError where nothing tells."""
    stated = _stated(deployment, store)
    acts = [place for place, said in enumerate(stated) if said["kind"] == "erase-everything"]
    if store is not None:
        _check_store(store)
    if not acts:
        if store is None:
            raise CannotVerifyError(
                "the store is gone and the public log tells of no erasure of everything: nothing shows that its keys "
                "were destroyed, and no certificate is made"
            )
        raise StateError(f"nothing was erased: no certificate is made; {_MEND}")
    since = [said for said in stated[acts[-1] :] if said["kind"] in _SEALS]
    if since:
        days = sorted({str(said.get("sealing_day") or said["day"]) for said in since})
        raise StateError(f"sealed since everything was erased: {', '.join(days)}; no certificate is made; {_MEND}")
    last = stated[acts[-1]]
    before = stated[: acts[-1]]
    return Destroyed(
        last["day"],
        last["slots"],
        last["copies"],
        next((said["day"] for said in before if said["kind"] == "genesis"), "not known"),
        sum(said["kind"] == "open" for said in before),
        sum(said["records_at_most"] for said in before if said["kind"] in {"batch", "parked"}),
        len(acts),
    )


def _stated(deployment: Deployment, store: Store | None) -> Sequence[Statement]:
    """The store's statements in their order: its own outbox knows also what was not published yet.

    Without it the log tells, if it is of one store: an erasure does not say of which store it was.
    """
    if store is None:
        stated = [opening.statement for _, opening in issuing.openings(deployment)]
        if (stores := sum(said["kind"] == "genesis" for said in stated)) > 1:
            raise CannotVerifyError(
                f"the log tells of {stores} stores, and of which one everything was erased, it does not say: without "
                "the store no certificate is made"
            )
        return stated
    said = [item.statement for item in store.vault.database.outbox() if item.statement]
    return [canonical.decode(item) for item in said]


def _check_store(store: Store) -> None:
    """The journal, folded, holds nothing: no day, no column file, no parked batch, no row."""
    catalog = store.catalog
    days = sorted(number for number, day in catalog.days.items() if day.state != "forgotten")
    held = {
        "sealing days": ", ".join(columns.day_text(number) for number in days),
        "columns": len({file.column for file in catalog.live_files()}),
        "parked batches": len(catalog.waiting()),
        "rows": "some" if any(tree.rows for tree in store.root.trees.values()) else "",
    }
    named = [f"{what}: {value}" for what, value in held.items() if value]
    if named:
        raise StateError(f"still held: {'; '.join(named)}; no certificate is made; {_MEND}")
