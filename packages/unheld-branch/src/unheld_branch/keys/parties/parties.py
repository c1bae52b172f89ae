"""Parties: who holds an identity, since when, and the key and label of each; the noun the workflows use.

Every change gives new `Parties`, and what it writes waits in `nodes` for the commit. Several changes may follow each
other before one commit; each starts from the last result, since nodes that die before a commit are not kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from unheld_branch.keys.parties import newcomers
from unheld_branch.keys.parties import rows as rows_
from unheld_branch.keys.parties import tags as tags_
from unheld_branch.keys.parties import tree as tree_
from unheld_branch.keys.parties.newcomers import Made, Newcomers
from unheld_branch.keys.parties.nodes import KEY_BYTES, Nodes
from unheld_branch.keys.parties.rows import TAG_BYTES, Bytes, Index, Mask, Rows
from unheld_branch.keys.parties.tree import Tree
from unheld_verify.errors import BadInputError, StateError

SUBSCRIBERS = 0
_NOT_FOUND = -1

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """An answer about n identities: `trees` has the tree number of each (-1: no row), `rows` the rows there are.

    The rows stand in the order asked: row i belongs to the i-th identity where `mask` is true.
    """

    trees: Numbers
    rows: Rows

    @property
    def mask(self) -> Mask:
        """Which of the identities have a row."""
        mask: Mask = self.trees != _NOT_FOUND
        return mask


@dataclass(frozen=True)
class Dropped:
    """What a forgetting took out: the rows, linked ones included, and which of the tags asked for were not there."""

    rows: Rows
    missed: Mask


@dataclass(frozen=True)
class Parties:
    """The trees of one generation by number: 0 subscribers, yyyymm the other parties met in that month."""

    nodes: Nodes
    trees: Mapping[int, Tree]

    def find(self, identities: Sequence[str], numbers: Sequence[int]) -> Found:
        """The present holder's row of each identity, from the first of the trees that has one."""
        return self._resolve(identities, numbers, None)

    def owner_at(self, identities: Sequence[str], times: Sequence[int] | Numbers, numbers: Sequence[int]) -> Found:
        """The row of whoever held each identity at its Unix time: no later holder's, and no earlier one's."""
        when = np.asarray(times, np.int64)
        if when.shape != (len(identities),):
            raise BadInputError(f"{len(identities)} identities need as many times, not {when.shape}")
        return self._resolve(identities, numbers, when)

    def earlier_holder(self, identity: str, time: int, number: int) -> Rows:
        """The row (or none) of an earlier holder at a Unix time whom `owner_at` does not reach.

        It goes from holder to holder, and that path breaks where one between was forgotten. This reads the whole tree
        for the seconds at which times ended and tries each: for forgetting and own access, not for sealing.
        """
        tree = self._tree(number)
        endings = np.unique(np.concatenate([rows_.empty().ended, *(leaf.ended for leaf in self.walk(number))]))
        later = endings[endings > time].tolist()
        rows, _ = tree_.lookup(tree, self.nodes, tags_.tags(tree.tag_key, [identity] * len(later), later))
        return rows.take(np.flatnonzero(rows.since <= time)[:1])

    def add(self, number: int, parties: Newcomers) -> tuple[Parties, Made]:
        """Make rows with fresh keys. Raises StateError, and changes nothing, if an identity has a row already."""
        tree = self._tree_for(number)
        made = newcomers.make(parties, tree.tag_key, self.nodes.random)
        self._refuse_present(tree, made.rows.tags)
        return self._with(number, tree_.apply(tree, self.nodes, made.rows)), made

    def enrol(
        self, number: int, identities: Sequence[str], holders: Sequence[str], since: Sequence[int]
    ) -> tuple[Parties, Made]:
        """Note who holds identities, and since when, whose rows know no holder: records came before the registry did.

        Raises StateError if an identity has no row, BadInputError if a row names a holder already.
        """
        tree = self._tree(number)
        rows = self._present(tree, tags_.tags(tree.tag_key, identities))
        made = newcomers.enrolled(rows, identities, holders, since)
        return self._with(number, tree_.apply(tree, self.nodes, made.rows)), made

    def link(self, number: int, identities: Sequence[str], imsis: Sequence[str], since: int) -> tuple[Parties, Made]:
        """Give parties a further SIM: a row for each IMSI with the key and label of the identity at its place.

        Raises StateError if an identity has no row, or an IMSI has one (retire its earlier holder first).
        """
        tree = self._tree(number)
        owners = self._present(tree, tags_.tags(tree.tag_key, identities))
        made = newcomers.linked(owners, imsis, since, tree.tag_key)
        self._refuse_present(tree, made.rows.tags)
        back = rows_.make_extras(owners.tags, rows_.LINK, made.rows.tags)
        known = _with_extras(owners.take(_first(owners.tags)), back)
        return self._with(number, tree_.apply(tree, self.nodes, rows_.join([known, made.rows]))), made

    def retire(self, number: int, identities: Sequence[str], ended: int) -> Parties:
        """End the time of the present holders at the second `ended`, at which the new holders begin (`add` since it).

        The rows move, with their keys, to tags that only `owner_at` reaches; links to them follow.
        Raises StateError if an identity has no row, BadInputError if a holder began at `ended` or later.
        """
        tree = self._tree(number)
        old, new = tags_.tags(tree.tag_key, identities), tags_.tags(tree.tag_key, identities, ended)
        rows = self._present(tree, old)
        if (rows.since >= ended).any():
            raise BadInputError("a holder cannot end before having begun: check the date of the change of holder")
        self._refuse_present(tree, new)
        named = np.concatenate([rows.links()[1], rows.links(rows_.SAME_HOLDER)[1]])
        linked, _ = tree_.lookup(tree, self.nodes, _without(named, old))
        moved = replace(rows, ended=np.full(len(rows), ended, np.uint32))
        family = _renamed(rows_.join([moved, linked.take(_first(linked.tags))]), old, new)
        return self._with(number, tree_.apply(tree, self.nodes, family, old))

    def change_holders(self, number: int, parties: Newcomers) -> tuple[Parties, Made]:
        """New holders from the second `since` on, whoever held their identities and SIMs before: retire, then add."""
        tree = self._tree(number)
        if not isinstance(parties.since, int):
            raise BadInputError("a change of holders happens at one second: give `since` as one number")
        taken = [*parties.identities, *(imsi for imsi in parties.imsis if imsi is not None)]
        _, hit = tree_.lookup(tree, self.nodes, tags_.tags(tree.tag_key, taken))
        held = [identity for identity, there in zip(taken, hit.tolist(), strict=True) if there]
        return self.retire(number, held, parties.since).add(number, parties)

    def rekey(self, number: int, parties: Newcomers) -> tuple[Parties, Made]:
        """The same holders under other keys from the second `since` on: new rows, and the old ones retired.

        Both know of each other, so that forgetting a holder follows from either; no key leads from one to the other.
        """
        after, made = self.change_holders(number, parties)
        tree, since = after._tree(number), int(made.rows.since.max())
        new, old = tags_.tags(tree.tag_key, made.identities), tags_.tags(tree.tag_key, made.identities, since)
        here, there = after._present(tree, new), tree_.lookup(tree, self.nodes, old)[1]
        knows = rows_.make_extras(new[there], rows_.SAME_HOLDER, old[there])
        known = rows_.make_extras(old[there], rows_.SAME_HOLDER, new[there])
        both = rows_.join([here, after._present(tree, old[there])])
        both = _with_extras(both, np.concatenate([knows, known]))
        return after._with(number, tree_.apply(tree, self.nodes, both)), made

    def keyed_row(self, number: int, identity: str, public: bytes) -> Rows:
        """The row (or none) of an identity with this subscriber key: its present holder's, or an earlier one's.

        For own access: whoever asks has shown that the key is theirs. It goes from holder to holder, as `owner_at`.
        """
        tree, ended = self._tree(number), 0
        while True:
            rows, _ = tree_.lookup(tree, self.nodes, tags_.tags(tree.tag_key, [identity], ended))
            has, publics = rows.extras_of(rows_.PUBLIC_KEY)
            if not len(rows) or (has[0] and publics[0].tobytes() == public):
                return rows
            ended = int(rows.since[0])
            if not ended:
                return rows_.empty()

    def labels(self, number: int, identities: Sequence[str]) -> dict[str, set[bytes]]:
        """The labels of each identity that has a row: of its present holder, under earlier subscriber keys too."""
        found = self.find(identities, [number])
        present = [name for name, here in zip(identities, found.mask.tolist(), strict=True) if here]
        labels = {name: {label.tobytes()} for name, label in zip(present, found.rows.labels, strict=True)}
        for place in np.flatnonzero(found.rows.extras_of(rows_.SAME_HOLDER)[0]).tolist():
            earlier = self._tenures(self._tree(number), found.rows.take(np.array([place])))
            labels[present[place]] |= {label.tobytes() for label in earlier.labels}
        return labels

    def drop(self, number: int, tags: Bytes, labels: Bytes) -> tuple[Parties, Dropped]:
        """Forget the parties whose rows have these tags and labels, with every row linked to them.

        The same holder's rows under earlier or later subscriber keys go with them.

        A tag whose row has another label now (the number has a new holder) is left alone and reported as missed.
        """
        tree = self._tree(number)
        if labels.shape != (len(tags), rows_.LABEL_BYTES):
            raise BadInputError(f"{len(tags)} tags need as many labels, not {labels.shape}")
        rows, hit = tree_.lookup(tree, self.nodes, tags)
        same = (rows.labels == labels[hit]).all(axis=1)
        hit[hit] = same
        family = self._family(tree, rows.take(same), tenures=True)
        dropped = Dropped(family, ~hit)
        return self._with(number, tree_.apply(tree, self.nodes, rows_.empty(), family.tags)), dropped

    def prune(self, number: int, before: int) -> tuple[Parties, Rows]:
        """Drop earlier holders whose time ended before the second `before`, with their SIMs' rows of that time.

        Who still has a SIM of that time stays whole, under every key: its records go on, and one forgetting finds all.
        """
        tree = self._tree(number)
        late = [leaf.take((leaf.ended > 0) & (leaf.ended < before)) for leaf in tree_.walk(tree, self.nodes)]
        over = rows_.join(late).sort()
        linked = self._linked(tree, over)
        going_on = linked.take(over.at(linked.tags) < 0)
        stays = self._family(tree, going_on, tenures=True)
        gone = over.take(stays.at(over.tags) < 0)
        return self._with(number, tree_.apply(tree, self.nodes, rows_.empty(), gone.tags)), gone

    def has_number(self, number: int, imsi: str) -> bool:
        """Whether the party of a SIM's row holds a number at present, under whatever subscriber key."""
        tree = self._tree(number)
        owner = self._linked(tree, self._present(tree, tags_.tags(tree.tag_key, [imsi])))
        while len(owner) and owner.ended[0]:
            later = self._tenures(tree, owner)
            owner = later.take((later.ended == 0) | (later.ended > owner.ended[0]))
        return bool(len(owner))

    def drop_tree(self, number: int) -> Parties:
        """Forget everyone of one tree, and its tag key."""
        tree_.drop_all(self._tree(number), self.nodes)
        return replace(self, trees={known: tree for known, tree in self.trees.items() if known != number})

    def walk(self, number: int) -> Iterator[Rows]:
        """The rows of one tree by ascending tag, a leaf at a time: for copies and for checking, never for a door."""
        return tree_.walk(self._tree(number), self.nodes)

    def _resolve(self, identities: Sequence[str], numbers: Sequence[int], when: Numbers | None) -> Found:
        trees = np.full(len(identities), _NOT_FOUND, np.int64)
        parts, places = [], [np.zeros(0, np.intp)]
        for number in numbers:
            rest = np.flatnonzero(trees == _NOT_FOUND)
            tree = self.trees.get(number)
            if tree is None or not len(rest):
                continue
            names, times = [identities[place] for place in rest.tolist()], None if when is None else when[rest]
            for rows, at in self._generations(tree, names, times):
                parts.append(rows)
                places.append(rest[at])
                trees[rest[at]] = number
        return Found(trees, rows_.join(parts).reorder(np.argsort(np.concatenate(places))))

    def _generations(self, tree: Tree, identities: list[str], when: Numbers | None) -> Iterator[tuple[Rows, Index]]:
        """Present holders, then those before them for whom `when` is too early, until none is left."""
        asked, ended = np.arange(len(identities)), np.zeros(len(identities), np.uint32)
        while len(asked):
            names = [identities[place] for place in asked.tolist()]
            times = ended.tolist() if ended.any() else 0
            rows, hit = tree_.lookup(tree, self.nodes, tags_.tags(tree.tag_key, names, times))
            asked = asked[hit]
            right = np.ones(len(rows), np.bool_) if when is None else rows.since <= when[asked]
            yield rows.take(right), asked[right]
            # A holder's `since` is the `ended` of the one before; both fall with every step, so this ends.
            asked, ended = asked[~right], rows.since[~right]

    def _family(self, tree: Tree, rows: Rows, *, tenures: bool = False) -> Rows:
        """The rows and all that links lead to; a link never leads to another party's row, whatever it says.

        With `tenures`, the same holder's rows under other keys too, and their SIMs'.
        """
        family = frontier = rows.take(_first(rows.tags)).sort()
        while len(frontier):
            found = rows_.join([self._linked(tree, frontier), *([self._tenures(tree, frontier)] if tenures else [])])
            frontier = found.take(family.at(found.tags) < 0)
            frontier = frontier.take(_first(frontier.tags)).sort()
            family = rows_.join([family, frontier]).sort()
        return family

    def _linked(self, tree: Tree, rows: Rows) -> Rows:
        """The rows that links of these sorted rows lead to and that have their keys."""
        owners, targets = rows.links()
        linked, hit = tree_.lookup(tree, self.nodes, targets)
        return linked.take((linked.keys == rows.keys[rows.at(owners[hit])]).all(axis=1))

    def _tenures(self, tree: Tree, rows: Rows) -> Rows:
        """The rows of the same holders under other keys: those that these name and that name these."""
        owners, targets = rows.links(rows_.SAME_HOLDER)
        found, hit = tree_.lookup(tree, self.nodes, targets)
        backs = np.hstack(found.links(rows_.SAME_HOLDER))
        return found.take(np.isin(rows_.order(np.hstack([found.tags, owners[hit]])), rows_.order(backs)))

    def _present(self, tree: Tree, tags: Bytes) -> Rows:
        rows, hit = tree_.lookup(tree, self.nodes, tags)
        if not hit.all():
            raise StateError(f"identity number {int(np.argmin(hit))} has no row: add the party first")
        return rows

    def _refuse_present(self, tree: Tree, tags: Bytes) -> None:
        _, hit = tree_.lookup(tree, self.nodes, tags)
        if hit.any():
            raise StateError(f"row number {int(np.argmax(hit))} is there already: retire its earlier holder first")

    def _tree(self, number: int) -> Tree:
        if number not in self.trees:
            raise StateError(f"there is no party tree {number}: it was dropped, or nobody was met in that month")
        return self.trees[number]

    def _tree_for(self, number: int) -> Tree:
        if number in self.trees:
            return self.trees[number]
        if number != SUBSCRIBERS and not (1970 <= number // 100 <= 9999 and 1 <= number % 100 <= 12):
            raise BadInputError(f"a party tree has the number 0 or yyyymm, not {number}")
        return Tree(self.nodes.random(KEY_BYTES))

    def _with(self, number: int, tree: Tree) -> Parties:
        return replace(self, trees={**self.trees, number: tree})


def _first(tags: Bytes) -> Index:
    """Where each distinct tag stands first."""
    return np.unique(rows_.order(tags), return_index=True)[1]


def _without(tags: Bytes, others: Bytes) -> Bytes:
    return tags[rows_.positions(np.sort(rows_.order(others)), rows_.order(tags)) < 0]


def _with_extras(rows: Rows, more: Bytes) -> Rows:
    return replace(rows, extras=rows_.sort_extras(np.concatenate([rows.extras, more])))


def _renamed(rows: Rows, old: Bytes, new: Bytes) -> Rows:
    """The rows with tag `old` i become `new` i everywhere: as a row, as owner of an extra, as the end of a link."""
    by_tag = np.argsort(rows_.order(old))
    names, fresh = rows_.order(old)[by_tag], new[by_tag]

    def rename(tags: Bytes) -> Bytes:
        at = rows_.positions(names, rows_.order(tags))
        return np.where((at >= 0)[:, None], fresh[at], tags)

    extras = rows.extras.copy()
    extras[:, :TAG_BYTES] = rename(extras[:, :TAG_BYTES])
    links = np.isin(extras[:, TAG_BYTES], (rows_.LINK, rows_.SAME_HOLDER))
    target = slice(TAG_BYTES + 1, 2 * TAG_BYTES + 1)
    extras[links, target] = rename(extras[links, target])
    return replace(rows, tags=rename(rows.tags), extras=rows_.sort_extras(extras))
