"""The buyer record: facts about a buyer, each with its source and date, and who owns it once all conditions are met.

It adds up what is known and calls the rest UNKNOWN. It weighs nothing, compares nobody with any list and gives no
mark: that is for people, who read the sources.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from unheld.exit.spec import known, text, toml
from unheld.papers.document import Block, Document, Facts, Heading, Notice, Paragraph, Table
from unheld_verify.errors import BadInputError
from unheld_verify.paper import Body, Paper

UNKNOWN = "unknown"
_SHARE_KEYS = {"owner", "of", "percent", "from", "to", "source", "date"}
_FACT_KEYS = {"about", "says", "source", "date"}
_NETWORK = "the network"
_ITEMS_MOST = 500

BLANK = """\
# A buyer record. Every fact needs a source and the date of that source. What nobody knows is "unknown": write it so.

buyer = ""            # who signs the contract

[[fact]]
about = ""            # whom or what the fact is about
says = ""             # the fact in one sentence, or "unknown"
source = ""           # a paper, a register, an address where others can read it
date = 2000-01-01     # the date of that source

# Who owns the network once ALL conditions are met: partners that a regulator asks for, options, sales agreed on and not
# yet carried out. One table for each owner and time; a chain of companies has one for each step.
[[share]]
owner = ""
of = "the network"    # or the company that is owned
percent = "unknown"   # or a number, for example 49 or 49.5
from = "unknown"      # the date from which it holds, also a coming one
# to = 2000-01-01     # the date until which it holds, if it ends
source = ""
date = 2000-01-01
"""


@dataclass(frozen=True)
class Share:
    """A share of one owner in one thing; None is unknown. Dates are ISO, `to` is empty where the share does not end."""

    owner: str
    of: str
    percent: Decimal | None
    begins: str
    ends: str
    source: str
    date: str


def body(path: Path, today: str) -> Body:
    """What a buyer record says, from its form. Raises BadInputError naming the field and the mend."""
    try:
        given = toml(path, parse_float=Decimal)
        known(given, {"buyer", "fact", "share"}, "the form")
        facts = [_fact(item, place, today) for place, item in _items(given, "fact")]
        shares = [_share(item, place, today) for place, item in _items(given, "share")]
        _check_sums(shares)
        buyer = text(given, "buyer", "the form")
    except BadInputError as error:
        words = str(error)
        raise BadInputError(words if words.startswith(str(path)) else f"{path}: {words}") from None
    return {
        "title": "Buyer record",
        "buyer": buyer,
        "facts": facts,
        "shares": [_shown(share) for share in shares],
        "owned": _owned(shares),
        "not_done": "No score, no comparison with any list of names, no reckoning of sanctions.",
    }


def document(paper: Paper) -> Document:
    """A buyer record for people."""
    said = paper.body
    facts = tuple((item["about"], _loud(item["says"]), item["source"], item["date"]) for item in said["facts"])
    blocks: list[Block] = [
        Facts((("Buyer", said["buyer"]), ("Made on", paper.day), ("Store", paper.store), ("Log", paper.log))),
        Heading("Who owns it after all conditions are met"),
        *(block for item in said["owned"] for block in _whole(item, said["shares"])),
        Heading("Facts"),
        Table("Facts, each with its source", ("about", "fact", "source", "date of the source"), facts),
        Paragraph(said["not_done"]),
        Facts((("Digest of this paper", paper.digest.hex()),)),
    ]
    day = datetime.date.fromisoformat(paper.day)
    footer = "Headquarters wrote down what its sources say. Whether they are right, this paper does not say."
    return Document(said["title"], f"of {said['buyer']}, {paper.day}", "en", day, tuple(blocks), footer)


def _whole(item: Mapping[str, str], shares: Sequence[Mapping[str, str]]) -> list[Block]:
    """The shares in one whole, and how much of it nobody knows."""
    rows = tuple(
        (share["owner"], _loud(share["percent"]), _time(share), f"{share['source']} ({share['date']})")
        for share in shares
        if share["of"] == item["of"]
    )
    known_ = f"Known in the end: {item['known_percent']} percent of {item['of']}."
    table = Table(f"Shares in {item['of']}", ("owner", "percent", "when", "source"), rows)
    if item["unknown_percent"] == "0":
        return [table, Notice("All of it is known", known_)]
    words = f"{known_} Who owns the other {item['unknown_percent']} percent is UNKNOWN. Unknown is not clean."
    return [table, Notice("UNKNOWN", words, "warning")]


def _loud(value: str) -> str:
    return "UNKNOWN" if value == UNKNOWN else value


def _time(item: Mapping[str, str]) -> str:
    begins = f"from {_loud(item['from'])}"
    return f"{begins} to {_loud(item['to'])}" if item["to"] else begins


def _items(given: Mapping[str, Any], name: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    listed = given.get(name, [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise BadInputError(f"{name}: write [[{name}]] above each")
    if len(listed) > _ITEMS_MOST:
        raise BadInputError(f"{name}: {len(listed):,} are too many for one record; at most {_ITEMS_MOST:,}")
    return [(f"[[{name}]] {number}", item) for number, item in enumerate(listed, 1)]


def _fact(given: Mapping[str, Any], place: str, today: str) -> dict[str, str]:
    known(given, _FACT_KEYS, place)
    said = {name: text(given, name, place) for name in ("about", "says", "source")}
    return said | {"date": _past(given, place, today)}


def _share(given: Mapping[str, Any], place: str, today: str) -> Share:
    known(given, _SHARE_KEYS, place)
    begins, ends = _date(given, "from", place), _date(given, "to", place) if "to" in given else ""
    if UNKNOWN not in {begins, ends} and ends and ends < begins:
        raise BadInputError(f"{place}: to is before from; a share ends after it begins")
    return Share(
        text(given, "owner", place),
        text(given, "of", place, _NETWORK),
        _percent(given, place),
        begins,
        ends,
        text(given, "source", place),
        _past(given, place, today),
    )


def _percent(given: Mapping[str, Any], place: str) -> Decimal | None:
    value = given.get("percent")
    if value == UNKNOWN:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise BadInputError(f'{place}: percent is missing, or is no number; write a number, or "{UNKNOWN}"')
    percent = Decimal(value)
    if not percent.is_finite() or not 0 < percent <= 100:
        raise BadInputError(f"{place}: percent is not above 0 and at most 100; mend the number")
    if percent != percent.quantize(Decimal("0.0001")):
        raise BadInputError(f"{place}: percent has more than 4 decimals; round it")
    return percent


def _date(given: Mapping[str, Any], name: str, place: str) -> str:
    value = given.get(name)
    if value == UNKNOWN:
        return UNKNOWN
    if not isinstance(value, datetime.date) or isinstance(value, datetime.datetime):
        raise BadInputError(f'{place}: {name} is missing, or is no date; write {name} = 2022-03-18, or "{UNKNOWN}"')
    return value.isoformat()


def _past(given: Mapping[str, Any], place: str, today: str) -> str:
    """The date of a source: a fact without one cannot be weighed by anybody."""
    found = _date(given, "date", place)
    if found == UNKNOWN:
        raise BadInputError(f"{place}: date is the date of the source, at least the day on which you read it")
    if found > today:
        raise BadInputError(f"{place}: date {found} is to come; give the date of the source")
    return found


def _check_sums(shares: Sequence[Share]) -> None:
    """Somebody is named, and no whole has more than 100 percent on any day of which the form speaks."""
    if not shares:
        raise BadInputError("[[share]] is missing: who owns the network after all conditions are met? Say unknown")
    for share in shares:
        held = [other for other in shares if other.of == share.of and _holds(other, share.begins)]
        if sum(other.percent or 0 for other in held) > 100:
            raise BadInputError(
                f"[[share]] of {share.of!r}: more than 100 percent from {share.begins}; mend percent, from or to"
            )
        if sum(other.percent or 0 for other in shares if other.of == share.of and not other.ends) > 100:
            raise BadInputError(
                f"[[share]] of {share.of!r}: more than 100 percent in the end; give the shares that end a to"
            )


def _holds(share: Share, day: str) -> bool:
    """Whether a share holds on a day, or from no known day (then together with all that begin so)."""
    if UNKNOWN in {share.begins, day}:
        return share.begins == day
    return share.begins <= day and (share.ends in {"", UNKNOWN} or day < share.ends)


def _owned(shares: Sequence[Share]) -> list[dict[str, str]]:
    """Of each whole what is known and what is not, once all conditions are met: shares that end do not count."""
    wholes = dict.fromkeys(share.of for share in shares)
    sums = {whole: Decimal(0) for whole in wholes}
    for share in shares:
        if not share.ends:
            sums[share.of] += share.percent or 0
    return [
        {"of": whole, "known_percent": _number(known_), "unknown_percent": _number(100 - known_)}
        for whole, known_ in sums.items()
    ]


def _shown(share: Share) -> dict[str, str]:
    percent = UNKNOWN if share.percent is None else _number(share.percent)
    return {
        "owner": share.owner, "of": share.of, "percent": percent, "from": share.begins, "to": share.ends,
        "source": share.source, "date": share.date,
    }  # fmt: skip


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"
