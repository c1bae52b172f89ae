"""The certificate "Keys of this store destroyed": the fields of NIST SP 800-88, and what it does not cover.

It speaks of keys, never of data, and calls an overwritten file "Clear": a file may live on in a snapshot or in a disk's
spare cells. What nobody said is "not given".
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from unheld.exit.held import Destroyed
from unheld.exit.issuing import capital, inventory_words
from unheld.exit.limits import LIMITS
from unheld.exit.spec import known, text, toml
from unheld.inventory import Inventory
from unheld.papers.document import Block, Bullets, Document, Facts, Heading, Notice, Table
from unheld_branch.store.policy import Policy
from unheld_verify.errors import BadInputError
from unheld_verify.paper import CERTIFICATE_TITLE, Body, Paper

NOT_GIVEN = "not given"
MEDIA = (
    "manufacturer", "model", "serial_number", "property_number", "media_type", "media_source",
    "pre_sanitization_confidentiality", "data_backup",
)  # fmt: skip
AFTER = ("post_sanitization_confidentiality", "post_sanitization_destination")
PERSON = ("name", "position_title", "date", "location", "contact")
_PERSONS = ("sanitization", "verification")

_SOFTWARE = "software token"
# By the class of a slot: what NIST SP 800-88 would call its erasing, and why not more.
_DESCRIPTIONS: Mapping[str, str] = {
    "file": (
        "Clear: the 32-byte key was overwritten in place in a file and read back. Not Purge: it does not survive "
        "a snapshot, mirror or backup of that file, a file system that copies on write, or a disk's spare cells "
        "(wear levelling)."
    ),
    "token": (
        "Purge, as far as the module keeps its word: a key that cannot be taken out was destroyed in it. It does not "
        "survive a clone or backup of the token that the module allows."
    ),
    _SOFTWARE: (
        "Clear at most: the key was destroyed in a token that is a program. Not Purge: its files survive a snapshot, "
        "mirror or backup of their disk."
    ),
}
_ERASE = {
    "algorithm": "Algorithm",
    "key_bits": "Size of keys, bits",
    "random": "Random numbers from",
    "wrapped_by": "Keys are wrapped by",
    "external_keys": "Keys held elsewhere",
    "founded": "Store founded on",
    "sealing_days": "Days opened for sealing",
    "records_at_most": "Records sealed, at most",
    "acts": "Erasures of everything",
    "custodians": "Custodians (n)",
    "threshold": "Needed to open a day (t)",
    "attested": "Custodians that attest",
    "unaccounted": "Unaccounted for",
    "condition": "Condition",
}
ASSUMPTIONS = (
    "Records came to the disks of this store sealed only, and nobody kept their keys while a day was open.",
    "The slots lay on no disk that is snapshotted, mirrored, copied on write or backed up.",
    "Memory of the programs that held keys was in no swap, hibernation file, crash dump or machine image that is kept.",
    "Fewer than t custodians kept the keys that they say they erased, or a copy of them.",
    "Nobody had copied rows and column keys before.",
    "AES-256-GCM, SHA-512 and HMAC-SHA-256 stay as hard to break as they are believed to be.",
    "The clock was right, and the log's owner showed everybody the same log.",
)


@dataclass(frozen=True)
class Custody:
    """The custodians on the day of a certificate: how many of n attest that they erased; t open a closed day."""

    n: int
    t: int
    attested: int
    slots: tuple[str, ...]


def blank() -> str:
    """An empty form."""
    media = "\n".join(f'# {name} = ""' for name in MEDIA)
    after = "\n".join(f'# {name} = ""' for name in AFTER)
    persons = "\n\n".join(f"[{part}]\n" + "\n".join(f'# {name} = ""' for name in PERSON) for part in _PERSONS)
    return (
        "# A certificate's form (NIST SP 800-88). Take the # away from what you know; what stays out is printed as\n"
        f'# "{NOT_GIVEN}". One [[media]] for each disk or token that held a slot or the store.\n\n'
        f"[[media]]\n{media}\n\n[after]\n{after}\n\n"
        f"# Who erased, and who verified it. Signatures are made on paper.\n{persons}\n\n"
        '# Further assumptions that this certificate rests on.\n# [more]\n# assumptions = ["…"]\n'
    )


def form(path: Path | None) -> dict[str, Any]:
    """What a form says, every field of it. Raises BadInputError naming the field."""
    if path is None:
        given: dict[str, Any] = {}
    else:
        given = toml(path)
    try:
        return _form(given)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from None


def body(policy: Policy, found: Destroyed, custody: Custody, inventory: Inventory | None, said: dict[str, Any]) -> Body:
    """What a certificate says."""
    return {
        "title": CERTIFICATE_TITLE,
        "destroyed": {"day": found.day, "slots": found.slots, "copies": found.copies},
        "media": said["media"],
        "sanitization": {
            "description": _description(found.slots),
            "method_used": "Cryptographic erase: the key of every party's key was destroyed, then every column's.",
            "tool_used": f"unheld {metadata.version('unheld')}",
            "verification_method": (
                "Full: after each destruction the slot is read again, and the old key opens nothing."
            ),
            **said["after"],
        },
        "persons": said["persons"],
        "erase": _erase(policy, found, custody),
        "slots": [_slot("the root of all parties' keys, and of every copy", found.slots)]
        + [_slot("a custodian's column keys", words) for words in sorted(set(custody.slots))],
        "inventory": _inventory(inventory),
        "assumptions": [*ASSUMPTIONS, *said["assumptions"]],
        "not_promised": list(LIMITS),
        "time_stamp": "none (RFC 3161): the log's order is the only witness of time",
        "witnesses": "none: rollback by the owner is not detectable",
    }


def _erase(policy: Policy, found: Destroyed, custody: Custody) -> dict[str, Any]:
    return {
        "algorithm": "AES-256-GCM under keys derived with SHA-512 (NIST SP 800-56C) and AES-256",
        "key_bits": 256,
        "random": "the operating system's generator",
        "wrapped_by": "each node of the key tree by the one above it, the root by the slot's 32 bytes",
        "external_keys": "column keys, split among custodians",
        "founded": found.founded,
        "sealing_days": found.sealing_days,
        "records_at_most": found.records_at_most,
        "acts": found.acts,
        "custodians": policy.n,
        "threshold": policy.t,
        "attested": custody.attested,
        "unaccounted": policy.n - custody.attested,
        "condition": f"column keys are erased only if fewer than {policy.t} of {policy.n} custodians kept theirs",
    }


def _description(slots: str) -> str:
    return _DESCRIPTIONS.get(
        _SOFTWARE if _SOFTWARE in slots else slots.partition(":")[0],
        f"Not classed by this version: the slot calls itself {slots!r}; see its module's papers.",
    )


def _slot(what: str, words: str) -> dict[str, str]:
    return {"holds": what, "class": words, "description": _description(words)}


def _inventory(found: Inventory | None) -> dict[str, Any]:
    places = [
        {**asdict(place), "covered": "yes" if place.covered else "NO"} for place in (found.places if found else [])
    ]
    return {"words": inventory_words(found), "places": places}


def _form(given: dict[str, Any]) -> dict[str, Any]:
    known(given, {"media", "after", "more", *_PERSONS}, "the form")
    media = given.get("media", [{}]) or [{}]
    if not isinstance(media, list) or not all(isinstance(item, dict) for item in media):
        raise BadInputError("media: write [[media]] above each")
    more = given.get("more", {})
    if not isinstance(more, dict) or not isinstance(more.get("assumptions", []), list):
        raise BadInputError("[more]: assumptions is a list of texts")
    known(more, {"assumptions"}, "[more]")
    assumptions = [text({"assumptions": item}, "assumptions", "[more]") for item in more.get("assumptions", [])]
    return {
        "media": [_fields(item, MEDIA, f"[[media]] {number}") for number, item in enumerate(media, 1)],
        "after": _fields(given.get("after", {}), AFTER, "[after]"),
        "persons": {part: _person(given.get(part, {}), part) for part in _PERSONS},
        "assumptions": assumptions,
    }


def _fields(given: Any, names: tuple[str, ...], place: str) -> dict[str, str]:
    if not isinstance(given, dict):
        raise BadInputError(f"{place} is no table")
    known(given, set(names), place)
    return {name: text(given, name, place, "") or NOT_GIVEN for name in names}


def _person(given: Any, part: str) -> dict[str, str]:
    if isinstance(given, dict) and isinstance(given.get("date"), datetime.date):
        given = given | {"date": given["date"].isoformat()}
    return _fields(given, PERSON, f"[{part}]") | {"signature": "on paper"}


def document(paper: Paper) -> Document:
    """A certificate for people."""
    said = paper.body
    done, erase = said["destroyed"], said["erase"]
    blocks: list[Block] = [
        Notice(
            "What this says",
            f"Headquarters states: on {done['day']} the keys that open what was sealed in this store until then were "
            f"destroyed in each key tree that the log counted then ({done['copies']}). What was copied before together "
            "with its keys, and what was sealed later, this does not cover. Nothing here says that bytes are gone, or "
            "that no copy exists elsewhere. Paper alone is a statement; the JSON file, checked with unheld-verify, "
            "shows what the public log says of it.",
        ),
        Facts(
            (
                ("Store", paper.store),
                ("Public log", paper.log),
                ("Made on", paper.day),
                ("Digest of this paper", paper.digest.hex()),
                ("How to check", "unheld-verify certificate.json --log-key KEY, offline, with the log's public key"),
            )
        ),
        Notice("Other places", f"{capital(said['inventory']['words'])}.", "warning"),
        *_places(said["inventory"]["places"]),
        Heading("Cryptographic erase"),
        Facts(tuple((_ERASE[name], _shown(value)) for name, value in erase.items())),
        Notice("Custodians", _custodians(erase), "warning" if erase["unaccounted"] else "statement"),
        Heading("What held the keys"),
        Table(
            "Slots, and what each does not survive",
            ("holds", "class", "description (NIST SP 800-88)"),
            tuple((slot["holds"], slot["class"], slot["description"]) for slot in said["slots"]),
        ),
        *_nist(said),
        Heading("What this certificate assumes"),
        Bullets(tuple(said["assumptions"])),
        Heading("What it does not promise"),
        Bullets(tuple(said["not_promised"])),
        Facts((("Time stamp", said["time_stamp"]), ("Witnesses", said["witnesses"]))),
    ]
    footer = f"{said['title']}: store {paper.store}, {paper.day}. It has not been audited."
    subtitle = "Certificate of sanitization by cryptographic erase"
    return Document(said["title"], subtitle, "en", datetime.date.fromisoformat(paper.day), tuple(blocks), footer)


def _places(places: list[dict[str, Any]]) -> list[Block]:
    if not places:
        return []
    rows = tuple(
        (place["name"], place["owner"], place["holds"], place["retention"], place["covered"]) for place in places
    )
    return [Table("Other places known to hold such data", ("place", "owner", "holds", "keeps", "covered"), rows)]


def _custodians(erase: Mapping[str, Any]) -> str:
    return (
        f"{erase['attested']} of {erase['custodians']} custodians attest on the day of this certificate that they hold "
        f"no key of it; {erase['unaccounted']} unaccounted for. {erase['condition'].capitalize()}. "
        "What a custodian says is testimony, not proof."
    )


def _nist(said: Body) -> list[Block]:
    blocks: list[Block] = [Heading("Fields of NIST SP 800-88")]
    for number, medium in enumerate(said["media"], 1):
        blocks += [Heading(f"Medium {number}", 3), Facts(tuple((_label(name), medium[name]) for name in MEDIA))]
    blocks += [
        Heading("Sanitization", 3),
        Facts(tuple((_label(key), value) for key, value in said["sanitization"].items())),
    ]
    for part, title in (("sanitization", "Sanitized by"), ("verification", "Verified by")):
        person = said["persons"][part]
        pairs = tuple((_label(name), person[name]) for name in PERSON)
        blocks += [Heading(title, 3), Facts((*pairs, ("Signature", "_" * 36)))]
    return blocks


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
