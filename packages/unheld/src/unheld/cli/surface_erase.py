"""What `unheld erase` may answer with (see `surface`)."""

from __future__ import annotations

from collections.abc import Mapping

ERASE: Mapping[str, Mapping[str, str]] = {
    "erase plan": {
        "digest": "SHA-256 of the plan",
        "act": "party, parties, day, class or everything",
        "counts.*": "parties named, whether known or not; columns, blocks_at_most; rows of all parties",
        "plan": "the file the caller named",
        "box": "the file beside it: one party's, for that party",
        "claim_code": "random, to be handed to that party",
        "others[].*": "the same of other data centres' plans",
        "others[].counts.*": "the same",
    },
    "erase apply": {
        "act": "party, parties, day, class or everything",
        "rows": "a count",
        "columns": "a count",
        "custodians": "how many attested",
        "milliseconds": "how long it took",
        "erasable_slot": "class of the slot",
        "copies": "copies of the tree",
        "inventory": "the inventory in a sentence",
    },
}
