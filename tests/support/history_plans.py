"""Forgetting, in histories: plans made and applied at once, or later, or after another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from tests.support.history_life import DAY, Act, Chronicle, Deed, Targets
from tests.support.history_model import Party
from unheld.plans import planning
from unheld_branch.workflows import apply
from unheld_verify import columns
from unheld_verify.errors import AwayError, PartialError, StateError, UnheldError
from unheld_verify.plan import Plan


class Forgetting(Chronicle):
    """Acts that forget."""

    def _planned(self, act: Act) -> tuple[Plan, Targets]:
        """A plan of one of four kinds, and whom it would forget."""
        with self.made.opened() as store:
            seed = self.made.deployment.seed("plan")
            if act.b % 8 == 7:
                return planning.plan_everything(store, seed).plan, {}
            if act.b % 8 in (5, 6):
                cls = ("", "charge", "contact", "place", "")[act.a // 5 % 5]
                return planning.plan_day(store, self.today - act.a % 5, cls, seed).plan, {}
            names = self._named(act.a)
            when = columns.date_of(self.today - act.a // 7 % 4) if act.b % 8 == 4 else None
            return planning.plan_parties(store, names, seed, when).plan, self._targets(names, when)

    def _named(self, a: int) -> list[str]:
        names = sorted({name for tree in self.model.trees.values() for name, _ in tree.rows}) or ["tel:+99900000000"]
        first = names[a % len(names)]
        return [first] if a % 3 else [first, *([other] if (other := names[a // 3 % len(names)]) != first else [])]

    def _targets(self, names: Sequence[str], when: date | None) -> Targets:
        found: dict[int, list[tuple[str, int, Party]]] = {}
        second = 0 if when is None else (columns.day_of(when) + 1) * DAY - 1
        for tree, held in self.model.trees.items():
            for (name, ended), row in held.rows.items():
                if name in names and (ended == 0 if when is None else row.since <= second < (ended or 1 << 40)):
                    found.setdefault(tree, []).append((name, ended, row.party))
        return found

    def _plan(self, act: Act) -> Deed:
        """Make a plan for later."""
        self.plans.append((*self._planned(act), self.model.plans))
        return Deed(lambda: None)

    def _apply(self, act: Act) -> Deed:
        """Apply a plan that was made earlier: refused where another was applied since."""
        if not self.plans:
            return Deed(lambda: None)
        plan, targets, made = self.plans[act.a % len(self.plans)]
        if made != self.model.plans:
            return Deed(lambda: self._applies(plan), no=(StateError,), must=True)
        return self._erasing(plan, targets)

    def _forget(self, act: Act) -> Deed:
        return self._erasing(*self._planned(act))

    def _erasing(self, plan: Plan, targets: Targets) -> Deed:
        self.drafted[plan.digest] = plan
        everything, columns_ = plan.act == "everything", plan.act in ("day", "class")
        if everything:
            self.fetched = dict.fromkeys(self.fetched, False)
        back = columns_ and (plan.event_day > self.today or self.today < self.model.seen)
        away = self.copy_away and not columns_
        no: tuple[type[UnheldError], ...] = (PartialError,) if back else (AwayError,) if away else ()
        kinds = [] if columns_ and plan.event_day > self.today else ["erase"]
        return Deed(lambda: self._applies(plan), kinds, no, away, targets=targets, again=True, plan=plan)

    def _applies(self, plan: Plan) -> apply.Applied:
        with self.made.opened() as store:
            return apply.apply(store, self.made.custodians, plan, plan.digest[:8])
