"""PostgreSQL for tests, from Debian's packages: servers of their own, by process id, on sockets in a temp folder.

A server writes into memory where there is a memory disk: what a test kills is processes, not power.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import psycopg

ROLE, DATABASE = "unheld", "unheld"
_FAST = Path("/dev/shm")
_NO_PASSWORD = "-A", "trust"
_WAIT = 30.0
_SMALL = {
    "listen_addresses": "''", "shared_buffers": "16MB", "max_connections": "40", "autovacuum": "off",
    "wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on", "wal_receiver_status_interval": "1",
    "wal_receiver_timeout": "5s", "wal_retrieve_retry_interval": "100ms", "max_wal_size": "256MB",
}  # fmt: skip


def programs() -> Path:
    """Where PostgreSQL's programs are. A machine without them fails the test, and says what to install."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if not found:
        raise RuntimeError("tests need PostgreSQL: apt-get install postgresql")
    return found[-1].parent


def _owner() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def scratch() -> Path:
    """A folder that PostgreSQL's user may write into, gone at the end of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="unheld-pg-", dir=_FAST if _FAST.is_dir() else None))
    if owner := _owner():
        os.chown(folder, owner["user"], owner["group"])
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(name: str, *arguments: str | Path) -> None:
    """Run one of PostgreSQL's programs to its end."""
    run_any(programs() / name, *arguments)


def run_any(*command: str | Path) -> None:
    """Run a program to its end as PostgreSQL's user."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_owner())
    assert done.returncode == 0, done.stderr


@dataclass
class Server:
    """One server: its folder `data`, and its socket's folder beside it."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.folder / "data"

    def initialise(self) -> Server:
        """A cluster with a superuser `postgres` and a plain role that may make schemas in a database of its own."""
        run("initdb", "-D", self.data, "-U", "postgres", *_NO_PASSWORD, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self.start()
        self.ask("postgres", f"CREATE ROLE {ROLE} LOGIN")
        self.ask("postgres", f"CREATE DATABASE {DATABASE} OWNER {ROLE}")
        return self

    def start(self) -> Server:
        """Start it, and wait until it answers."""
        options = [f"--{name}={value.strip(chr(39))}" for name, value in {**_SMALL, **self.settings}.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [programs() / "postgres", "-D", self.data, "-k", self.folder, *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", **_owner(),
            )  # fmt: skip
        atexit.register(self.kill)
        return self.wait()

    def wait(self) -> Server:
        """Wait until it answers."""
        ends = time.monotonic() + _WAIT
        while True:
            assert self.process is not None
            assert self.process.poll() is None, self.log()
            try:
                self.ask("postgres", "SELECT 1", database="postgres")
            except psycopg.OperationalError:
                assert time.monotonic() < ends, self.log()
                time.sleep(0.02)
            else:
                return self

    def stop(self) -> None:
        """Stop it in good order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(_WAIT)
            self.process = None

    def kill(self) -> None:
        """What a lost machine does: every process of it ends at once."""
        if self.process is None:
            return
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family, _WAIT)
        self.process.wait(_WAIT)
        self.process = None

    def log(self) -> str:
        """What it said."""
        return (self.folder / "log").read_text("utf-8")

    def url(self, *others: Server, role: str = ROLE, database: str = DATABASE) -> str:
        """libpq's URL to it and to others that may take its place."""
        hosts = ",".join(str(server.folder) for server in (self, *others))
        return f"postgresql:///{database}?user={role}&host={hosts}"

    def ask(self, role: str, query: str, *given: Any, database: str = "") -> list[tuple[Any, ...]]:
        """The rows of one query; it is committed by itself."""
        where = database or ("postgres" if role == "postgres" else DATABASE)
        with psycopg.connect(self.url(role=role, database=where), autocommit=True) as connection:
            cursor = connection.execute(query.encode(), given or None)
            return cursor.fetchall() if cursor.description else []

    def set(self, **settings: str) -> None:
        """Change settings of the running server, as its superuser."""
        for name, value in settings.items():
            self.ask("postgres", f"ALTER SYSTEM SET {name} = '{value}'")
        self.ask("postgres", "SELECT pg_reload_conf()")
        for name, value in settings.items():
            self.until(f"SELECT current_setting('{name}') = '{value}'")

    def until(self, query: str, *given: Any) -> None:
        """Wait until a query of one boolean is true."""
        ends = time.monotonic() + _WAIT
        while not self.ask("postgres", query, *given)[0][0]:
            assert time.monotonic() < ends, query
            time.sleep(0.02)

    def standby(self, name: str = "second") -> Server:
        """A server that follows this one by the wire, known to it as `name`."""
        other = Server(scratch(), self.settings)
        line = f"host={self.folder} user=postgres application_name={name}"
        run("pg_basebackup", "-D", other.data, "-d", line, "-R", "-X", "stream", "--no-sync", "-c", "fast")
        return other.start()

    def promote(self) -> Server:
        """Make a standby take writes."""
        self.ask("postgres", "SELECT pg_promote(true)")
        return self


@cache
def shared() -> Server:
    """The server of this process's tests: a single node that writes through."""
    return Server(scratch()).initialise()


@contextmanager
def own(**settings: str) -> Iterator[Server]:
    """A server of this test alone."""
    server = Server(scratch(), settings).initialise()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def pair() -> Iterator[tuple[Server, Server]]:
    """A server with a synchronous standby; the plain role may see that it follows."""
    with own() as first:
        first.ask("postgres", f"GRANT pg_read_all_stats TO {ROLE}")
        second = first.standby()
        try:
            first.set(synchronous_standby_names="second")
            first.until("SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
            yield first, second
        finally:
            second.kill()
