"""Every command of the tree on one small network, as the public surface is tested by: the same calls on any rows.

told = journey(folder, Network.of(operator), "--json")
told["status"].document
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc

from tests.support.commands import Box, Ended, in_process
from unheld.assembly import Deployment
from unheld.cli import numbers
from unheld.exit import objection
from unheld.ledger import Ledger
from unheld.testing import textfile
from unheld.testing.synthetic import Operator
from unheld.workflows import running
from unheld_verify import columns as columns_of
from unheld_verify import note as note_keys
from unheld_verify import plan as plans
from unheld_verify import statement, upgrade

FIRST = date(2026, 7, 1)
CANARY, CLAIMANT = 0, 1
MAPPINGS = Path(__file__).parents[2] / "examples" / "mappings"
RECORDS, REGISTRY = MAPPINGS / "synthetic.toml", MAPPINGS / "synthetic-registry.toml"
BUYER = """
buyer = "Example Buyer Ltd"
[[fact]]
about = "Example Buyer Ltd"
says = "unknown"
source = "its own letter"
date = 2026-06-30
[[share]]
owner = "A Partner"
percent = 49
from = "unknown"
source = "its own letter"
date = 2026-06-30
"""
_NAMES = ("msisdn", "msisdn_counterpart", "imsi", "imei", "holder", "document", "location_id")


@dataclass(frozen=True)
class Network:
    """What one operator delivers: a registry, two days of records; and which two people the calls are about."""

    registry: pa.Table
    days: tuple[pa.Table, pa.Table]
    canary: str
    claimant: str
    marks: tuple[str, ...]

    @classmethod
    def of(cls, operator: Operator) -> Network:
        """The network of a synthetic operator over its first two days."""
        numbers = operator.population.msisdn.to_pylist()
        return cls(
            operator.registry(), (operator.day(operator.sealing_days[0]), operator.day(operator.sealing_days[1])),
            numbers[CANARY], numbers[CLAIMANT], tuple(operator.planted()),
        )  # fmt: skip

    def renamed(self, names: Mapping[str, str], marks: tuple[str, ...]) -> Network:
        """The same rows with other names; `marks` is what betrays the new ones."""
        days = (_renamed(self.days[0], names), _renamed(self.days[1], names))
        return replace(self, registry=_renamed(self.registry, names), days=days, marks=marks)

    def of_canary(self) -> pa.Table:
        """The canary's own records of the first day."""
        return self.days[0].filter(pc.equal(self.days[0]["msisdn"], self.canary))


def _renamed(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    for place, name in enumerate(table.column_names):
        if name in _NAMES:
            texts = [None if text is None else names.get(text, text) for text in table[name].to_pylist()]
            table = table.set_column(place, name, pa.array(texts, table.schema.field(name).type))
    return table


def journey(folder: Path, network: Network, *options: str) -> dict[str, Ended]:
    """Run every command; what each said. `options` are global ones. Fails when a command ends in another way."""
    return _Journey(folder, network, options).walk()


class _Journey:
    def __init__(self, folder: Path, network: Network, options: tuple[str, ...]) -> None:
        self._box = Box(folder, FIRST, seconds=86_399, variables={"UNHELD_PROGRESS_FPS": "1e9"})
        self._folder, self._network, self._options = folder, network, options
        self._told: dict[str, Ended] = {}
        source = folder / "delivered"
        source.mkdir(parents=True)
        self._registry = textfile.write(network.registry, source / "registry.csv")
        self._days = [textfile.write(table, source / f"day-{at}.csv") for at, table in enumerate(network.days)]
        (source / "empty.csv").write_bytes(b"")
        (folder / "canaries.txt").write_text(network.canary)
        (folder / "claimant.txt").write_text(network.claimant)

    def _call(self, *words: str | Path, code: int = 0, label: str = "") -> Ended:
        ended = self._box(*self._options, *words)
        assert ended.code == code, (words, ended)
        self._told[label or " ".join(map(str, words[:2]))] = ended
        return ended

    def walk(self) -> dict[str, Ended]:
        """All of it, in an order that a store can live through."""
        self._found()
        self._take_in()
        self._prove()
        self._own()
        self._demand()
        self._upgrade()
        self._forget()
        self._lapse()
        self._custody()
        self._leave()
        return self._told

    def _found(self) -> None:
        told = ["--custodians", "2", "--threshold", "2", "--home", "MM", "--copy"]
        self._call("init", *told, self._folder / "copy", "--canaries", self._folder / "canaries.txt", label="init")
        self._call("status", label="status empty")
        self._call("day", "open")
        self._call("inventory", "add", "mediation", "--holds", "CDRs", "--retention", "13 months")
        self._call("inventory", "list")

    def _take_in(self) -> None:
        for path in (self._registry, self._days[0]):
            self._call("map", path, label=f"map {path.stem}")
        self._call("ingest", self._registry, "--mapping", REGISTRY, label="ingest registry")
        self._enrol()
        self._call("ingest", self._days[0], "--mapping", RECORDS, label="ingest")
        self._call("ingest", self._days[0], "--mapping", RECORDS, label="ingest known")
        empty = self._days[0].with_name("empty.csv")
        self._call("ingest", self._days[0], empty, "--mapping", RECORDS, code=3, label="ingest partly")
        self._call("ingest", self._registry, "--mapping", RECORDS, code=1, label="ingest refused")
        self._call("canary", "check")
        self._call("custody", "status")
        self._box.when += timedelta(days=1)
        self._call("day", "close")
        self._call("day", "open", label="day open next")
        self._call("park", "add", self._days[1], "--mapping", RECORDS)
        self._call("park", "list")
        [parked] = (self._box.root / "parked").glob("*.parked")
        self._call("status", label="status parked")
        self._call("park", "open", parked.stem)
        self._call("day", "close", label="day close next")

    def _enrol(self) -> None:
        """The claimant has a card from the end of the first day on."""
        card, mapping = self._folder / "card", self._folder / "keyed.toml"
        self._call("access", "key", "--out", card)
        line = self._network.registry.filter(pc.equal(self._network.registry["msisdn"], self._network.claimant))
        line = line.append_column("public_key", pa.array([(card / "public-key.txt").read_text().strip()]))
        mapping.write_text(REGISTRY.read_text() + 'public_key = { field = "public_key", class = "all" }\n')
        keyed = textfile.write(line, self._registry.with_name("keyed.csv"))
        self._call("ingest", keyed, "--mapping", mapping, label="ingest keyed")

    def _own(self) -> None:
        """The claimant reads the second day's records, step by step."""
        mine = self._folder / "own"
        card: list[str | Path] = ["--card", self._folder / "card" / "card.txt"]
        slip, answers, blocks = (self._folder / name for name in ("own.slip", "own.answers", "own.blocks"))
        self._call("access", "begin", mine, *card)
        request, number = mine / "request.json", self._folder / "claimant.txt"
        self._call("access", "slip", request, "--out", slip, "--file", number)
        self._call("access", "ask", mine, "--slip", slip, *card)
        self._call("access", "answer", mine / "grant.json", "--out", answers)
        self._call("access", "check", mine, answers)
        self._call("access", "fetch", mine / "wanted.json", "--out", blocks)
        self._call("access", "open", mine, blocks, "--out", self._folder / "records")

    def _prove(self) -> None:
        self._call("status", label="status")
        self._call("check", label="check")
        self._call("doctor", code=2, label="doctor")
        self._call("log", "head")
        self._call("log", "verify")
        self._call("log", "prove", "--kind", "close", "--out", self._folder / "close.tlog-proof")

    def _demand(self) -> None:
        """Three demands that name the claimant: one of a list, one withdrawn, one that is secret for a while."""
        listed = self._folder / "delivered" / "targets.txt"
        others = self._network.registry["msisdn"].to_pylist()[2:5]
        listed.write_text("\n".join([self._network.claimant, *others]))
        filing: list[str | Path] = [
            "--authority",
            "Ministry",
            "--authority-kind",
            "ministry",
            "--asks",
            "location",
            "--asks",
            "traffic",
        ]
        window = ["--begins", str(FIRST), "--ends", str(FIRST + timedelta(days=4))]
        many = self._filed(*filing, *window, "--targets", listed, "--basis", "MM-31-2013-77", "--by", "Anna")
        self._call("demand", "check", many)
        self._call("demand", "show", many, label="demand show checked")
        self._call("demand", "narrow", many, "--asks", "location", "--by", "Anna")
        self._call("demand", "refuse", many, "--code", "RealTime", "--by", "", code=1, label="demand refuse by nobody")
        self._call("demand", "refuse", many, "--code", "MultipleTargets", "--by", "Anna")
        self._call("demand", "show", many)
        one = self._filed(*filing, "--targets", self._folder / "claimant.txt", label="demand receive one")
        self._call("demand", "withdraw", one, "--by", "Anna")
        secret = ["--secret-until", "2026-07-30"]
        self._filed(*filing, *secret, "--targets", self._folder / "claimant.txt", label="demand receive secret")
        self._call("demand", "list")
        self._call("demand", "rules")
        self._call("demand", "letter", many, "--out", self._folder / "letter")
        self._call("demand", "report", "--out", self._folder / "report")
        self._claim("demand claim early")

    def _filed(self, *words: str | Path, label: str = "demand receive") -> str:
        """File a demand; its id."""
        folder = self._box.root.with_name("s.register") / "demands"
        before = set(folder.iterdir()) if folder.exists() else set()
        self._call("demand", "receive", *words, label=label)
        [made] = set(folder.iterdir()) - before
        return made.name

    def _claim(self, label: str) -> None:
        """Ask for the claimant; the number is typed, and here given in its place."""
        out = self._folder / "claim"
        with patch(f"{numbers.__name__}.ask_one", lambda _: f"tel:{self._network.claimant}"):
            self._call("demand", "claim", "--asker", "the holder", "--out", out, label=label)

    def _forget(self) -> None:
        plan, code = self._folder / "plan.json", self._folder / "code.txt"
        planned = self._call("erase", "plan", "--file", self._folder / "claimant.txt", "--out", plan)
        code.write_text(_claim_code(planned))
        for words in (["--day", str(FIRST)], ["--day", str(FIRST), "--class", "place"], ["--everything"]):
            made = self._folder / f"plan{''.join(words)}.json"
            self._call("erase", "plan", *words, "--out", made, label=f"erase plan {words[-1]}")
        digest = plans.decode(plan.read_bytes()).digest
        self._call("erase", "apply", plan, "--confirm", "00000000", code=4, label="erase apply unconfirmed")
        self._call("erase", "apply", plan, "--confirm", digest)
        copy = (self._folder / "copy").resolve()
        self._call("copy", "release", copy, "--out", self._folder / "copy.release")
        self._call("log", "publish")
        self._claim("demand claim")
        proof = self._folder / "receipt.tlog-proof"
        self._call("receipt", "open", plan.with_suffix(".box"), "--code", f"@{code}", "--out", proof)
        self._call("receipt", "check", proof)
        self._call("receipt", "page", "--out", self._folder / "check.html")
        case = self._folder / "case"
        self._call("casefolder", "--box", plan.with_suffix(".box"), "--code", f"@{code}", "--out", case)

    def _upgrade(self) -> None:
        """Nothing is left to do, and a plan that was carried out before is none again."""
        plan, where = self._folder / "upgrade.plan", Deployment(self._box.root)
        self._call("upgrade", "plan", "--out", plan)
        parts = tuple(upgrade.Part(name, 1, 2) for name in upgrade.PARTS)
        made = upgrade.UpgradePlan(where.policy().store_id, str(FIRST), "0.2.0", parts).signed(where.seed("plan"))
        plan.write_bytes(made.encode())
        self._call("upgrade", "apply", plan, "--confirm", made.digest)

    def _lapse(self) -> None:
        self._box.when += timedelta(days=9)
        self._call("lapse", "show")
        self._call("lapse", "run")
        with patch(f"{running.__name__}.subprocess.run", self._step):
            self._call("run", "--once", label="run")
        self._call("status", label="status at the end")

    def _custody(self) -> None:
        """Custodians are asked, frozen, thawed, rehearsed with and followed; another store's are elsewhere and away."""
        self._box.when, self._box.seconds = self._box.when + timedelta(days=1), 43_200
        for word in ("beat", "freeze", "drill"):
            self._call("custody", word)
        self._box.seconds += 60
        self._call("custody", "thaw")
        self._call("custody", "rotate", "--here")
        self._call("custody", "go")
        home, self._box = self._box, Box(self._folder / "abroad", self._box.when)
        names = [word for name in ("Umoja", "Tara") for word in ("--name", f"{name}=http://127.0.0.1:9/v1")]
        self._call("init", "--custodians", "2", "--threshold", "2", "--remote", label="init remote")
        self._call("custody", "init", *names)
        self._call("custody", "go", code=3, label="custody go away")
        self._box = home

    def _leave(self) -> None:
        """Out of the country: the hand-over, an objection, everyone forgotten, the certificate."""
        spec, form = self._folder / "handover.toml", self._folder / "forms" / "buyer.toml"
        columns = '{ msisdn = "msisdn", imsi = "imsi" }'
        table = f'[tables.bindings]\nfile = "{self._registry}"\ncolumns = {columns}\n'
        spec.write_text(f'[numbers]\nplmn = ["00101"]\n{table}')
        self._call("exit", "manifest", "--spec", spec, "--out", self._folder / "handed")
        for name in ("buyer", "certificate"):
            self._call("exit", name, "--blank", "--out", form.parent, label=f"exit {name} blank")
        form.write_text(BUYER)
        self._call("exit", "buyer", "--form", form, "--out", self._folder / "buyer")
        self._call("exit", "proofs", "--out", self._folder / "early", label="exit proofs waiting")
        self._object()
        self._call(
            "exit", "manifest", "--spec", spec, "--out", self._folder / "no", code=1, label="exit manifest refused"
        )
        plan = self._folder / "drop.json"
        self._call("erase", "plan", "--everything", "--out", plan, label="erase plan drop")
        self._call("exit", "drop", plan, "--confirm", plans.decode(plan.read_bytes()).digest)
        self._call("exit", "proofs", "--out", self._folder / "papers")
        self._call("exit", "certificate", "--out", self._folder / "certificate")
        register = Ledger(Deployment(self._box.root).ledger)  # an owner who hands over all the same
        day = columns_of.day_text(columns_of.day_of(self._box.when))
        said = statement.make(self._origin(), "paper", day, paper="manifest", digest="00" * 32)
        register.post(statement.commit(said))
        self._call("exit", "standstill", code=20, label="exit standstill broken")

    def _object(self) -> None:
        key, words, note = (self._folder / name for name in ("group.key", "words.txt", "objection.note"))
        words.write_text("You did not ask anybody here.\n")
        self._call("exit", "group", "key", "--out", key, label="exit group key")
        vkey = note_keys.format_key(objection.decode_key(key.read_text()).public)
        self._call("exit", "group", "add", vkey, label="exit group add")
        store = Deployment(self._box.root).policy().store_id.hex()
        told: list[str | Path] = ["--log-origin", self._origin(), "--store", store, "--words", words]
        self._call("exit", "objection", "--key", key, *told, "--out", note)
        self._call("exit", "standstill", "--objection", note)

    def _origin(self) -> str:
        return Deployment(self._box.root).policy().origin

    def _step(self, words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        """A step of `run`, in this process: another start of Python shows nothing more."""
        ended = in_process(words[3:], UNHELD_CLOCK=self._box.clock)
        sys.stderr.write(ended.out + ended.err)
        return subprocess.CompletedProcess(words, ended.code)


def _claim_code(planned: Ended) -> str:
    if planned.out.startswith("{"):
        return str(planned.document["claim_code"])
    return planned.out.split("kept nowhere: ")[1].split()[0]
