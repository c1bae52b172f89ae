"""A check that cannot fail is no check: stores broken on purpose, and histories that find each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.support.histories import Setting, drawn_history
from tests.support.history_judge import lived
from tests.support.history_life import Act
from unheld.plans import planning
from unheld_branch.keys.parties import root as root_nodes
from unheld_branch.keys.parties import rows
from unheld_branch.keys.parties.nodes import Nodes, Ref
from unheld_branch.keys.parties.parties import Parties
from unheld_branch.store import following, journal, merging
from unheld_branch.store.database import Transaction
from unheld_branch.store.openday import OpenDaySlot
from unheld_branch.store.store import Store
from unheld_branch.store.targets import Targets
from unheld_branch.store.vault import Condition, Vault
from unheld_branch.workflows import apply, day, ingest, lapse, registry, routing
from unheld_slots.slot import FileSlot
from unheld_verify import crypto
from unheld_verify.custody import Heard

pytestmark = pytest.mark.spread

Patch = Callable[[pytest.MonkeyPatch], None]
_HALF = 4096


def keeps_node_keys(patch: pytest.MonkeyPatch) -> None:
    """A leaf that takes new rows, or splits, keeps its key; a forgetting takes fresh keys throughout."""
    read, write, drop, forget = Nodes.read, Nodes.write, Nodes.drop, Parties.drop
    known: dict[bytes, tuple[bytes, bytes]] = {}
    dropped: list[tuple[bytes, bytes]] = []
    forgetting: list[bool] = []

    def reading(nodes: Nodes, refs: Any) -> list[bytes]:
        found = read(nodes, refs)
        known.update((ref.id, (ref.key, data)) for ref, data in zip(refs, found, strict=True))
        return found

    def dropping(nodes: Nodes, node_id: bytes) -> None:
        dropped[:] = [known[node_id]] if node_id in known else []
        drop(nodes, node_id)

    def writing(nodes: Nodes, plaintext: bytes) -> Ref:
        key, before = dropped.pop() if dropped else (b"", b"")
        if forgetting or not before[:1] == plaintext[:1] == rows.LEAF_KIND:
            return write(nodes, plaintext)
        random, nodes.random = nodes.random, lambda count: key if count == len(key) else crypto.random_bytes(count)
        ref = write(nodes, plaintext)
        nodes.random = random
        return ref

    def forgets(*given: Any) -> Any:
        forgetting.append(True)
        try:
            return forget(*given)
        finally:
            forgetting.clear()

    patch.setattr(Nodes, "read", reading)
    patch.setattr(Nodes, "drop", dropping)
    patch.setattr(Nodes, "write", writing)
    patch.setattr(Parties, "drop", forgets)


def keeps_old_roots(patch: pytest.MonkeyPatch) -> None:
    """A slot that marks the old half as free and leaves the secret in it."""

    def destroy(slot: FileSlot, generation: int) -> None:
        with slot.path.open("r+b") as file:
            file.seek(generation % 2 * _HALF)
            file.write(bytes(8))

    patch.setattr(FileSlot, "destroy", destroy)


def leaves_crashes(patch: pytest.MonkeyPatch) -> None:
    """An opening that leaves the key of the generation before where a crash did."""
    real = Vault.condition

    def condition(one: Vault) -> Condition:
        found = real(one)
        return Condition.SETTLED if found is Condition.ERASING else found

    patch.setattr(Vault, "condition", condition)


def believes_backups(patch: pytest.MonkeyPatch) -> None:
    """A store that does not ask its copy whether it is ahead."""
    patch.setattr(following.Copies, "_check", lambda *_: None)


def leaves_sims(patch: pytest.MonkeyPatch) -> None:
    """A forgetting of a number that leaves the SIM linked to it."""
    patch.setattr(Parties, "_linked", lambda _parties, _tree, found: found.take(found.ended < 0))


def leaves_keyed_rows(patch: pytest.MonkeyPatch) -> None:
    """A forgetting of a holder that leaves their rows under earlier subscriber keys."""
    patch.setattr(Parties, "_tenures", lambda _parties, _tree, found: found.take(found.ended < 0))


def leaves_months(patch: pytest.MonkeyPatch) -> None:
    """A forgetting that looks for subscribers alone."""
    real = planning._targets

    def targets(*given: Any) -> Targets:
        return Targets({number: found for number, found in real(*given).trees.items() if not number})

    patch.setattr(planning, "_targets", targets)


def shares_rows(patch: pytest.MonkeyPatch) -> None:
    """A number's new holder who takes over the row of the one before."""
    real = registry._split

    def split(*given: Any) -> tuple[list[Any], ...]:
        same, changed, unnamed = real(*given)
        return same + changed, [], unnamed

    patch.setattr(registry, "_split", split)


def asks_the_present(patch: pytest.MonkeyPatch) -> None:
    """Late records that go to whoever holds the number now."""
    patch.setattr(routing, "_holders", lambda _parties, held, codes, *_: (codes, held.keys))


def leaves_parked(patch: pytest.MonkeyPatch) -> None:
    """A lapse that forgets the parked lane."""
    real = lapse.due
    patch.setattr(lapse, "due", lambda one: replace(real(one), parked=()))


def leaves_open_keys(patch: pytest.MonkeyPatch) -> None:
    """A lapse that leaves the open day's keys of columns that are due."""
    real = lapse.lapse

    def lapses(one: Store, custodians: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(OpenDaySlot, "keep", lambda *_: None)
            return real(one, custodians)

    patch.setattr(lapse, "lapse", lapses)


def leaves_months_of_others(patch: pytest.MonkeyPatch) -> None:
    """A lapse that never drops a month of other parties."""
    real = lapse.due
    patch.setattr(lapse, "due", lambda one: replace(real(one), trees=()))


def tells_nobody(patch: pytest.MonkeyPatch) -> None:
    """An erasure of a day that takes the custodians' word without asking for it."""
    patch.setattr(apply, "enough", lambda *_: None)
    patch.setattr("unheld_branch.custody.client.Remote.erase", lambda *_: (Heard(1, 1, ()),))


def drops_late_files(patch: pytest.MonkeyPatch) -> None:
    """A merge that drops the last batch of an earlier day."""
    real = merging.merge

    def merge(sealer: Any, opened: Sequence[Any], parties: Any) -> Any:
        late = [file for file in opened if file.column.event_day < file.column.sealing_day]
        last = late[-1].batch_id if late else b""
        return real(sealer, [file for file in opened if file not in late or file.batch_id != last], parties)

    patch.setattr(merging, "merge", merge)


def merges_one_tree(patch: pytest.MonkeyPatch) -> None:
    """A close that merges subscribers' blocks alone."""
    patch.setattr(day, "_leaves", lambda one, _day: one.parties().walk(0))


def keeps_replaced(patch: pytest.MonkeyPatch) -> None:
    """A batch that was replaced and stays."""
    real = journal._batch
    patch.setitem(journal._APPLY, "batch", lambda catalog, entry: real(catalog, {**entry, "replaces": ""}))


def opens_twice(patch: pytest.MonkeyPatch) -> None:
    """A parked batch that waits on once it was opened."""
    real = journal._batch
    patch.setitem(journal._APPLY, "batch", lambda catalog, entry: real(catalog, {**entry, "unparks": ""}))


def knows_no_file(patch: pytest.MonkeyPatch) -> None:
    """A file that is delivered twice is taken in twice."""
    patch.setattr(ingest, "known", lambda *_: False)


def forgets_digests(patch: pytest.MonkeyPatch) -> None:
    """Keys for file digests that end with their day."""
    patch.setattr(ingest, "dedup_keys", lambda one: {one.today(): crypto.random_bytes(32)})


def keeps_everyone(patch: pytest.MonkeyPatch) -> None:
    """A forgetting of everyone that keeps the months of other parties."""
    real = Vault.commit

    def commit(one: Vault, root: Any, change: Any, parties: Any) -> Any:
        if change.everything is not None:
            kept = {number: tree for number, tree in root.trees.items() if number}
            trees = {**change.everything.trees, **kept}
            change = replace(change, everything=replace(change.everything, trees=trees))
        return real(one, root, change, parties)

    patch.setattr(Vault, "commit", commit)


def forgets_erasures(patch: pytest.MonkeyPatch) -> None:
    """A journal that is read again without the erasures of columns in it."""
    real = journal._erase

    def erase(catalog: Any, entry: Any) -> None:
        erased = set(catalog.erased)
        real(catalog, entry)
        catalog.erased = erased

    patch.setitem(journal._APPLY, "erase", erase)


def keeps_plan_keys(patch: pytest.MonkeyPatch) -> None:
    """Plans that outlive the plan that was applied before them."""
    patch.setattr(root_nodes, "step_plan_key", lambda key: key)


def loses_statements(patch: pytest.MonkeyPatch) -> None:
    """An outbox that loses what a lapse says."""
    real = Transaction.post

    def post(one: Transaction, openings: Any) -> None:
        real(one, [pair for pair in openings if b'"kind":"lapse"' not in pair[1]])

    patch.setattr(Transaction, "post", post)


def keeps_day_keys(patch: pytest.MonkeyPatch) -> None:
    """A close that leaves the day's keys at the branch."""
    patch.setattr(day, "_drop", lambda *_: Heard(0, 0, ()))


TAKEN = Act("deliver", 49, 31)
GROWN = [Act("deliver", number, number) for number in range(1, 8)]
HOLDER, OTHER, KEYED = Act("register", 2, 22), Act("register", 0, 19), Act("register", 1, 62)
FORTY_DAYS = Act("wait", 7)
MUTANTS: dict[Patch, list[Act]] = {
    keeps_old_roots: [HOLDER, FORTY_DAYS],
    leaves_crashes: [TAKEN, Act("forget", 1, 0, (4,)), TAKEN],
    leaves_sims: [HOLDER, Act("forget", 1)],
    leaves_keyed_rows: [HOLDER, KEYED, Act("forget", 1)],
    leaves_months: [Act("deliver", 58, 35), Act("forget", 1)],
    shares_rows: [HOLDER, OTHER],
    asks_the_present: [HOLDER, OTHER, Act("deliver", 0, 10)],
    leaves_parked: [Act("open"), Act("park", 3, 1), FORTY_DAYS],
    leaves_open_keys: [TAKEN, Act("wait", 4)],
    leaves_months_of_others: [TAKEN, FORTY_DAYS],
    tells_nobody: [TAKEN, Act("forget", 0, 5)],
    drops_late_files: [Act("deliver", 0, 10), Act("close")],
    merges_one_tree: [Act("deliver", 58, 35), Act("close")],
    keeps_replaced: [TAKEN, Act("replace", 3)],
    opens_twice: [Act("open"), Act("park", 3, 1), Act("unpark"), Act("unpark")],
    knows_no_file: [TAKEN, Act("again")],
    forgets_digests: [TAKEN, Act("wait"), Act("deliver", 3, 3), Act("again")],
    keeps_everyone: [Act("deliver", 58, 35), Act("forget", 0, 7)],
    forgets_erasures: [TAKEN, Act("forget", 0, 5)],
    keeps_plan_keys: [TAKEN, Act("plan", 1), Act("forget", 2), Act("apply")],
    loses_statements: [TAKEN, FORTY_DAYS],
    keeps_day_keys: [TAKEN, Act("close")],
}
COPIED: dict[Patch, list[Act]] = {believes_backups: [TAKEN, Act("backup"), TAKEN, Act("restore", 0, 1)]}
SEARCHED = 60


def broken(setting: Setting, history: Sequence[Act]) -> str:
    """How a history ends: in which error, or "" when every promise holds."""
    try:
        lived(setting, history)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_store_breaks_a_promise(monkeypatch: pytest.MonkeyPatch, mutant: Patch) -> None:
    """A store that is broken on purpose does not come through a short history."""
    mutant(monkeypatch)

    assert broken(Setting(), MUTANTS[mutant])


def test_a_store_that_does_not_ask_its_copy_breaks_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that went on gives away a store that was put back, and a store that does not listen is found."""
    believes_backups(monkeypatch)

    assert broken(Setting(copies=1), COPIED[believes_backups])


def test_a_tree_that_keeps_a_key_on_a_split_breaks_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever a split moved stays readable after a forgetting; whom it moves, the tags say, which are random."""
    keeps_node_keys(monkeypatch)

    assert any(broken(Setting(), [*GROWN, Act("forget", a)]) for a in range(1, 61) if a % 3)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [*MUTANTS, *COPIED])
def test_the_sound_store_keeps_them(mutant: Patch) -> None:
    """The same histories break no promise of the store as it is."""
    setting = Setting(copies=1) if mutant in COPIED else Setting()

    assert not broken(setting, (MUTANTS | COPIED)[mutant])


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_store_is_found_by_histories_nobody_chose(monkeypatch: pytest.MonkeyPatch, mutant: Patch) -> None:
    """Each is found within a modest number of drawn histories."""
    mutant(monkeypatch)

    assert any(broken(Setting(), drawn_history(seed)) for seed in range(SEARCHED))
