"""D5: a release that is rolled back starts on the tables of the release after it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from tests.conftest import here, migrate
from tests.support import manifests
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service, environment
from tests.support.served import is_ready
from tests.support.waiting import wait_until

HEAD = str(ScriptDirectory(str(here("migrations"))).get_current_head())
LATER = "9001"
"""A migration of a release that does not exist yet."""

Ahead = Callable[[str], str]


@pytest.fixture
def ahead(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ahead]:
    """Make a database that a later release has migrated, `ahead(min_code)`; return its address."""
    name, server = f"ahead_{uuid4().hex}", None
    if engine_name == "postgresql":
        server = request.getfixturevalue("postgres")

    def make(min_code: str) -> str:
        url = server.create_database(name) if server else f"sqlite:///{tmp_path}/p.db"
        migrate(url)
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :later"), {"later": LATER})
            connection.execute(text("UPDATE schema_information SET min_code = :code"), {"code": min_code})
            connection.execute(text("ALTER TABLE payments ADD COLUMN of_a_later_release VARCHAR(10)"))
        engine.dispose()
        return str(url)

    yield make
    if server:
        server.drop_database(name)


def flask(*words: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment(DATABASE_URL=url), timeout=60
    )


def test_d5_upgrade_accepts_a_database_that_is_ahead_where_it_allows_it(ahead: Ahead) -> None:
    """Release 1.0.0 ended with "Can't locate revision identified by '9001'"."""
    result = flask("db", "upgrade", url=ahead(HEAD))

    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stderr.splitlines() if "database_is_ahead" in line]
    assert [(line["event"], line["database"], line["min_code"], line["release"]) for line in lines] == [
        ("migrations.database_is_ahead", LATER, HEAD, HEAD)
    ]


@pytest.mark.parametrize("min_code", ["9000", "nonsense"])
def test_d5_upgrade_names_the_release_that_the_database_needs(ahead: Ahead, min_code: str) -> None:
    """Release 1.0.0 named a revision without a remedy."""
    result = flask("db", "upgrade", url=ahead(min_code))

    assert result.returncode == 1
    assert f"stands at migration {LATER}" in result.stderr
    assert f"needs a release that knows migration {min_code}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("words", [("db", "downgrade"), ("db", "current"), ("db", "stamp", "head")])
def test_d5_other_migration_commands_fail_on_a_database_that_is_ahead(ahead: Ahead, words: tuple[str, ...]) -> None:
    """An older release can neither revert a later one's migrations nor name them."""
    result = flask(*words, url=ahead(HEAD))

    assert result.returncode == 1, result.stdout
    assert LATER in result.stderr


@pytest.mark.parametrize(("min_code", "ready"), [(HEAD, True), ("9000", False)])
def test_d5_bin_run_serves_a_compatible_database_and_ends_at_another(
    ahead: Ahead, tmp_path: Path, min_code: str, ready: bool
) -> None:
    """In release 1.0.0 `bin/run` ended at its first step."""
    port = free_port()
    settings = {"DATABASE_URL": ahead(min_code), "SERVICE_PORT": str(port), "DOTENV_READ": "1", "TMPDIR": str(tmp_path)}
    url = f"http://127.0.0.1:{port}"
    with closing(Service(str(ROOT / "bin" / "run"), settings=settings)) as service:
        if not ready:
            assert service.process.wait(timeout=60) == 1
            assert "knows migration 9000" in service.log()
            return

        wait_until(lambda: is_ready(service, url), service.last_words)
        body = {"idempotency_key": "after-rollback", "trip_id": 7, "method": "CARD", "amount": 150.0}
        assert requests.post(f"{url}/payments", json=body, timeout=20).status_code == 200
        assert service.stop() == 0


def test_d5_migrate_jobs_run_the_same_command() -> None:
    """Compose and Kubernetes accept every database that `db upgrade` accepts."""
    job = dict(manifests.pods())["payment-service-migrate"]

    assert manifests.container(job)["command"] == ["flask", "--app", "wsgi", "db", "upgrade"]
    assert "command: [flask, --app, wsgi, db, upgrade]" in here("docker-compose.yml").read_text()
    assert "-m flask --app wsgi db upgrade" in here("bin/run").read_text()
