"""Leave: hand over, wait after an objection, forget everyone, certify it. Each step stands for itself after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from unheld.assembly import Deployment
from unheld.exit import buyer, certificate, held, issuing, manifest, spec, standstill, tables
from unheld.exit.certificate import Custody
from unheld.exit.issuing import Proofs
from unheld.exit.standstill import Standstill
from unheld.ledger import Ledger
from unheld.plans import planning
from unheld.workflows import custody as custodians
from unheld.workflows import running
from unheld_branch.kernel import locks
from unheld_branch.store.store import Store
from unheld_branch.workflows import apply as applying
from unheld_branch.workflows.apply import Applied
from unheld_verify import promises
from unheld_verify.errors import NoStoreError, PartialError, StateError
from unheld_verify.note import Key
from unheld_verify.paper import Paper
from unheld_verify.plan import Plan
from unheld_verify.promises import Broken


@dataclass(frozen=True)
class Issued:
    """A paper that was made, and the files it was written to."""

    paper: Paper
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Pauses:
    """Standstills: those that run, all that ever were, and the broken ones, with a statement's place as its index."""

    running: tuple[Standstill, ...]
    all: tuple[Standstill, ...]
    broken: tuple[Broken, ...]


@dataclass(frozen=True)
class Dropped:
    """Everyone forgotten: what the plan did, the class of the slot, copies of the tree, entries published."""

    applied: Applied
    slot: str
    copies: int
    published: int


def hand_over(deployment: Deployment, out: Path, given: Path) -> Issued:
    """Check and write the tables that a buyer receives, with their manifest.

    Raises StateError while a standstill runs, BadInputError for one value that may not leave: then nothing does.
    """
    issuing.check_out(out)
    with _register(deployment):
        stated = issuing.statements(deployment)
        standstill.refuse_handover(stated, issuing.today())
        wanted = spec.read(given, deployment.policy().home)
        found = tables.read(wanted)
        past = [pause.words for pause in standstill.standstills(stated)]
        words = issuing.inventory_words(issuing.inventory(deployment))
        made = issuing.draft(deployment, "manifest", manifest.body(found, wanted.buyer, past, words))
        shown = issuing.sheets(manifest.document(made))
        issuing.issue(deployment, made)
        files = [issuing.put(out / f"{table.name}.csv", table.data) for table in found]
        return Issued(made, (*files, *issuing.write(out, made, shown)))


def record_buyer(deployment: Deployment, out: Path, form: Path) -> Issued:
    """Sign what is known of a buyer. Raises BadInputError naming the field of the form."""
    issuing.check_out(out)
    with _register(deployment):
        made = issuing.draft(deployment, "buyer-record", buyer.body(form, issuing.today()))
        shown = issuing.sheets(buyer.document(made))
        issuing.issue(deployment, made)
        return Issued(made, tuple(issuing.write(out, made, shown)))


def register_group(deployment: Deployment, vkey: str) -> Key:
    """Register a group's public key."""
    with _register(deployment):
        return standstill.register(deployment, vkey)


def object_to(deployment: Deployment, note: bytes) -> Standstill:
    """Take a group's objection: a standstill begins."""
    with _register(deployment):
        return standstill.begin(deployment, note)


def pauses(deployment: Deployment) -> Pauses:
    """The standstills that the ledger and the public log tell of."""
    deployment.policy()
    stated, today = issuing.statements(deployment), issuing.today()
    every = standstill.standstills(stated)
    running_now = tuple(pause for pause in every if pause.runs(today))
    return Pauses(running_now, tuple(every), promises.broken_by(list(enumerate(stated))))


def plan_drop(deployment: Deployment) -> Plan:
    """A plan to forget everyone. Nothing changes. Raises NoStoreError where the store is gone already."""
    _need_store(deployment)
    with deployment.opened() as store:
        return planning.plan_everything(store, deployment.seed("plan")).plan


def drop(deployment: Deployment, plan: Plan, typed: str) -> Dropped:
    """Forget everyone in the durable order, and publish it: the proof must be out before the store's folder goes.

    A standstill does not stop it. Raises PartialError when too few custodians attested, after the rows are gone.
    """
    _need_store(deployment)
    if plan.act != "everything":
        raise StateError(f"this plan forgets {plan.act}, not everyone; unheld erase apply carries it out")
    with deployment.opened(write=True) as store, _register(deployment):
        issuing.inventory(deployment)
        try:
            done = applying.apply(store, deployment.open_custodians(), plan, typed)
        except PartialError:
            _publish(deployment, store)
            raise
        return Dropped(done, store.slot_words(), store.trees_counted, _publish(deployment, store))


def certify(deployment: Deployment, out: Path, form: Path | None) -> Issued:
    """Certify that the keys of the store were destroyed, with every proof in the paper.

    Raises StateError naming what is still held.
    """
    issuing.check_out(out)
    said = certificate.form(form)
    with _whole(deployment) as store, _register(deployment):
        found = held.destroyed(deployment, store)
        custody = _custody(deployment)
        words = certificate.body(deployment.policy(), found, custody, issuing.inventory(deployment), said)
        made = issuing.draft(deployment, "certificate", words)
        shown = issuing.sheets(certificate.document(made))
        issuing.issue(deployment, made)
        _publish(deployment, store)
        proven = issuing.prove(deployment, made)
        issuing.keep(deployment, proven)
        return Issued(proven, tuple(issuing.write(out, proven, shown)))


def prove(deployment: Deployment, out: Path) -> Proofs:
    """Write every paper that the log tells of by now, with its proofs."""
    issuing.check_out(out)
    with _register(deployment):
        return issuing.prove_all(deployment, out)


def _custody(deployment: Deployment) -> Custody:
    """Ask the custodians once more: whoever has erased everything attests to it again; who is away does not count.

    Of several sets the one is told of that is furthest from being gone.
    """
    policy = deployment.policy()
    plan = planning.everything_again(policy, issuing.today(), deployment.seed("plan"))
    try:
        attested = custodians.emptied(deployment, plan)
    except NoStoreError:
        attested = {}
    found = []
    for number, said in attested.items():
        draft = deployment.ceremonies()[number].draft
        found.append(Custody(draft.n, draft.t, len(said), tuple(one["slot"] for one in said)))
    return min(found, key=lambda one: one.attested + one.t - one.n, default=Custody(policy.n, policy.t, 0, ()))


def _publish(deployment: Deployment, store: Store | None) -> int:
    """Publish what waits; entries published. The first call may only end a publication that a crash had cut short."""
    count = running.publish(deployment, store)
    told = {opening.entry for _, opening in issuing.openings(deployment)}
    waiting = [kept.opening.entry for kept in Ledger(deployment.ledger).kept() if not kept.due]
    waiting += [item.entry for item in store.vault.database.outbox() if item.statement] if store is not None else []
    return count if told.issuperset(waiting) else count + running.publish(deployment, store)


def _need_store(deployment: Deployment) -> None:
    deployment.policy()
    if not deployment.has_store:
        raise NoStoreError(
            f"{deployment.root}: the store is gone, there is nothing to drop; unheld exit certificate says what the "
            "log shows"
        )


@contextmanager
def _whole(deployment: Deployment) -> Iterator[Store | None]:
    """The store for writing, or None where it is gone."""
    deployment.policy()
    with deployment.opened(write=True) if deployment.has_store else nullcontext() as store:
        yield store


@contextmanager
def _register(deployment: Deployment) -> Iterator[None]:
    """Headquarters' register under its lock. Raises NoStoreError where there is none."""
    deployment.policy()
    if not deployment.register.is_dir():
        raise NoStoreError(f"{deployment.register}: the register is gone; put it back from its backup")
    with locks.locked(deployment.register / "lock", exclusive=True):
        yield
