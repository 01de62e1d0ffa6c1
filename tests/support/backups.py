"""Back-ups and the way back: of an SQLite file, and of a throw-away PostgreSQL with its archived log."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from click.testing import Result
from flask import Flask
from sqlalchemy import make_url

from tests.conftest import dependencies_of
from tests.support.postgres import ThrowawayPostgres
from tests.support.waiting import wait_until


def after_restore(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["after-restore", *words])


class SavedFile:
    """An SQLite database with a back-up of this moment."""

    def __init__(self, app: Flask, url: str, place: Path) -> None:
        self._app, self._file, self._copy = app, str(make_url(url).database), place / "backup.db"
        with closing(sqlite3.connect(self._file)) as file:
            file.execute("VACUUM INTO ?", [str(self._copy)])

    def restore(self) -> None:
        dependencies_of(self._app).database.engine.dispose()
        for name in ("", "-wal", "-shm"):
            Path(f"{self._file}{name}").unlink(missing_ok=True)
        shutil.copy(self._copy, self._file)


class Archived:
    """A server that keeps its log from now on; the base backup is a copy of the stopped server's files."""

    def __init__(self, server: ThrowawayPostgres) -> None:
        self.server = server
        self._data = server.home / "data"
        self._copy = server.home / "copy"
        self._log = server.home / "archive"
        self._tell(
            "ALTER SYSTEM SET archive_mode = on",
            f"ALTER SYSTEM SET archive_command = 'mkdir -p {self._log} && cp %p {self._log}/%f'",
        )
        server.stop("fast")
        subprocess.run(["cp", "-a", self._data, self._copy], check=True)
        server.start()

    def mark(self, name: str) -> None:
        """Name this moment, to return to it later."""
        self._tell(f"SELECT pg_create_restore_point('{name}')")

    def lose_the_server(self) -> None:
        """Stop it as a crash does, after its whole log has reached the archive."""
        self._tell("SELECT pg_switch_wal()", "CHECKPOINT")
        wait_until(lambda: not list((self._data / "pg_wal" / "archive_status").glob("*.ready")))
        self.server.stop("immediate")

    def restore(self, name: str) -> None:
        """Start from the base backup, with the log up to the named moment."""
        subprocess.run(["rm", "-rf", self._data], check=True)
        subprocess.run(["cp", "-a", self._copy, self._data], check=True)
        with (self._data / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"restore_command = 'cp {self._log}/%f %p'\n")
            settings.write(f"recovery_target_name = '{name}'\nrecovery_target_action = 'promote'\n")
        (self._data / "recovery.signal").touch()
        self.server.start()
        wait_until(lambda: not self._tell("SELECT pg_is_in_recovery()"), self.server.log)

    def _tell(self, *statements: str) -> bool:
        """Return the last statement's output, if it has any."""
        with closing(self.server.connect()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            found = cursor.fetchone() if cursor.description else None
        return bool(found and found[0])
