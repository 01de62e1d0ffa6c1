"""A real PostgreSQL for tests: an existing server by TEST_DATABASE_URL, or a throw-away one that ends with its user.

The throw-away server needs no port, no service, no particular user and no privileges: its data and its Unix socket lie
in one temporary directory. A shell process between us and the server watches a pipe that we hold open; when this
process is gone, by any death, the shell stops the server and removes the directory.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, Literal

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class
from sqlalchemy import URL, make_url, text

from payment_service.connection import Connection as ServiceConnection
from tests.support.freezing import standing_still
from tests.support.memory import DISK, directory
from tests.support.ports import free_port
from tests.support.postgres_binaries import Runner, bin_directory
from tests.support.waiting import wait_until

PATIENCE = 30.0
"""Seconds until a server that does not start or stop is given up; both take a fraction of one when all is well."""

AS_OWNER = "SET LOCAL ROLE payments_owner"
"""The statement with which a test begins a transaction that the service's role may not do."""

RESTART = "SELECT setval('transactions_transaction_log_id_seq', 1, false)"
"""The statement after which the journal counts from one again."""

ROLES = Path(__file__).resolve().parents[2] / "deploy" / "postgresql" / "roles.sql"

WATCH = """
home=$1; shift
"$@" >>"$home/log" 2>&1 &
server=$!
read -r signal || signal=GONE
if [ "$signal" = GONE ]; then signal=QUIT gone=yes; fi
kill -s "$signal" "$server" 2>/dev/null # it may have given up by itself
wait "$server"
if [ "$gone" ]; then rm -rf "$home"; fi
"""
"""Arguments: the home directory, then the server's command line. Input: the name of a signal, or its end: GONE."""

SIGNALS = {"fast": "INT", "immediate": "QUIT"}


def as_owner(connection: ServiceConnection) -> None:
    """Let a test do in this transaction what the service's role may not do."""
    if connection.database == "postgresql":
        connection.execute(text(AS_OWNER))


def plainly(url: str, **more: Any) -> Connection:
    """Return a superuser's driver connection to the database of SQLAlchemy's URL; it commits nothing on its own."""
    address = make_url(url).set(drivername="postgresql").difference_update_query(["options"])
    connection: Connection = psycopg2.connect(address.render_as_string(hide_password=False), **more)
    return connection


class Postgres:
    """A running server, reached through `address`, that databases can be made in."""

    def __init__(self, address: URL) -> None:
        self.address = address

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database on this server."""
        address = self.address.set(drivername="postgresql+psycopg2", database=database)
        return address.render_as_string(hide_password=False)

    def url_as(self, role: str, database: str) -> str:
        """Return the same in another role than that of the tests, which is a superuser."""
        address = self.address.set(drivername="postgresql+psycopg2", database=database)
        options = {"options": f"-crole={role}"}
        return address.update_query_dict(options).render_as_string(hide_password=False)

    def connect(self, database: str = "postgres") -> Connection:
        """Return a plain connection of the driver that commits every statement at once."""
        address = self.address.set(drivername="postgresql", database=database)
        connection = psycopg2.connect(address.render_as_string(hide_password=False))
        connection.autocommit = True
        return connection

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, empty or as a copy of `template` (with no other connection to it); return its URL."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            if template:
                statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
                if connection.server_version >= 150000:
                    # A copy of files instead of a copy through the log: twice as fast for a small template.
                    statement += sql.SQL(" STRATEGY file_copy")
            cursor.execute(statement)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database and cut off all connections to it; none of that name is no error."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def spread(self, name: str) -> None:
        """Spread the tables of a migrated database over the server's workers: a plain server has none."""

    def close(self) -> None:
        """Be done with the server; one that was here before stays as it is."""


class ThrowawayPostgres(Postgres):
    """A server of our own, which may also be stopped in the middle of things and started again.

    `durable` makes it sync to disk like a production server; otherwise it survives the death of its processes, which
    tests need, but not the machine's. `tcp` makes it listen on a loopback port as well, and `url()` names that port.
    """

    def __init__(self, *, durable: bool = False, tcp: bool = False) -> None:
        # Not TMPDIR: the path of a Unix socket is limited to some 100 bytes, and any user must be able to reach it.
        self.home = Path(tempfile.mkdtemp(prefix="throwaway-pg-", dir=DISK if durable else directory()))
        self.durable = durable
        self.port = free_port() if tcp else None
        super().__init__(self._address())
        self._watcher: subprocess.Popen[str] | None = None
        self._runner = Runner.of_this_process()
        os.chown(self.home, self._runner.uid, self._runner.gid)
        try:
            self._bin = bin_directory(self._runner, self.home)
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server and wait until it answers. A server that runs already is an error of the test."""
        assert self._watcher is None, "the server runs already"
        command = ["sh", "-c", WATCH, "watch", str(self.home), str(self._bin / "postgres"), *self._options()]
        self._watcher = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            text=True,
            # Ctrl-C in a terminal is for the tests, which then stop the server in their own time.
            start_new_session=True,
            **self._runner.popen_arguments(self.home),
        )
        wait_until(self._answers, self.log, PATIENCE)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop the server: `fast` as an administrator would, `immediate` as a crash would, leaving recovery to do."""
        assert self._watcher is not None, "the server does not run"
        watcher, self._watcher = self._watcher, None
        watcher.communicate(SIGNALS[mode] + "\n", timeout=PATIENCE)

    def forbid_growth(self) -> None:
        """Fill the disk: from now on no file of the server's may become longer than its longest table. A restart ends
        it.

        A write beyond that is the server's own error, as with a device that has no space left.
        """
        longest = max(path.stat().st_size for path in (self.home / "data" / "base").rglob("*"))
        for pid in self._processes():
            # As the server's own user: no other user may. A process that has gone meanwhile needs no limit.
            subprocess.run(
                ["prlimit", f"--fsize={longest}:", "--pid", str(pid)],
                check=False,
                capture_output=True,
                **self._runner.popen_arguments(self.home),
            )

    def frozen(self) -> AbstractContextManager[None]:
        """Stop the server's processes while the block runs: its connections stay, acknowledge, and answer nothing."""
        return standing_still(self._processes)

    def _processes(self) -> Sequence[int]:
        server = int((self.home / "data" / "postmaster.pid").read_text().split()[0])
        return [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]

    def close(self) -> None:
        """Stop the server and remove its directory. Closing twice is fine."""
        if self._watcher is not None:
            watcher, self._watcher = self._watcher, None
            watcher.communicate(timeout=PATIENCE)
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self) -> str:
        """Return the server's log so far."""
        log = self.home / "log"
        return log.read_text() if log.exists() else ""

    def _address(self) -> URL:
        if self.port:
            return URL.create("postgresql", username="test", host="127.0.0.1", port=self.port)
        return URL.create("postgresql", username="test", query={"host": str(self.home)})

    def _initialise(self) -> None:
        command = [str(self._bin / "initdb"), "--pgdata=data", "--username=test", "--auth=trust", "--encoding=UTF8"]
        command += ["--locale=C", "--no-sync", "--no-instructions"]
        result = subprocess.run(
            command, check=False, capture_output=True, text=True, **self._runner.popen_arguments(self.home)
        )
        if result.returncode:
            raise RuntimeError(f"initdb failed:\n{result.stdout}{result.stderr}")

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1" if self.port else "",
            "port": str(self.port or 5432),
            "unix_socket_directories": str(self.home),
            "max_connections": "200",
            "shared_buffers": "32MB",
        }
        if not self.durable:
            # synchronous_commit stays on: without it a crash of the server alone would lose what it has confirmed.
            settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_size": "128MB"}
        return ["-D", "data", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True


def start_postgres() -> Postgres:
    """Return the server for this test run: TEST_DATABASE_URL's (its user must be a superuser), or a throw-away."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        return Postgres(make_url(given))
    return ThrowawayPostgres()


def prepare_roles(server: Postgres, database: str) -> None:
    """Run `deploy/postgresql/roles.sql` in a database, as its administrator does."""
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(ROLES.read_text())
