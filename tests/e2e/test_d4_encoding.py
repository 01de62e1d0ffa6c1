"""D4: a database that is not encoded in UTF-8.

Release 1.0.0 migrated it and was ready, then answered 500 to a name with an accent.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of
from tests.support.callers import pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import ROOT, environment

REFUSED = "The database is not encoded in UTF-8: create one WITH ENCODING 'UTF8' for this service."


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def url(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    postgres.drop_database("foreign_text")
    with closing(postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE foreign_text ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0")
    yield postgres.url("foreign_text")
    postgres.drop_database("foreign_text")


@pytest.mark.parametrize(
    "command",
    ["flask --app wsgi db upgrade", "gunicorn --config gunicorn.conf.py wsgi:app", "flask --app wsgi worker"],
)
def test_d4_database_in_another_encoding_is_refused_at_the_start(url: str, command: str, tmp_path: Path) -> None:
    own = environment(
        DATABASE_URL=url, BIND=f"127.0.0.1:{free_port()}", DOTENV_READ="1", TMPDIR=str(tmp_path), LOG_LEVEL="CRITICAL"
    )
    words = [sys.executable, "-m", *command.split()]
    result = subprocess.run(words, check=False, capture_output=True, text=True, cwd=ROOT, env=own, timeout=60)

    assert result.returncode == 1
    assert REFUSED in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_d4_database_found_in_another_encoding_answers_503_and_is_not_ready(url: str) -> None:
    app = create_app(Settings(database_url=url, log_level="CRITICAL"), gateway=LedgerGateway())
    refused, ready = pay_trip(app.test_client()), app.test_client().get("/health/ready")

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert (ready.status_code, ready.get_json()["checks"]["database"]) == (503, False)
    dependencies_of(app).database.engine.dispose()


def test_d4_environment_of_the_process_does_not_change_the_encoding(
    lent: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    app = create_app(Settings(database_url=lent("accents"), log_level="ERROR"), gateway=LedgerGateway())
    with dependencies_of(app).database.reading() as connection:
        assert connection.execute(text("SHOW client_encoding")).scalar() == "UTF8"
        assert connection.execute(text("SELECT octet_length(:text)"), {"text": "Łódź"}).scalar() == 7
    dependencies_of(app).database.engine.dispose()
