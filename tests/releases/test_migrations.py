import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade
from sqlalchemy import Engine, create_engine, inspect, text

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db, metadata
from payment_service.repositories import schema
from tests.conftest import here, migrate
from tests.support.first_rows import empty_tables, fill
from tests.support.postgres import Postgres
from tests.support.processes import flask

NewDatabase = Callable[[], str]


@pytest.fixture
def new_database(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> NewDatabase:
    """Make an empty database; return its address."""

    def make() -> str:
        name = f"m{uuid4().hex}"
        if engine_name == "sqlite":
            return f"sqlite:///{tmp_path}/{name}.db"
        return str(request.getfixturevalue("postgres").create_database(name))

    return make


def described(url: str) -> dict[str, Any]:
    """Return all that the database itself says of its tables, except the one of the migrations."""
    engine = create_engine(url)
    try:
        return {name: _table(engine, name) for name in inspect(engine).get_table_names() if name != "alembic_version"}
    finally:
        engine.dispose()


def _table(engine: Engine, table: str) -> dict[str, Any]:
    found = inspect(engine)
    return {
        "columns": sorted(
            (column["name"], str(column["type"]), column["nullable"], str(column["default"]))
            for column in found.get_columns(table)
        ),
        "key": found.get_pk_constraint(table)["constrained_columns"],
        "foreign keys": sorted(
            _named(each, "constrained_columns", "referred_table", "referred_columns")
            for each in found.get_foreign_keys(table)
        ),
        "unique": sorted(_named(each, "column_names") for each in found.get_unique_constraints(table)),
        "checks": sorted(_named(each, "sqltext") for each in found.get_check_constraints(table)),
        "indexes": sorted(
            _named(each, "column_names", "unique", "dialect_options") for each in found.get_indexes(table)
        ),
        "counts itself": engine.name == "postgresql" or _counts(engine, table),
    }


def _counts(engine: Engine, table: str) -> bool:
    with engine.connect() as connection:
        found = text("SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = :name")
        return bool(connection.execute(found, {"name": table}).scalar_one())


def _named(found: Any, *names: str) -> tuple[str, ...]:
    return (str(found["name"]), *(_text(found.get(name)) for name in names))


def _text(value: Any) -> str:
    """Return a value as text: conditions of indexes are objects."""
    return str({name: str(each) for name, each in value.items()} if isinstance(value, dict) else value)


def test_there_is_one_newest_migration_and_one_way_to_it() -> None:
    script = ScriptDirectory(str(here("migrations")))
    assert len(script.get_heads()) == 1
    revisions = [revision.revision for revision in script.walk_revisions()]
    assert revisions == sorted(revisions, reverse=True)
    files = {path.stem.partition("_")[0] for path in here("migrations/versions").glob("*.py")}
    assert files == set(revisions)


def test_the_migrations_make_what_the_models_say(new_database: NewDatabase) -> None:
    by_migrations, by_models = new_database(), new_database()
    migrate(by_migrations)
    engine = create_engine(by_models)
    metadata.create_all(engine)
    engine.dispose()
    assert described(by_migrations) == described(by_models)


NAMED_BY_DOCUMENTS = {
    "payments": "payment_id amount currency method status reference idempotency_hash transaction_id authorization_code"
    " gateway_response created_at updated_at completed_at authorized_at captured_at refunded_at",
    "idempotency_keys": "key_hash request_path response_status response_data created_at updated_at expires_at",
    "payment_refunds": "refund_id payment_id amount status reason created_at",
    "transactions": "transaction_log_id payment_id transaction_type amount status description created_at",
    "users": "auth_user_id email is_verified",
}


def test_columns_named_by_the_documents_exist(database_url: str) -> None:
    columns = {table: {column[0] for column in each["columns"]} for table, each in described(database_url).items()}
    missing = {table: set(names.split()) - columns[table] for table, names in NAMED_BY_DOCUMENTS.items()}
    assert {table: names for table, names in missing.items() if names} == {}


def test_another_migration_would_have_nothing_to_do(new_database: NewDatabase) -> None:
    url = new_database()
    migrate(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


ONE_WAY = "0007"
"""The revision that cannot be reverted."""
MIGRATION_LOCK = 7_302_026_001
"""The lock of migrations/env.py."""


def test_every_migration_goes_up_and_down_with_rows_in_every_table(new_database: NewDatabase) -> None:
    url = new_database()
    app = create_app(Settings(database_url=url, log_level="ERROR"))
    unlike = []
    with app.app_context():
        for revision in _oldest_first():
            upgrade(revision=revision)
            there = described(url)
            if revision != ONE_WAY:
                _fill()
                downgrade(revision="-1")
                before = described(url)
                upgrade(revision=revision)
                if before == there or described(url) != there:
                    unlike.append(revision)
                _fill()
        db.engine.dispose()
    assert unlike == []
    assert set(described(url)) == {table.name for table in metadata.sorted_tables}


def _fill() -> None:
    fill(db.engine)
    with db.engine.connect() as connection:
        assert empty_tables(connection) == set()


def _oldest_first() -> Iterator[str]:
    revisions = [revision.revision for revision in ScriptDirectory(str(here("migrations"))).walk_revisions()]
    return reversed(revisions)


def test_two_migrations_at_once_do_the_work_once(new_database: NewDatabase) -> None:
    url = new_database()
    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(flask, "db", "upgrade", settings={"DATABASE_URL": url}) for _ in range(2)]:
            run.result()
    assert set(described(url)) == {table.name for table in metadata.sorted_tables}


def test_migration_waits_for_another_run_longer_than_for_a_table(postgres: Postgres) -> None:
    """On a busy machine the other run takes its time: this one failed after the five seconds it waits for a table."""
    name = f"m{uuid4().hex}"
    url = postgres.create_database(name)
    with ThreadPoolExecutor(1) as pool:
        with closing(postgres.connect(name)) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
            waiting = pool.submit(migrate, url)
            time.sleep(5.5)
            assert not waiting.done()
        waiting.result()
    assert set(described(url)) == {table.name for table in metadata.sorted_tables}


def test_a_migration_may_think_between_two_statements(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine that takes longer than the service's transactions may stand still, which ended the upgrade."""
    database = sys.modules["payment_service.db"]
    options = database.POSTGRESQL_OPTIONS
    hasty = options.replace("idle_in_transaction_session_timeout=5000", "idle_in_transaction_session_timeout=200")
    assert hasty != options
    monkeypatch.setattr(database, "POSTGRESQL_OPTIONS", hasty)
    is_ahead = schema.is_ahead

    def thinking(*versions: str) -> bool:
        time.sleep(0.6)
        return is_ahead(*versions)

    monkeypatch.setattr(schema, "is_ahead", thinking)
    migrate(postgres.create_database(f"m{uuid4().hex}"))
