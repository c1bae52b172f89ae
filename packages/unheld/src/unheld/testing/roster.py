"""The roster: every identity of one synthetic operator, by place, in the spellings in which plain data writes them.

It is what keeps the seizure from being a search: text that is not on the roster has no place, and gets no figure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from unheld.testing.arrow import Ints
from unheld.testing.population import ALPHA_SENDERS, SHORT_SENDERS
from unheld.testing.synthetic import Operator
from unheld_verify.errors import NotAllowedError

STRANGER = -1


@dataclass(frozen=True)
class Roster:
    """Parties by number. A SIM of a subscriber is that subscriber; a visitor is known by the SIM alone."""

    spellings: pa.StringArray = field(repr=False)
    numbers: Ints = field(repr=False)
    senders: pa.StringArray = field(repr=False)
    papers: pa.StringArray = field(repr=False)
    cells: pa.StringArray = field(repr=False)
    _places: dict[str, int] = field(repr=False)

    def of_texts(self, texts: pa.StringArray) -> Ints:
        """The party of each text, STRANGER where it is none of the operator's."""
        at = pc.fill_null(pc.index_in(texts, value_set=self.spellings), STRANGER).to_numpy()
        return np.where(at >= 0, self.numbers[at], STRANGER).astype(np.int64)

    def of_identities(self, identities: Collection[str]) -> Ints:
        """The party of each identity. Raises NotAllowedError when one is not of the synthetic operator."""
        strangers = sum(identity not in self._places for identity in identities)
        if strangers:
            raise NotAllowedError(
                f"{strangers} of {len(identities)} identities are not of the synthetic operator: nothing was looked at."
                " This works on made-up networks only"
            )
        return np.array([self._places[identity] for identity in identities], np.int64)


def roster(operator: Operator) -> Roster:
    """The roster of an operator."""
    people, count = operator.population, operator.subscribers
    phones = people.book.slice(0, people.first_sender)
    own, visiting = people.imsi.slice(0, count), people.imsi.slice(count)
    sims = np.concatenate([np.arange(count), len(phones) + np.arange(len(visiting))])
    held = operator.registry()
    names = [f"tel:{phone}" for phone in phones.to_pylist()] + [f"imsi:{sim}" for sim in visiting.to_pylist()]
    subscribers_sims = {f"imsi:{sim}": place for place, sim in enumerate(own.to_pylist())}
    return Roster(
        pa.concat_arrays([phones, pc.utf8_slice_codeunits(phones, 1), people.imsi]),
        np.concatenate([np.arange(len(phones)), np.arange(len(phones)), sims]),
        pa.array([*SHORT_SENDERS, *ALPHA_SENDERS], pa.string()),
        pa.chunked_array([*held["holder"].chunks, *held["document"].chunks]).combine_chunks(),
        operator.cells()["location_id"].combine_chunks(),
        {**subscribers_sims, **{name: place for place, name in enumerate(names)}},
    )
