"""The PostgreSQL server of the other tests: it is real, it comes back after a crash, and it leaves nothing behind."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url, text

from tests.support.postgres import Postgres, ThrowawayPostgres, start_postgres
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

VICTIM = """
import time
from tests.support.postgres import ThrowawayPostgres

server = ThrowawayPostgres()
print(server.home, flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayPostgres]:
    server = ThrowawayPostgres(tcp=True)
    yield server
    server.close()


def rows(server: Postgres, database: str, query: str) -> list[tuple[object, ...]]:
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def execute(server: Postgres, database: str, statement: str) -> None:
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_server_is_reached_by_its_url_over_tcp(server: ThrowawayPostgres) -> None:
    engine = create_engine(server.url())
    with engine.connect() as connection:
        assert connection.execute(text("SHOW max_connections")).scalar_one() == "200"
    engine.dispose()

    assert f"@127.0.0.1:{server.port}/" in server.url()


def test_database_is_copied_from_a_template_and_dropped_under_its_users(server: ThrowawayPostgres) -> None:
    server.create_database("original")
    execute(server, "original", "CREATE TABLE things AS SELECT 7 AS number")
    server.create_database("copy", template="original")

    assert rows(server, "copy", "SELECT number FROM things") == [(7,)]

    with closing(server.connect("copy")):
        server.drop_database("copy")
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        server.connect("copy")


def test_committed_row_survives_an_immediate_stop(server: ThrowawayPostgres) -> None:
    server.create_database("crash")
    execute(server, "crash", "CREATE TABLE things AS SELECT 7 AS number")

    server.stop("immediate")
    with pytest.raises(psycopg2.OperationalError):
        server.connect("crash")
    server.start()

    assert rows(server, "crash", "SELECT number FROM things") == [(7,)]
    assert "database system was not properly shut down" in server.log()


def test_durable_server_syncs_and_a_closed_one_leaves_no_files() -> None:
    server = ThrowawayPostgres(durable=True)
    try:
        assert rows(server, "postgres", "SHOW fsync") == [("on",)]
        assert make_url(server.url()).query["host"] == str(server.home)
    finally:
        server.close()

    assert not server.home.exists()


def test_server_ends_with_the_process_that_started_it() -> None:
    victim = subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with victim:
        assert victim.stdout
        home = Path(victim.stdout.readline().strip())
        assert (home / "data" / "postmaster.pid").exists()
        server_pid = int((home / "data" / "postmaster.pid").read_text().splitlines()[0])
        victim.send_signal(signal.SIGKILL)

    wait_until(lambda: not home.exists() and not Path(f"/proc/{server_pid}").exists(), patience=10)


def test_existing_server_is_used_and_not_stopped(server: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", server.url())
    existing = start_postgres()
    existing.create_database("guest")
    existing.drop_database("guest")
    existing.close()

    assert rows(server, "postgres", "SELECT 1") == [(1,)]
