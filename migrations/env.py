"""Runs the migrations on whichever database the service is set to; two at once wait for each other."""

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

from payment_service import models
from payment_service.domain.errors import DatabaseNotUtf8
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
            connection.execute(text("SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()
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
