"""A real PgBouncer with the configuration that is deployed, in front of a test's PostgreSQL, without privileges."""

import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from string import Template

from sqlalchemy import make_url

from tests.support.missing import is_missing
from tests.support.ports import free_port, listens
from tests.support.postgres import Postgres
from tests.support.postgres_binaries import Runner
from tests.support.waiting import wait_until

DEPLOYED = Path(__file__).resolve().parents[2] / "deploy" / "pgbouncer"


def pgbouncer_program() -> str:
    """Return the path of pgbouncer; the calling test is skipped where there is none, and under CI=true it fails.

    Debian keeps it in /usr/sbin, which is not on every user's PATH.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        is_missing("PGBOUNCER IS MISSING: nothing was tested through a pooler (apt-get install pgbouncer)")
    return program


def limit_role(server: Postgres, database: str, role: str | None = None) -> None:
    """Have the deployed limits hold for a role, the server's own by default, in this database."""
    script = (DEPLOYED / "role.sql").read_text()
    script = script.replace(':"role"', f'"{role or server.address.username}"').replace(':"database"', f'"{database}"')
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(script)


class PgBouncer:
    """The deployed pooler for one database of a server: so few server connections that its clients must share them."""

    def __init__(self, server: Postgres, database: str, pool_size: int = 3) -> None:
        self._program = pgbouncer_program()
        self.home = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir="/tmp"))
        self.port = free_port()
        address = server.address.set(drivername="postgresql+psycopg2", host="127.0.0.1", port=self.port)
        self.url = address.set(database=database, query={}).render_as_string(hide_password=False)
        self._runner = Runner.of_this_process()  # it refuses to be root
        self._process: subprocess.Popen[bytes] | None = None
        self._write("users", f'"{address.username}" "{address.password or ""}"\n')
        values = {"DATABASE": database, "SERVER": _server(server), "LISTEN": "127.0.0.1", "PORT": str(self.port)}
        values |= {"AUTH_TYPE": "trust", "AUTH_FILE": f"{self.home}/users", "POOL_SIZE": str(pool_size)}
        self._write("pgbouncer.ini", Template((DEPLOYED / "pgbouncer.ini").read_text()).substitute(values))
        os.chown(self.home, self._runner.uid, self._runner.gid)

    def start(self) -> "PgBouncer":
        """Start and wait until it accepts connections."""
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, str(self.home / "pgbouncer.ini")],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self._runner.popen_arguments(self.home),
            )
        wait_until(lambda: listens(self.port), self.log, patience=10)
        return self

    def log(self) -> str:
        """Return its log so far."""
        return (self.home / "log").read_text()

    def stop(self) -> None:
        """Stop at once: clients lose their connections, and new ones are refused."""
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            process.wait(timeout=10)

    def close(self) -> None:
        """Stop and remove everything."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.write_text(text)
        os.chown(path, self._runner.uid, self._runner.gid)


def _server(server: Postgres) -> str:
    address = make_url(server.url())
    host = address.query.get("host") or address.host or "127.0.0.1"
    return f"host={host} port={address.port or 5432}"
