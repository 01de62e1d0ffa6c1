"""Runs the migrations on whichever database the service is set to; two at once wait for each other."""

import click
import structlog
from alembic import context
from alembic.util import CommandError
from flask import current_app
from sqlalchemy import Connection, inspect, text

from payment_service import models
from payment_service.domain.errors import DatabaseNotUtf8
from payment_service.models import schema_information
from payment_service.repositories import privileges, schema
from payment_service.sqltypes import Identity64, Money, MoneySum, UtcDateTime

LOCK = 7_302_026_001
"""PostgreSQL advisory lock of all migrations of this service: any number, only ours."""

TYPES = {Money: "Money()", MoneySum: "MoneySum()", UtcDateTime: "UtcDateTime()"}


def render_item(kind: str, item: object, autogen_context: object) -> str | bool:
    """Write our column types by name into generated migrations, so that each database gets its own."""
    if kind == "type" and type(item) in TYPES:
        autogen_context.imports.add(f"from payment_service.sqltypes import {type(item).__name__}")  # type: ignore[attr-defined]
        return TYPES[type(item)]
    return "Identity64" if item is Identity64 else False


def is_ahead(connection: Connection) -> bool:
    """Tell whether a later release has migrated this database, asked to upgrade; refuse where ours may not work on it.

    Raises CommandError, which names the release that is needed.
    """
    head, version = str(context.get_head_revision()), context.get_context().get_current_revision() or ""
    if not schema.is_ahead(version, head) or not is_upgrade(head):
        return False
    has_table = inspect(connection).has_table(schema_information.name)
    min_code = str(connection.execute(schema.MIN_CODE).scalar() or "") if has_table else ""
    if not schema.is_known(min_code, head):
        raise CommandError(
            f"the database stands at migration {version}. It needs a release that knows migration"
            f" {min_code or version} (schema_information.min_code); this one knows {head} at most."
            " Start a newer release"
        )
    structlog.get_logger("payment_service.migrations").warning(
        "migrations.database_is_ahead", database=version, min_code=min_code, release=head
    )
    return True


def is_upgrade(head: str) -> bool:
    """Tell whether the newest migration is asked for."""
    try:
        return context.get_revision_argument() == head
    except KeyError:  # a command that goes nowhere, such as `db current`
        return False


def run(connection: Connection) -> None:
    """Bring the schema to the revision asked for, in one transaction."""
    if connection.dialect.name == "sqlite":
        # SQLite changes a table by copying it, and drops the old one: its rows are still referred to at that moment.
        # Alembic takes a transaction that has begun before it is configured as ours, and ends none in between.
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(
        connection=connection,
        target_metadata=models.metadata,
        render_as_batch=True,
        render_item=render_item,
        compare_type=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Another run may be at it: it holds the lock until its work is done.
            connection.execute(text("SET LOCAL lock_timeout = '10min'; SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
            # A migration may compute between two statements, for long on a busy machine.
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        if not is_ahead(connection):
            context.run_migrations()
            if connection.dialect.name == "postgresql":
                privileges.grant(connection)
    if connection.dialect.name == "sqlite" and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
        raise RuntimeError(f"the migration would leave {len(broken)} rows that refer to nothing")


try:
    connected = current_app.extensions["migrate"].db.engine.connect()
except DatabaseNotUtf8 as error:
    raise click.ClickException(error.message) from error
with connected as engine_connection:
    if engine_connection.dialect.name == "postgresql":
        engine_connection.execution_options(isolation_level="READ COMMITTED")
    try:
        run(engine_connection)
        engine_connection.commit()
    finally:
        if engine_connection.dialect.name == "sqlite":
            engine_connection.rollback()  # what was not committed: within a transaction the pragma changes nothing
            engine_connection.exec_driver_sql("PRAGMA foreign_keys=ON")
