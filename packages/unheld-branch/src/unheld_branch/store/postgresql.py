"""A store's database in PostgreSQL: one schema a store, and what its server must be before an old key may die.

`database.toml` in the store's folder says where it is (`docs/postgresql.md`). It holds no password: libpq finds one in
its own ways (PGPASSFILE, a service file, a client certificate).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, QueuePool

from unheld_branch.store.engines import Backend, Concern
from unheld_slots import durable
from unheld_slots.places import read_toml
from unheld_verify.errors import AwayError, BadInputError, LockedError, NoStoreError, StateError, StateUnknownError

if TYPE_CHECKING:
    import psycopg

NAME = "database.toml"
SYNCHRONOUS, SINGLE_NODE = "synchronous", "none"
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SCHEMES = ("postgresql://", "postgres://")
_COMMIT_SECONDS = 60
_LOCK_SECONDS = 1  # what a process that just died may take to be gone
_LOCKED_OUT = "55P03"
_LINE_DEFAULTS = {
    "target_session_attrs": "read-write", "connect_timeout": "10", "application_name": "unheld",
    "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "60000",
}  # fmt: skip

# Whoever writes is known by one session: a dead client's must end soon, a living one's must not end by itself.
_SESSION = """
SELECT set_config('search_path', %(schema)s, false),
       set_config('statement_timeout', '0', false), set_config('idle_session_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false),
       set_config('tcp_keepalives_idle', '30', false), set_config('tcp_keepalives_interval', '10', false),
       set_config('tcp_keepalives_count', '3', false),
       CASE WHEN current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
            THEN set_config('synchronous_commit', 'on', false) END
"""
_DURABLE = sa.text("""
SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('synchronous_standby_names') AS standby_names,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_look, current_user AS role,
       (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state IN ('sync', 'quorum')
        AND (CAST(:since AS pg_lsn) IS NULL OR flush_lsn >= CAST(:since AS pg_lsn))) AS standbys
""")
_LOGGING = sa.text("SELECT name, setting FROM pg_settings WHERE name LIKE 'log\\_%' OR name LIKE '%.log\\_%'")
_GRANTED = sa.text("""
SELECT count(*) FROM (
  SELECT nspowner AS owner, nspacl AS acl FROM pg_namespace WHERE nspname = :schema
  UNION ALL
  SELECT relowner, relacl FROM pg_class WHERE relnamespace = to_regnamespace(:schema)
) AS held, aclexplode(held.acl) AS granted WHERE granted.grantee <> held.owner
""")
_LINE = sa.text("""
SELECT inet_server_addr() IS NULL OR inet_server_addr() <<= inet '127.0.0.0/8' OR inet_server_addr() = inet '::1'
       AS here, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS sealed
""")


@dataclass(frozen=True)
class Settings:
    """Where a database is: libpq's own URL without a password, the schema, and `standby`: synchronous or none."""

    url: str
    schema: str
    standby: str = SYNCHRONOUS

    def __post_init__(self) -> None:
        given = _parameters(self.url)
        if "password" in given:
            raise BadInputError("the database's URL holds a password: leave it out, and let PGPASSFILE name a file")
        if not _SCHEMA.fullmatch(self.schema):
            raise BadInputError(f"schema {self.schema}: write small letters, digits and _, at most 63")
        if self.standby not in {SYNCHRONOUS, SINGLE_NODE}:
            raise BadInputError(f'standby {self.standby}: write standby = "{SYNCHRONOUS}" or "{SINGLE_NODE}"')
        if self.standby == SINGLE_NODE and "," in str(given.get("host", "")):
            raise BadInputError("several hosts and a single node exclude each other: another host may lack a change")
        if not self.url.isprintable() or "'" in self.url:
            raise BadInputError("the database's URL may hold no ' and no control signs; write them as %XX")

    def write(self, folder: Path) -> None:
        """Write it down, durably, as a new folder's `database.toml`."""
        lines = (f"url = '{self.url}'", f'schema = "{self.schema}"', f'standby = "{self.standby}"')
        durable.write_file(folder / NAME, "".join(f"{line}\n" for line in lines).encode())

    @classmethod
    def read(cls, folder: Path) -> Settings | None:
        """What a folder's `database.toml` says; None where there is none. Raises BadInputError naming the file."""
        path = folder / NAME
        found = read_toml(path)
        if not found:
            if path.exists():
                raise BadInputError(f"{path}: is empty; put back what `unheld init` wrote there")
            return None
        if set(found) != {"url", "schema", "standby"} or not all(isinstance(item, str) for item in found.values()):
            raise BadInputError(f"{path}: it has url, schema and standby, each a string, and nothing else")
        try:
            return cls(**found)
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}") from None


class PostgresSchema(Backend):
    """One schema of a PostgreSQL database. `path` is the file that says where."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path, self._settings = path, settings

    def engine(self, *, anew: bool = False) -> sa.Engine:
        """Connections as libpq makes them, to a server that takes writes. Errors never show what was stored."""
        engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=NullPool if anew else QueuePool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            use_native_hstore=False,
        )
        sa.event.listen(engine, "connect", _hear_warnings)
        return engine

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg  # noqa: PLC0415 - an extra, see `_parameters`

        given = _parameters(self._settings.url)
        defaults = {name: value for name, value in _LINE_DEFAULTS.items() if name not in given}
        try:
            connection = psycopg.connect(self._settings.url, autocommit=True, **defaults)  # type: ignore[arg-type]
            try:
                connection.execute(_SESSION, {"schema": self._settings.schema})
            except psycopg.Error:
                connection.close()
                raise
        except psycopg.Error as error:
            raise AwayError(f"{self.path}: no server answers that takes writes: {error}") from None
        connection.autocommit = False
        return connection

    def look(self) -> None:
        """Nothing is plain without a connection."""

    @contextmanager
    def founding(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """A new schema of its owner alone; it and its tables are there together, or not at all."""
        schema = self._settings.schema
        self.ready(engine)
        with engine.connect() as connection:
            if self._is_there(connection):
                raise StateError(f"{self.path}: schema {schema} is there already; choose another database or folder")
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection, connection.begin():
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            yield connection
            for what in (f"SCHEMA {schema}", f"ALL TABLES IN SCHEMA {schema}"):
                connection.exec_driver_sql(f"REVOKE ALL ON {what} FROM PUBLIC")  # whatever the database's defaults

    def lock(self, writer: sa.Connection) -> None:
        """An advisory lock of the session that also writes: whoever can still write holds it, wherever he is."""
        with self._alone(), writer.begin():
            if not self._is_there(writer):
                raise NoStoreError(
                    f"{self.path}: there is no schema {self._settings.schema} in that database: is it the right one?"
                )
            writer.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
            writer.execute(sa.text("SELECT pg_advisory_lock(hashtextextended(:schema, 0))"), self._named)

    @contextmanager
    def committing(self, writer: sa.Connection) -> Iterator[None]:
        """A commit waits for the standby, but not for ever; where it stops waiting it is called done, with a warning.

        No setting of the server bounds this wait: the client has to cancel it.
        """
        warned: list[str] = writer.info["warned"]
        warned.clear()
        giving_up = threading.Timer(_COMMIT_SECONDS, _cancel, [writer.connection.driver_connection])
        giving_up.start()
        try:
            yield
        finally:
            giving_up.cancel()
            giving_up.join()
        if warned:
            raise StateUnknownError(f"{self.path}: {warned[0]}; open the store again to learn what was stored")

    def ready(self, engine: sa.Engine) -> None:
        """The server writes through, and a synchronous standby follows, or a person chose to have none."""
        with engine.connect() as connection:
            self._require(connection)

    def confirm(self, writer: sa.Connection) -> None:
        """Commit a mark after everything stored so far, and see that a synchronous standby has it on its disk."""
        with writer.begin():
            self._require(writer)
        if self._settings.standby == SINGLE_NODE:
            return
        with writer.begin() as change:
            mark = writer.scalar(sa.text("SELECT pg_logical_emit_message(true, 'unheld', '')::text"))
            with self.committing(writer):
                change.commit()
        with writer.begin():
            self._require(writer, mark)

    def _require(self, connection: sa.Connection, since: str | None = None) -> None:
        found = connection.execute(_DURABLE, {"since": since}).one()
        for name in ("fsync", "full_page_writes"):
            if found._mapping[name] != "on":
                raise StateError(
                    f"{self.path}: the server has {name} = off, a power cut may undo what was stored; set it on"
                )
        if self._settings.standby == SINGLE_NODE:
            return
        if not found.may_look:
            raise StateError(
                f"{self.path}: role {found.role} may not see whether a standby follows: "
                f"GRANT pg_read_all_stats TO {found.role}"
            )
        if not found.standby_names or not found.standbys:
            raise StateError(
                f"{self.path}: {_missing(found.standby_names)}: were this server lost, everybody would be forgotten. "
                f"docs/postgresql.md says how to set one up, and what {NAME} says of a server that has none"
            )

    def words(self, connection: sa.Connection) -> str:
        """How many standbys hold what is acknowledged."""
        if self._settings.standby == SINGLE_NODE:
            return "PostgreSQL, a single node: its disk lost, all are forgotten"
        found = connection.execute(_DURABLE, {"since": None}).one()
        count = found.standbys if found.standby_names else 0
        return f"PostgreSQL, synchronous standbys: {count}" + ("" if count else "; no change is taken without one")

    def concerns(self, connection: sa.Connection) -> Iterator[Concern]:
        """Durability, the server's log, others' rights, the line."""
        words = self.words(connection)
        try:
            self._require(connection)
        except StateError as error:
            yield Concern("failure", words, str(error))
        else:
            level, advice = (
                ("warning", "a synchronous standby") if self._settings.standby == SINGLE_NODE else ("ok", "")
            )
            yield Concern(level, words, advice)
        settings = {row.name: str(row.setting) for row in connection.execute(_LOGGING)}
        if logged := _logs_values(settings):
            yield Concern(
                "warning",
                f"the server's log shows what is stored ({logged}): ciphertext, journal and outbox stay there",
                f"as its superuser: ALTER ROLE {connection.scalar(sa.text('SELECT current_user'))} "
                "SET log_parameter_max_length = 0, and no auto_explain",
            )
        if connection.scalar(_GRANTED, self._named):
            yield Concern(
                "failure", f"schema {self._settings.schema} is open to other roles", "REVOKE what \\dn+ shows"
            )
        yield from _line(connection)

    @property
    def _named(self) -> dict[str, str]:
        return {"schema": self._settings.schema}

    def _is_there(self, connection: sa.Connection) -> bool:
        return connection.scalar(sa.text("SELECT to_regnamespace(:schema)::text"), self._named) is not None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCKED_OUT:
                raise
            raise LockedError(
                f"{self.path}: another process or machine works on this store; wait for it to end, then call again"
            ) from None


def check_new(path: Path, settings: Settings) -> None:
    """See that a database can be made there and would last, and change nothing. Raises what making it would raise."""
    backend = PostgresSchema(path, settings)
    engine = backend.engine(anew=True)
    backend.ready(engine)
    with engine.connect() as connection:
        if not connection.scalar(sa.text("SELECT has_database_privilege(current_database(), 'CREATE')")):
            raise StateError(
                f"{path}: its role may make no schema there: GRANT CREATE ON DATABASE to it, or let it own one"
            )


def _parameters(url: str) -> dict[str, Any]:
    """What a URL says, as libpq reads it. Raises BadInputError, also where the driver is missing."""
    if not url.startswith(_SCHEMES):
        raise BadInputError(f"{url.partition(':')[0]}: a database's URL begins with postgresql://")
    try:
        import psycopg  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise BadInputError(
            f"a store in PostgreSQL needs psycopg, which cannot be used here ({str(error).splitlines()[0]}): "
            "pip install 'unheld-branch[postgresql]'"
        ) from None
    try:
        return dict(psycopg.conninfo.conninfo_to_dict(url))
    except psycopg.Error as error:
        raise BadInputError(f"the database's URL cannot be read: {error}") from None


def _cancel(connection: psycopg.Connection[Any]) -> None:
    import psycopg  # noqa: PLC0415

    with suppress(psycopg.Error):  # a server that is gone cancels nothing, and its line ends by itself
        connection.cancel_safe()


def _hear_warnings(connection: psycopg.Connection[Any], record: sa.pool.ConnectionPoolEntry) -> None:
    warned: list[str] = []
    record.info["warned"] = warned

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            warned.append(str(notice.message_primary))

    connection.add_notice_handler(hear)


def _missing(standby_names: str) -> str:
    return "no synchronous standby is streaming" if standby_names else "the server names no synchronous standby"


def _logs_values(settings: dict[str, str]) -> str:
    """The setting by which values of statements come into the server's log; empty where none does."""
    if settings.get("pgaudit.log_parameter") == "on":
        return "pgaudit.log_parameter"
    if int(settings.get("auto_explain.log_min_duration", "-1")) >= 0:
        return "auto_explain.log_min_duration"
    if settings["log_parameter_max_length_on_error"] != "0":
        return "log_parameter_max_length_on_error"
    if settings["log_parameter_max_length"] == "0":
        return ""
    if settings["log_statement"] in {"mod", "all"}:
        return f"log_statement = {settings['log_statement']}"
    timed = ("log_min_duration_statement", "log_min_duration_sample")
    sampled = "log_transaction_sample_rate" if float(settings["log_transaction_sample_rate"]) else ""
    return next((name for name in timed if int(settings[name]) >= 0), sampled)


def _line(connection: sa.Connection) -> Iterator[Concern]:
    """A server elsewhere is reached over a sealed line, and known by its certificate."""
    found = connection.execute(_LINE).one()
    driver = connection.connection.driver_connection
    mode = driver.info.get_parameters().get("sslmode") if driver is not None else None
    if not found.here and not (found.sealed and mode == "verify-full"):
        yield Concern("warning", "the line to the server can be read or diverted", "sslmode=verify-full in the URL")
