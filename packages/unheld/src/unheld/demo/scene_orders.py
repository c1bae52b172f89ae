"""Scene 2, the orders: 200 lists go to both networks, and one demand for a missing person."""

from __future__ import annotations

from unheld.demands import figures, letters, register, reporting, rules
from unheld.demands.model import WAITING, Demand
from unheld.demo.calendar import NOON, at
from unheld.demo.orders import Drawn
from unheld.demo.replay import Replay
from unheld.ledger import Ledger
from unheld.papers.html import html
from unheld.papers.pdf import pdf
from unheld.workflows import demand as demands
from unheld_slots import durable
from unheld_verify import columns, tiles

SCENE = 2
OFFICER = "the officer abroad"


def measure(replay: Replay) -> None:
    """File, check and refuse; and count what each side would have given."""
    drawn, missing = replay.orders.lists, replay.orders.missing_person
    with at(replay.world.today, NOON), demands.desk(replay.deployment, write=True) as desk:
        filed = [_refused(desk, one) for one in drawn]
        waiting = desk.check(desk.receive(missing.filed, missing.names, by=OFFICER), by=OFFICER)
        longest = max((one for one in filed if one.codes), key=lambda one: one.filed.targets)
        _letter(replay, desk, longest)
    rows, orders = replay.scene(SCENE), [one.order for one in drawn]
    refused, lines = sum(bool(one.codes) for one in filed), sum(one.filed.targets for one in filed)
    replay.tell(f"{len(filed)} orders naming {lines:,} lines: {refused} refused with a code")
    rows.shown("lists that arrived", "orders", len(drawn), len(filed))
    rows.exactly("lists refused, each with codes", "orders", None, refused, len(drawn))
    left, branch = replay.nights.left.given(orders), replay.nights.branch.given(orders)
    rows.zero("people given away", "people", left.people, branch.people)
    rows.zero("days of their lives given away", "party-days", left.party_days, branch.party_days)
    _missing(replay, missing, waiting)


def report(replay: Replay) -> None:
    """What an outsider counts from the public log alone, and headquarters' own report beside it."""
    deployment, today = replay.deployment, columns.day_of(replay.world.today)
    log, key = tiles.open_log(str(deployment.log)), deployment.log_key()
    outside = {table.name: table for table in figures.from_log(log, key, today).tables}
    refused = dict(outside["outcome"].rows)["refused"][0]
    replay.refusals = {code: counts[0] for code, counts in outside["code"].rows}
    words = "lists refused, as an outsider finds them in the public log"
    replay.scene(SCENE).exactly(words, "orders", None, refused, len(replay.orders.lists))
    with register.opened(deployment) as opened:
        told = opened.demands()
    own = figures.from_register(told, Ledger(deployment.ledger).kept(), figures.published_in(log, key), today)
    titles = {law.id: law.title for pack in rules.load(deployment).packs for law in pack.laws}
    policy, path = deployment.policy(), replay.out / "report.html"
    durable.write_file(path, html(reporting.document(own, policy.origin, policy.home, titles)).encode(), 0o644)
    replay.link("the transparency report", path)


def _refused(desk: demands.Desk, one: Drawn) -> Demand:
    """An order's way: filed, checked by the packs, refused by a person with the codes that speak for refusing."""
    checked = desk.check(desk.receive(one.filed, one.names, by=OFFICER), by=OFFICER)
    codes = tuple(dict.fromkeys(finding.code for finding in checked.findings if finding.effect == "refuse"))
    return desk.refuse(checked, codes, OFFICER) if codes else checked


def _missing(replay: Replay, missing: Drawn, waiting: Demand) -> None:
    rows, order, waits = replay.scene(SCENE), [missing.order], int(waiting.state == WAITING)
    left, branch = replay.nights.left.given(order), replay.nights.branch.given(order)
    rows.exactly("a missing person (one line, 3 days, a court order): passes, waits", "demands", None, waits, 1)
    rows.zero("a missing person: what the branch alone can give", "party-days", left.party_days, branch.party_days)
    rows.note(
        "The one demand for a missing person passes every rule. It waits for two people abroad and two custodians;"
        " this release has nothing yet by which they could answer, and the branch cannot."
    )


def _letter(replay: Replay, desk: demands.Desk, refused: Demand) -> None:
    """The letter of the longest list."""
    made = letters.letter(refused, replay.deployment.policy(), desk.rules, OFFICER)
    path = replay.out / "letter.pdf"
    durable.write_file(path, pdf(made), 0o644)
    replay.link("the letter that refuses the longest list", path)
