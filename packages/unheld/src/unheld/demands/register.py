"""The register of demands on disk (docs/spec/register.md): one durable file an act, each chained to the one before.

An act is stored first, with the statement it makes; then the statement is posted to the ledger. Whatever a crash leaves
between the two, the next writer posts. A folder without any act is a filing that was cut short: it told nobody
anything, and goes. Repeating an act word for word changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unheld import assembly
from unheld.assembly import Deployment
from unheld.demands import boxes, codes, model
from unheld.demands.boxes import Named
from unheld.demands.model import LINES, UNKNOWN, Act, Demand, Filed, Finding, Held
from unheld.ledger import Ledger
from unheld_branch.kernel.locks import locked
from unheld_slots import durable
from unheld_verify import canonical, columns, crypto, formats, receipt, statement
from unheld_verify.errors import BadInputError, NewerError, NoStoreError, StateError
from unheld_verify.statement import Opening

FOLDER = "demands"
ID_BYTES = 16
DOCUMENT_MOST = 20 << 20
SECRET_MOST = 365
_SECRET_DATED_MOST = 3_650
"""Days after its receipt on which a demand is published that would be secret without end."""
_PREFIX_LEAST = 6
_MENDING = "put back the last good copy of the register"
# What an act says of its moment and not of its decision: repeated, it may differ.
_MOMENT = ("said", "held", "on")


@dataclass
class _Kept:
    """A demand, the digest of its last act's file, and the openings of its acts in order."""

    demand: Demand
    head: str
    openings: list[Opening] = field(default_factory=list)


class Register:
    """The demands of a deployment. Hold it only inside `opened`, which holds the lock."""

    def __init__(self, deployment: Deployment, origin: str, store: bytes) -> None:
        self._deployment, self._origin, self._store = deployment, origin, store
        self._folder = deployment.register / FOLDER
        self._ledger = Ledger(deployment.ledger)
        found = {bytes.fromhex(path.name): _load(path) for path in self._folders() if any(path.glob("[0-9]*.json"))}
        self._kept = {id_: found[id_] for id_ in self._in_order(found) if id_ in found} | found

    def demands(self) -> list[Demand]:
        """Every demand, in the order in which they were filed."""
        return [kept.demand for kept in self._kept.values()]

    def find(self, prefix: str) -> Demand:
        """The demand whose id begins so. Raises BadInputError unless it is exactly one."""
        wanted = prefix.strip().lower()
        if len(wanted) < _PREFIX_LEAST or set(wanted) - set("0123456789abcdef"):
            raise BadInputError(
                f"a demand is named by {_PREFIX_LEAST} or more of its hex digits, as the list shows them"
            )
        found = [kept.demand for kept in self._kept.values() if kept.demand.name.startswith(wanted)]
        if len(found) != 1:
            how = "more than one demand" if found else "no demand"
            raise BadInputError(f"{how} begins with {wanted}; give more digits, or look into the list")
        return found[0]

    def openings(self, demand: Demand) -> list[Opening]:
        """The statements of a demand's acts, in order."""
        return list(self._kept[demand.id].openings)

    def receive(
        self, filed: Filed, identities: Sequence[str], note: str, document: bytes, by: str = "", id_: bytes = b""
    ) -> Demand:
        """File a demand: what it names goes into a sealed box, the facts into the chain, a statement to the ledger.

        With the `id_` of a demand that is there already it changes nothing. Raises BadInputError naming what is off.
        """
        id_ = id_ or crypto.random_bytes(ID_BYTES)
        if id_ in self._kept:
            return self._again(id_, filed)
        _check_named(filed, identities, document)
        if filed.received > assembly.clock().now() // 86_400:
            raise BadInputError("received: that day is still to come; a demand is filed when it has arrived")
        model.check_text("by", by)
        tree = receipt.party_tree(identities, self._store.hex(), says="named")
        folder, public = self._folder / id_.hex(), self._deployment.escrow_public()
        durable.make_folders(folder)
        boxes.write_named(folder, public, self._store + id_, Named(tree.parties, note))
        digest = boxes.write_document(folder, public, self._store + id_, document) if document else ""
        act = self._act("received", by, {"filed": filed.to_json(), "document": digest})
        return self._store_act(id_, act, self._say(act, id_, {"root": tree.root.hex(), "leaves": tree.leaves}), None)

    def checked(
        self, demand: Demand, findings: Sequence[Finding], packs: Mapping[str, str], held: Held, by: str = ""
    ) -> Demand:
        """Record what the rules found."""
        fields = {
            "findings": [finding.to_json() for finding in findings],
            "packs": dict(packs),
            "held": held.to_json(),
            "on": columns.day_text(demand.filed.on),
            "on_is": "received" if demand.filed.dated == UNKNOWN else "order",
        }
        return self._do(demand, self._act("checked", by, fields))

    def narrowed(self, demand: Demand, asks: tuple[str, ...], begins: int, ends: int, by: str) -> Demand:
        """Record that people narrowed a demand to these asks and days; the rest of it is refused."""
        fields = {"asks": list(asks), "begins": begins, "ends": ends}
        return self._do(demand, self._act("narrowed", by, fields))

    def refused(self, demand: Demand, codes: tuple[str, ...], held: Held, by: str) -> Demand:
        """Record that people refused a demand, with its codes and what the store really holds of it."""
        fields = {"codes": sorted(set(codes)), "held": held.to_json()}
        return self._do(demand, self._act("refused", by, fields))

    def withdrawn(self, demand: Demand, by: str) -> Demand:
        """Record that the authority withdrew a demand."""
        return self._do(demand, self._act("withdrawn", by, {}))

    def named(self, demand: Demand, private: bytes) -> Named:
        """What a demand names. Raises WrongKeyError for another escrow key."""
        return boxes.read_named(self._folder / demand.name, private, self._store + demand.id)

    def document(self, demand: Demand, private: bytes) -> bytes:
        """The document as it came; empty when none was kept. Raises VerificationError if it is another one."""
        digest = demand.acts[0].fields["document"]
        if not digest:
            return b""
        return boxes.read_document(self._folder / demand.name, private, self._store + demand.id, digest)

    def settle(self) -> None:
        """Finish what a crash cut short."""
        posted = {kept.opening.entry for kept in self._ledger.kept()}
        for kept in self._kept.values():
            for opening in kept.openings:
                if opening.entry not in posted:
                    refusal = opening.statement["kind"] == "demand-refused"
                    self._ledger.post(opening, due(kept.demand) if refusal else received_due(kept.demand))
        for folder in self._folders():
            if bytes.fromhex(folder.name) not in self._kept:
                for path in folder.iterdir():
                    durable.remove_file(path)
                folder.rmdir()

    def _do(self, demand: Demand, act: Act) -> Demand:
        """Do an act on a demand as it is here now, whatever the caller's copy of it says."""
        now = self._kept[demand.id].demand
        if _decision(now.acts[-1]) == _decision(act):
            return now
        if act.kind != "checked" and not act.by.strip():
            raise BadInputError("by: name who decided this")
        model.check_text("by", act.by)
        model.apply(now, act)
        first = self._kept[demand.id].openings[0].statement
        tree = {"root": first["root"], "leaves": first["leaves"]}
        opening = None if act.kind == "checked" else self._say(act, demand.id, tree)
        return self._store_act(demand.id, act, opening, self._kept[demand.id])

    def _store_act(self, id_: bytes, act: Act, opening: Opening | None, kept: _Kept | None) -> Demand:
        fields = dict(act.fields) | ({"said": opening.to_json()} if opening else {})
        act = Act(act.kind, act.at, act.by, fields)
        after = model.apply(kept.demand, act) if kept else model.begin(id_, act)
        prev = kept.head if kept else ""
        data = canonical.encode({"v": 1, "act": act.kind, "at": act.at, "by": act.by, "prev": prev, **fields})
        durable.write_file(self._folder / id_.hex() / _file(len(after.acts)), data)
        openings = [*(kept.openings if kept else []), *([opening] if opening else [])]
        self._kept[id_] = _Kept(after, crypto.sha256(data).hex(), openings)
        if opening is not None:
            self._ledger.post(opening, due(after))
        return after

    def _act(self, kind: str, by: str, fields: Mapping[str, Any]) -> Act:
        return Act(kind, assembly.clock().now(), by, fields)

    def _say(self, act: Act, id_: bytes, tree: Mapping[str, Any]) -> Opening:
        day, fields = columns.day_text(act.at // 86_400), {"demand": id_.hex(), **tree, **_told(act)}
        return statement.commit(statement.make(self._origin, f"demand-{act.kind}", day, **fields))

    def _again(self, id_: bytes, filed: Filed) -> Demand:
        known = self._kept[id_].demand
        if known.filed != filed:
            raise StateError(f"demand {known.name} is there already and says otherwise; file this one under a new id")
        return known

    def _folders(self) -> list[Path]:
        found = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        for path in found:
            if len(path.name) != 2 * ID_BYTES or set(path.name) - set("0123456789abcdef") or not path.is_dir():
                raise BadInputError(f"{path}: does not belong into the register; take it away")
        return found

    def _in_order(self, found: Mapping[bytes, _Kept]) -> list[bytes]:
        """The demands that the ledger tells of, in order. Raises BadInputError where an act it tells of is missing, or
        is due on another day: nobody may cut the end off a chain, tell of a demand early or hold one back."""
        known = {opening.entry for kept in found.values() for opening in kept.openings}
        order = []
        for kept in self._ledger.kept():
            said = kept.opening.statement
            if not str(said["kind"]).startswith("demand-"):
                continue
            if kept.opening.entry not in known:
                path = self._folder / str(said["demand"])
                raise BadInputError(f"{path}: the act that made a statement of {said['day']} is missing; {_MENDING}")
            id_ = bytes.fromhex(said["demand"])
            filed = found[id_].demand.filed
            # A refusal may wait by its codes; which codes wait, a newer program may know better.
            if kept.due not in {_due(filed, accuses=False), _due(filed, accuses=said["kind"] == "demand-refused")}:
                raise BadInputError(f"demand {id_.hex()}: its statement is due on another day than filed; {_MENDING}")
            order.append(id_)
        return order


@contextmanager
def opened(deployment: Deployment, *, write: bool = False) -> Iterator[Register]:
    """The register under its lock; a writer first finishes what a crash cut short.

    Raises NoStoreError where there is none, BadInputError naming a file whose chain is broken, and LockedError.
    """
    if not deployment.register.is_dir():
        raise NoStoreError(f"{deployment.register}: no register there; `unheld init` makes one")
    policy = deployment.policy()
    with locked(deployment.register / "lock", exclusive=write):
        register = Register(deployment, policy.origin, policy.store_id)
        if write:
            register.settle()
        yield register


def due(demand: Demand) -> int:
    """The day from which statements of a demand are published: at once, or when its secrecy ends; it always does.

    What accuses the authority (duress, torture) waits a year, as a secrecy without end does: a public line of the same
    week could be read against those who stand before them.
    """
    return _due(demand.filed, accuses=bool(codes.quiet(demand.codes)))


def received_due(demand: Demand) -> int:
    """The day from which its receipt is published: its refusal may be told later, never sooner."""
    return _due(demand.filed, accuses=False)


def _due(filed: Filed, *, accuses: bool) -> int:
    dated = 0 if filed.secret_until == UNKNOWN else filed.secret_until + 1
    endless = filed.secret_without_end or dated > filed.received + _SECRET_DATED_MOST
    if endless or filed.duress or filed.torture or accuses:
        return max(filed.received + SECRET_MOST, 0 if endless else dated)
    return dated


def _check_named(filed: Filed, identities: Sequence[str], document: bytes) -> None:
    if len(set(identities)) != filed.lines:
        raise BadInputError(f"targets: {filed.lines:,} lines were filed and {len(set(identities)):,} are named")
    if identities and filed.target_kind not in LINES:
        raise BadInputError(
            f"targets: a demand for a {filed.target_kind} names no lines; write its words into the note"
        )
    if len(document) > DOCUMENT_MOST:
        raise BadInputError(
            f"document: {len(document):,} bytes; keep at most {DOCUMENT_MOST:,}, e.g. at less resolution"
        )


def _decision(act: Act) -> tuple[Any, ...]:
    return act.kind, act.by, {name: value for name, value in act.fields.items() if name not in _MOMENT}


def _file(number: int) -> str:
    return f"{number:04}.json"


def _load(folder: Path) -> _Kept:
    """A demand from its acts. Raises BadInputError naming the file that breaks the chain."""
    paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    kept: _Kept | None = None
    for number, path in enumerate(paths, 1):
        if path.name != _file(number):
            raise BadInputError(f"{folder / _file(number)}: is missing; {_MENDING}")
        try:
            kept = _follow(bytes.fromhex(folder.name), path.read_bytes(), kept)
        except NewerError:
            raise
        except (BadInputError, StateError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInputError(f"{path}: does not follow from the acts before it ({error}); {_MENDING}") from None
    if kept is None:
        raise BadInputError(f"{folder}: has no act; {_MENDING}")
    return kept


def _follow(id_: bytes, data: bytes, kept: _Kept | None) -> _Kept:
    document = canonical.decode(data)
    formats.check_json("demand", document, id_.hex())
    if document["v"] != 1 or document["prev"] != (kept.head if kept else ""):
        raise BadInputError("its `prev` is not the digest of the file before")
    if type(document["at"]) is not int or not 0 <= document["at"] < 1 << 32 or not isinstance(document["by"], str):
        raise BadInputError("`at` is no time, or `by` is no text")
    own = {"v", "act", "at", "by", "prev"}
    fields = {name: value for name, value in document.items() if name not in own}
    act = Act(document["act"], document["at"], document["by"], fields)
    demand = model.apply(kept.demand, act) if kept else model.begin(id_, act)
    openings = list(kept.openings) if kept else []
    if act.kind != "checked":
        openings.append(_opening(id_, act, openings))
    return _Kept(demand, crypto.sha256(data).hex(), openings)


def _told(act: Act) -> dict[str, Any]:
    """What an act's statement says of the act's own fields."""
    if act.kind == "received":
        filed = model.read_filed(act.fields["filed"])
        return {"authority": filed.authority, "asks": list(filed.asks), "targets": filed.lines}
    return {name: act.fields[name] for name in ("asks", "codes") if name in act.fields}


def _opening(id_: bytes, act: Act, before: Sequence[Opening]) -> Opening:
    opening = statement.parse_opening(act.fields["said"])
    said = opening.statement
    if (said["kind"], said["demand"]) != (f"demand-{act.kind}", id_.hex()):
        raise BadInputError("its statement is of another act")
    if any(said[name] != value for name, value in _told(act).items()):
        raise BadInputError("it says otherwise than its statement")
    if before and (said["root"], said["leaves"]) != (before[0].statement["root"], before[0].statement["leaves"]):
        raise BadInputError("its statement names other lines than the first")
    return opening
