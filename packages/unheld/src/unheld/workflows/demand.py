"""The journeys of a demand: receive, check, narrow, refuse, withdraw; and what a claimant is told.

    with demand.desk(deployment, write=True) as desk:
        made = desk.receive(filed, identities)
        desk.check(made)
        desk.refuse(made, ("MultipleTargets",), by="…")

A desk reads register, packs and the store's journal once. There is no journey that answers a demand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unheld import assembly
from unheld.assembly import Deployment
from unheld.demands import boxes, codes, holdings, register, rules
from unheld.demands.holdings import Books
from unheld.demands.model import LINES, UNKNOWN, Demand, Filed, Held, in_order
from unheld.demands.register import Register
from unheld.demands.rules import Rulebook
from unheld.ledger import Ledger
from unheld_slots import durable
from unheld_verify import columns, receipt, statement, tiles
from unheld_verify.errors import BadInputError, CannotVerifyError, NotAllowedError, UnheldError, UsageError
from unheld_verify.note import Key
from unheld_verify.receipt import Party
from unheld_verify.statement import Opening
from unheld_verify.tiles import Log

CLAIMS_A_DAY = 10
"""Answers to claimants in a day: who guards the escrow key may not use claims to go through a list."""
CLAIMS = "claims"


@dataclass(frozen=True)
class Desk:
    """An open register with what its decisions rest on."""

    register: Register
    rules: Rulebook
    books: Books

    def receive(
        self, filed: Filed, identities: Sequence[str] = (), note: str = "", document: bytes = b"", by: str = "",
        id_: bytes = b"",
    ) -> Demand:  # fmt: skip
        """File a demand that arrived. A line that it names twice counts once, and `filed.targets` counts so too."""
        return self.register.receive(filed, tuple(dict.fromkeys(identities)), note, document, by, id_)

    def check(self, demand: Demand, by: str = "") -> Demand:
        """Ask every rule, record what speaks against the demand. It decides nothing."""
        held = self.holdings(demand)
        return self.register.checked(demand, self.rules.check(demand, held), self.rules.digests(), held, by)

    def narrow(
        self, demand: Demand, by: str, asks: Sequence[str] = (), begins: int = UNKNOWN, ends: int = UNKNOWN
    ) -> Demand:
        """Narrow a demand to fewer asks or fewer days; what is not given stays. The rest of it is refused."""
        return self.register.narrowed(
            demand,
            in_order(asks) or demand.asks,
            demand.begins if begins == UNKNOWN else begins,
            demand.ends if ends == UNKNOWN else ends,
            by,
        )

    def refuse(self, demand: Demand, refusal: Sequence[str], by: str) -> Demand:
        """Refuse a demand with codes. What the store really holds is noted, so that a letter can say it.

        Raises BadInputError for a code that is not known, or for one of the store's state where it would be untrue.
        """
        if not refusal:
            raise BadInputError("a refusal names at least one code; `unheld demand rules` lists them")
        if unknown := sorted(set(refusal) - set(codes.known())):
            raise BadInputError(f"{', '.join(unknown)}: no such code; choose of {', '.join(codes.known())}")
        held = self.holdings(demand)
        if "DataNotHeld" in refusal and not held.nothing:
            other = "other codes" if held.readable else "DeFactoImpossibility"
            raise BadInputError(f"DataNotHeld would be untrue: something of it is held; choose {other}")
        if "DeFactoImpossibility" in refusal and held.readable:
            raise BadInputError(
                "DeFactoImpossibility would be untrue: all that is held of it is readable at the branch until its "
                "sealing day is closed; refuse it after that, or with other codes"
            )
        return self.register.refused(demand, tuple(refusal), held, by)

    def withdraw(self, demand: Demand, by: str) -> Demand:
        """Record that the authority withdrew the demand."""
        return self.register.withdrawn(demand, by)

    def holdings(self, demand: Demand) -> Held:
        """What the store really holds of what a demand asks for now."""
        return self.books.of(demand.asks, demand.begins, demand.ends)


@contextmanager
def desk(deployment: Deployment, *, write: bool = False) -> Iterator[Desk]:
    """Open the register with its packs and the store's books. Raises NoStoreError, LockedError, BadInputError."""
    with register.opened(deployment, write=write) as opened:
        yield Desk(opened, rules.load(deployment), holdings.read(deployment))


@dataclass(frozen=True)
class Told:
    """What a claimant is told of one demand that named the line.

    `closed_until` is a day number while the demand's secrecy lasts, and then nothing else is told; `receipts` are the
    files written, `waiting` the kinds of its statements that the log does not hold yet.
    """

    demand: Demand
    closed_until: int
    receipts: tuple[Path, ...] = ()
    waiting: tuple[str, ...] = ()


def answer_claim(deployment: Deployment, identity: str, asker: str, private: bytes, out: Path) -> list[Told]:
    """Tell a claimant, or their heir, which demands named one line; write a receipt for each published statement.

    That a claim was answered is logged before anything is opened, whatever the answer. `private` is the escrow key.
    Raises NotAllowedError beyond CLAIMS_A_DAY, WrongKeyError for another key, UsageError for a folder that holds
    receipts of another line.
    """
    if not asker.strip():
        raise BadInputError("asker: say who asks, and how they showed that the line is theirs")
    _check_folder(out, identity, deployment.log_key())
    with register.opened(deployment, write=True) as opened:
        _log_claim(deployment, asker)
        found = [(demand, party) for demand in opened.demands() if (party := _party(opened, demand, private, identity))]
        durable.make_folders(out)
        log, key = tiles.open_log(str(deployment.log)), deployment.log_key()
        return [_tell(demand, opened.openings(demand), party, (log, key), out) for demand, party in found]


def _check_folder(out: Path, identity: str, key: Key) -> None:
    """Receipts name the line they are of: a folder that is handed to one claimant must not hold another's."""
    for path in sorted(out.glob("*.tlog-proof")):
        try:
            party = receipt.verify(path.read_bytes(), key).party
        except UnheldError:
            party = None
        if party is None or party.identity != identity:
            raise UsageError(f"{out}: holds receipts that are not of this line; name a new folder")


def _log_claim(deployment: Deployment, asker: str) -> None:
    ledger, policy, now = Ledger(deployment.ledger), deployment.policy(), assembly.clock().now()
    today = columns.day_text(now // 86_400)
    said = [kept.opening.statement for kept in ledger.kept()]
    if sum(item["kind"] == "claim-answered" and item["day"] == today for item in said) >= CLAIMS_A_DAY:
        raise NotAllowedError(
            f"{CLAIMS_A_DAY} claims were answered today, and no more are in a day: ask again tomorrow"
        )
    boxes.write_claim(deployment.register / CLAIMS, deployment.escrow_public(), policy.store_id, asker, now)
    ledger.post(statement.commit(statement.make(policy.origin, "claim-answered", today)))


def _party(opened: Register, demand: Demand, private: bytes, identity: str) -> Party | None:
    if demand.filed.target_kind not in LINES:
        return None
    return next((party for party in opened.named(demand, private).parties if party.identity == identity), None)


def _tell(demand: Demand, openings: Sequence[Opening], party: Party, where: tuple[Log, Key], out: Path) -> Told:
    today, open_from = assembly.clock().now() // 86_400, register.due(demand)
    if open_from > today:
        return Told(demand, open_from)
    written: list[Path] = []
    waiting: list[str] = []
    for opening in openings:
        kind = str(opening.statement["kind"])
        path = out / f"{demand.name[:8]}-{kind}-{len(written) + len(waiting) + 1}.tlog-proof"
        try:
            durable.write_file(path, receipt.complete(opening, party, *where))
            written.append(path)
        except CannotVerifyError:
            waiting.append(kind)
    return Told(demand, UNKNOWN, tuple(written), tuple(waiting))
