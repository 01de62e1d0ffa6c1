"""A Citus cluster, named by its coordinator in TEST_DATABASE_URL: each migrated database is spread over its workers."""

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from psycopg2 import sql
from psycopg2.errors import ObjectInUse
from sqlalchemy import URL

from tests.support.postgres import ROLES, Postgres
from tests.support.spread import DISTRIBUTE
from tests.support.waiting import wait_until

LIMITS = Path(__file__).resolve().parents[2] / "deploy" / "pgbouncer" / "role.sql"

Node = tuple[str, int]


class CitusPostgres(Postgres):
    """The coordinator. A database that is spread exists on the workers as well, and so do its copies."""

    def __init__(self, address: URL, workers: Sequence[Node]) -> None:
        super().__init__(address)
        self.workers = [Postgres(address.set(host=host, port=port)) for host, port in workers]

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, empty and on the coordinator only, or as a copy of a spread one on every node."""
        if template is None:
            return super().create_database(name)
        for node in (*self.workers, self):
            wait_until(partial(self._copied, node, name, template))
        # The service sends its limits to the coordinator only. Each worker takes them from the role.
        self._run_file(name, LIMITS, "--set=role=payments_app", f"--set=database={name}")
        return self.url(name)

    def _copied(self, node: Postgres, name: str, template: str) -> bool:
        # The coordinator looks after its databases, on the workers as well, and begins again after some seconds.
        for each in (self, node):
            _end_sessions(each, template)
        try:
            Postgres.create_database(node, name, template)
        except ObjectInUse:
            return False
        return True

    def drop_database(self, name: str) -> None:
        """Remove a database from every node."""
        for node in (self, *self.workers):
            Postgres.drop_database(node, name)

    def spread(self, name: str) -> None:
        """Spread the tables of a migrated database over the workers, as the how-to does."""
        for worker in self.workers:
            Postgres.create_database(worker, name)
        for node in (self, *self.workers):
            _run(node, name, "CREATE EXTENSION citus")
        for worker in self.workers:
            _run(worker, name, ROLES.read_text())
        _run(self, name, f"SELECT citus_set_coordinator_host('{self.address.host}', {self.address.port})")
        for worker in self.workers:
            _run(self, name, f"SELECT citus_add_node('{worker.address.host}', {worker.address.port})")
        self._run_file(name, DISTRIBUTE)

    def _run_file(self, database: str, file: Path, *arguments: str) -> None:
        address = self.address.set(drivername="postgresql", database=database).render_as_string(hide_password=False)
        command = ["psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", *arguments, f"--file={file}", address]
        result = subprocess.run(command, check=False, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


class WorkerServer:
    """The processes of a worker on this machine."""

    def __init__(self, worker: Postgres) -> None:
        with closing(worker.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('data_directory')")
            self._data = Path(str((cursor.fetchone() or ("",))[0]))
        self._programs = Path(f"/proc/{self._pid()}/exe").resolve().parent

    def kill(self) -> None:
        """Kill the server with all its processes, as the loss of a machine does."""
        server = self._pid()
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for pid in (server, *map(int, children)):
            with suppress(ProcessLookupError):  # it has noticed
                os.kill(pid, signal.SIGKILL)

    def start(self) -> None:
        """Start the server again, as the user that owns its files."""
        owner = self._data.stat()
        user = {} if os.geteuid() == owner.st_uid else {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        log = self._data.with_suffix(".log")
        command = [self._programs / "pg_ctl", f"--pgdata={self._data}", f"--log={log}", "--wait", "start"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)  # type: ignore[call-overload]

    def _pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])


def with_workers(server: Postgres) -> Postgres:
    """Return a coordinator together with the workers that it knows; any other server as it is."""
    with closing(server.connect(server.address.database or "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('pg_dist_node') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return server
        cursor.execute("SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 ORDER BY nodeport")
        return CitusPostgres(server.address, cursor.fetchall())


def _run(server: Postgres, database: str, statement: str) -> None:
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _end_sessions(server: Postgres, database: str) -> None:
    """End what keeps a database from being copied: connections between the nodes, and the maintenance of Citus."""
    statement = sql.SQL("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = {}")
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement.format(sql.Literal(database)))
