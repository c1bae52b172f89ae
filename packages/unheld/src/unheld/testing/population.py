"""Who lives in the synthetic country: identities, places, and who knows whom. Fixed by one seed.

The contact graph has communities of heavy-tailed size, degrees with a heavy tail, and a few numbers that everybody
knows; each community lives around one radio cell. All cells lie in the sea near 0° N 0° E.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from unheld.testing import impossible
from unheld.testing.arrow import Ints, joined, text

Floats = npt.NDArray[np.float64]

SHORT_SENDERS = ("1333", "1875", "505", "8080")
ALPHA_SENDERS = ("NOBODYBANK", "NOBODYPOST", "NOBODYSHOP", "TESTCLINIC")  # 11 characters at most, by GSM
MOST_CONTACTS = 200
SMALLEST_COMMUNITY = 12


@dataclass(frozen=True)
class Population:
    """The unchanging part of a synthetic operator. Indices below `subscribers` are on-net parties."""

    subscribers: int
    msisdn: pa.StringArray  # of subscribers
    imsi: pa.StringArray  # of subscribers, then of roamers
    imei: pa.StringArray  # of subscribers, then of roamers
    book: pa.StringArray  # msisdn of subscribers, off-net numbers, short and alphanumeric senders
    first_sender: int  # index in `book`
    activity: Floats  # cumulated share of events per subscriber, ends with 1
    home: Ints
    work: Ints
    contact_start: Ints  # contacts of party i: contacts[contact_start[i] : contact_start[i + 1]]
    contacts: Ints  # indices in `book`
    cells: pa.Table

    @property
    def roamers(self) -> int:
        """How many visitors there are, known by IMSI only."""
        return len(self.imsi) - self.subscribers


def populate(seed: int, subscribers: int) -> Population:
    """The population of a seed."""
    rng = np.random.default_rng([seed, 0])
    off_net, roamers = subscribers // 2 + 1, subscribers // 50 + 1
    msisdn = impossible.msisdns(impossible.draw(rng, impossible.ON_NET, subscribers))
    others = impossible.msisdns(impossible.draw(rng, impossible.OFF_NET, off_net))
    msin = impossible.draw(rng, impossible.HOME_MSIN, subscribers)
    visiting = impossible.draw(rng, impossible.ROAMER_MSIN, roamers)
    bodies = impossible.draw(rng, impossible.IMEI_BODIES, subscribers + roamers)
    community = _communities(rng, subscribers)
    start, contacts = _contacts(rng, community, off_net)
    cells = _cells(rng, max(12, subscribers // 100))
    home, work = _places(rng, community, cells.num_rows)
    weight = rng.lognormal(0.0, 1.0, subscribers)
    return Population(
        subscribers,
        msisdn,
        impossible.imsis(np.concatenate([msin, visiting])),
        impossible.imeis(bodies),
        pa.concat_arrays([msisdn, others, pa.array(SHORT_SENDERS + ALPHA_SENDERS, pa.string())]),
        subscribers + off_net,
        np.cumsum(weight) / weight.sum(),
        home,
        work,
        start,
        contacts,
        cells,
    )


def registry(people: Population, seed: int, before: date) -> pa.Table:
    """Who holds which number since when: names and documents are unique specimens, readable as such."""
    rng = np.random.default_rng([seed, 1])
    count = people.subscribers
    since = np.datetime64(before) - rng.integers(1, 3650, count).astype("timedelta64[D]")
    paper = text(impossible.draw(rng, range(10**9), count), 9)
    groups = [pc.utf8_slice_codeunits(paper, i, i + 3) for i in (0, 3, 6)]
    return pa.table(
        {
            "msisdn": people.msisdn,
            "imsi": people.imsi.slice(0, count),
            "imei": people.imei.slice(0, count),
            "holder": _names(impossible.draw(rng, range(26**6), count)),
            "since": pa.array(since.astype("datetime64[D]")),
            "document": joined("XX", *groups, by="-"),
        }
    )


def _names(numbers: Ints) -> pa.StringArray:
    letters = np.empty((len(numbers), 6), np.uint8)
    for place in range(6):
        letters[:, place] = ord("A") + numbers % 26
        numbers = numbers // 26
    return joined("Specimen", pa.array(letters.view("S6").ravel().astype("U6"), pa.string()), by=" ")


def _communities(rng: np.random.Generator, count: int) -> Ints:
    """The community of each subscriber, ascending; sizes follow a Pareto law."""
    most = count // SMALLEST_COMMUNITY + 1
    sizes = (SMALLEST_COMMUNITY * (1 + rng.pareto(1.6, most))).astype(np.int64).clip(max=max(count // 4, 2))
    members = np.repeat(np.arange(most), sizes)[:count]
    return np.append(members, np.full(count - len(members), most - 1))  # a village may be short of people


def _contacts(rng: np.random.Generator, community: Ints, off_net: int) -> tuple[Ints, Ints]:
    """An undirected graph in rows: where each party's contacts begin, and the contacts."""
    count = len(community)
    degree = (1 + 2.5 * rng.pareto(1.7, count)).astype(np.int64).clip(max=MOST_CONTACTS)
    source = np.repeat(np.arange(count), degree)
    size = np.bincount(community)
    first = np.concatenate([[0], np.cumsum(size)])
    near = first[community[source]] + (rng.random(len(source)) * size[community[source]]).astype(np.int64)
    # a cubed uniform draw makes few numbers known to many, in a random order of numbers
    popular = rng.permutation(count)[(rng.random(len(source)) ** 3 * count).astype(np.int64)]
    outside = count + (rng.random(len(source)) ** 3 * off_net).astype(np.int64)
    kind = rng.random(len(source))
    target = np.where(kind < 0.7, near, np.where(kind < 0.8, popular, outside))
    source, target = source[source != target], target[source != target]
    mutual = target < count
    both = np.concatenate([source, target[mutual]]), np.concatenate([target, source[mutual]])
    order = np.argsort(both[0], kind="stable")
    start = np.searchsorted(both[0][order], np.arange(count + 1))
    return start, both[1][order]


def _cells(rng: np.random.Generator, count: int) -> pa.Table:
    """Cells on a loose grid of about 3 km in the sea near 0° N 0° E."""
    side = math.ceil(math.sqrt(count))
    place = np.arange(count)
    lat = (place // side) * 0.03 + rng.normal(0, 0.005, count)
    lon = (place % side) * 0.03 + rng.normal(0, 0.005, count)
    return pa.table({"location_id": joined("c", text(place, 5)), "lat": lat.round(5), "lon": lon.round(5)})


def _places(rng: np.random.Generator, community: Ints, cells: int) -> tuple[Ints, Ints]:
    """Home and work cell: homes lie around the community's cell, work is often in the busy middle."""
    count = len(community)
    centre = rng.integers(0, cells, community[-1] + 1)[community]
    home = (centre + rng.integers(-1, 2, count)) % cells
    town = (rng.normal(0.5, 0.12, count).clip(0, 0.999) * cells).astype(np.int64)
    return home, np.where(rng.random(count) < 0.6, town, home)
