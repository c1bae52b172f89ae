"""Own access at the operator's side: the slip and the blocks at the branch, the answers at headquarters.

None of it opens a record. A slip is sealed to whoever showed a card, answers are sealed by custodians to a grant's own
key, and blocks are ciphertext. So there is nothing here to ask about somebody else: a number without the card that its
row knows is refused with the words for a number that nobody has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from unheld.access import buckets, messages
from unheld.access.messages import HeldFile, Slip
from unheld.assembly import Deployment
from unheld.demands import register
from unheld.ledger import Ledger
from unheld_branch.custody.client import Client
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties.rows import Rows
from unheld_branch.store import sets
from unheld_branch.store.store import Store
from unheld_branch.store.vault import SUBSCRIBERS
from unheld_verify import columns, grant, note, roster, signed, statement
from unheld_verify.columns import Column
from unheld_verify.custody import reasons
from unheld_verify.errors import BadInputError, NotAllowedError, StateError, UnheldError
from unheld_verify.grant import Grant
from unheld_verify.signed import Signed

_DAY = 86_400


@dataclass(frozen=True)
class Answered:
    """What came of a grant: bytes for the subscriber, how many custodians answered, and which sets too few of."""

    data: bytes
    custodians: int
    short: tuple[int, ...]


@dataclass(frozen=True)
class Fetched:
    """Blocks for the subscriber: bytes, from how many files, and how many files are not here any more."""

    data: bytes
    files: int
    missing: int


def slip(store: Store, data: bytes, identity: str) -> bytes:
    """The slip for the request in `data`, sealed to it, where the identity's row knows the card that signed it.

    Raises NotAllowedError, with the same words whatever is not so; VerificationError, BadInputError.
    """
    asked = signed.decode(data, "access-request")
    public = messages.requester(asked, store.clock.now())
    row = store.parties().keyed_row(SUBSCRIBERS, identity, public)
    if not len(row):
        raise NotAllowedError("this card is not registered for the number that was given")
    return messages.seal_slip(_slip(store, row), asked)


def answer(clients: Sequence[Client], said: Signed, *, everybody: bool = False) -> Answered:
    """Ask custodians of every set for a grant's values: t+1 of each, or all with `everybody`; one away, the next.

    Raises StateError with every reason when no set has t that answer, or what they all refused it with; nothing is
    asked for a grant whose subscriber did not sign it, or whose time is over.
    """
    wanted = grant.verified(said)
    values: dict[tuple[int, int], bytes] = {}
    silent: dict[tuple[int, int], UnheldError] = {}
    short = []
    for client in clients:
        draft = client.roster.draft
        if draft.store != wanted.store:
            raise NotAllowedError("this grant is for another store")
        grant.check_time(wanted, client.clock())
        came, failed = _asked(client, wanted, said, draft.n if everybody else min(draft.n, draft.t + 1))
        values |= {(draft.set, index): sealed for index, sealed in came.items()}
        silent |= {(draft.set, index): error for index, error in failed.items()}
        if len(came) < draft.t:
            short.append(draft.set)
    if len(short) == len(clients):
        raise _nobody({client.roster.draft.set: client.roster.draft.names for client in clients}, silent)
    words = {place: str(error) for place, error in silent.items()}
    return Answered(messages.answers(said, values, words), len(values), tuple(short))


def answered(deployment: Deployment, data: bytes, *, everybody: bool = False) -> Answered:
    """`answer` by headquarters' lines to its custodians, with a line in its ledger that names nobody."""
    said, desks, policy = signed.decode(data, "grant"), deployment.desks(), deployment.policy()
    today = desks.clock() // _DAY
    founded = [roster.founded_of(one.founded)[0] for one in deployment.ceremonies().values() if one.founded]
    with ExitStack() as held:
        if deployment.has_store:
            held.enter_context(deployment.opened())
        held.enter_context(register.opened(deployment, write=True))
        clients = [deployment.officer(one, desks) for one in sets.holding(founded, today)]
        done = answer(clients, said, everybody=everybody)
        fact = statement.make(policy.origin, "access-answered", columns.day_text(today))
        Ledger(deployment.ledger).post(statement.commit(fact))
    return done


def fetch(store: Store, data: bytes) -> Fetched:
    """The buckets asked for, as they lie there. Raises BadInputError for a file that is no request for this store's."""
    here = {(file.column, file.batch): file.set for file in _files(store, 0, 0)}
    filled, missing = [], 0
    for bucket in messages.wanted_of(data, store.policy.store_id):
        number = here.get((bucket.column, bucket.batch))
        found = None if number is None else buckets.fill(store.folder, store.policy.store_id, number, bucket)
        if found is None:
            missing += 1
        else:
            filled.append(found)
    return Fetched(messages.blocks(store.policy.store_id, tuple(filled)), len(filled), missing)


def _slip(store: Store, row: Rows) -> Slip:
    catalog, today = store.catalog, store.today()
    since, ended = int(row.since[0]), int(row.ended[0])
    living = [one.draft.set for one in sets.holding(sets.read(store.folder, store.policy), today)]
    paths = [store.folder / sets.FOLDER / f"{number}.json" for number in living]
    first = since // _DAY
    gone = [(cls, day) for cls, day in catalog.lapsed | catalog.erased if day >= first]
    return Slip(
        store.policy.store_id,
        row.extras_of(rows_.SALT)[1][0, : grant.SALT_BYTES].tobytes(),
        row.keys[0].tobytes(),
        since,
        ended,
        today,
        tuple(signed.decode(path.read_bytes(), "founded") for path in paths),
        tuple(_files(store, since, ended)),
        tuple(columns.in_order(gone)),
    )


def _files(store: Store, since: int, ended: int) -> list[HeldFile]:
    """Files of closed days that can hold something of a row's time. What is open is not asked of custodians."""
    last = ended // _DAY if ended else 1 << 31
    return [
        HeldFile(file.column, day.set_number, file.batch_id, file.blocks)
        for day in sorted(store.catalog.days.values(), key=lambda day: day.number)
        for file in day.files
        if not store.catalog.is_gone(file.column.cls, file.column.event_day)
        and _is_of(file.column, since // _DAY, last)
    ]


def _is_of(column: Column, first: int, last: int) -> bool:
    """Whether a column can hold something that happened, or was registered, from day `first` to `last`."""
    day = column.sealing_day if column.cls == "identity" else column.event_day
    return day >= first and column.event_day <= last


def _asked(client: Client, wanted: Grant, said: Signed, count: int) -> tuple[dict[int, bytes], dict[int, UnheldError]]:
    """Values of `count` custodians, and errors of those that did not answer before as many did.

    Where to begin follows from the grant, so that no custodian is always asked and none ever.
    """
    n = client.roster.draft.n
    first = wanted.nonce[0] % n
    came: dict[int, bytes] = {}
    failed: dict[int, UnheldError] = {}
    for index in ((first + step) % n for step in range(n)):
        if len(came) == count:
            break
        try:
            body = client.ask(index, "evaluate", {"grant": said.as_json()})
            if body.get("grant") != said.digest.hex():
                raise BadInputError("it answered another grant")
            came[index] = note.base64_bytes(str(body.get("values")), "values")
        except UnheldError as error:
            failed[index] = error
    return came, failed


def _nobody(names: Mapping[int, Sequence[str]], silent: Mapping[tuple[int, int], UnheldError]) -> UnheldError:
    """What to raise: the custodians' own refusal where they all give the same kind, else every reason."""
    kinds = {type(error) for error in silent.values()}
    failed = {number: {index: why for (held, index), why in silent.items() if held == number} for number in names}
    words = "; ".join(reasons(failed[number], names[number]) for number in sorted(names))
    kind = kinds.pop() if len(kinds) == 1 else StateError
    return kind(f"too few custodians answer this grant: {words}")
