"""Which migration the database stands at, and whether this role may write to its tables."""

from sqlalchemy import column, select, table, text

from payment_service.connection import Connection
from payment_service.domain.errors import DatabaseNotMigrated, DatabaseUnavailable

VERSION = select(table("alembic_version", column("version_num")).c.version_num)

MAY_WRITE = text(
    """
    SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS is_writable,
           bool_and(to_regclass(needed.name) IS NOT NULL) AS has_tables,
           bool_and(has_table_privilege(to_regclass(needed.name), needed.privilege)) AS has_privileges
    FROM (VALUES ('payments', 'INSERT'), ('payments', 'UPDATE'), ('transactions', 'INSERT'),
                 ('idempotency_keys', 'INSERT'), ('idempotency_keys', 'UPDATE')) AS needed (name, privilege)
    """
)
"""What a charge needs of PostgreSQL; it locks nothing."""

WRITE_NOTHING = text("UPDATE payments SET version = version WHERE false")
"""SQLite has no such question, and begins a transaction on a file that it cannot write as one that only reads."""


def version(connection: Connection) -> str:
    """The revision of the newest migration applied, "" for an empty database."""
    try:
        return str(connection.execute(VERSION).scalar() or "")
    except DatabaseNotMigrated:
        return ""


def require_writable(connection: Connection) -> None:
    """Raise DatabaseUnavailable where no charge can be written: the database is read only, or a privilege is missing.

    A connection that may only read is thrown away with its pool: the next one tells whether that still holds.
    """
    if connection.database == "sqlite":
        connection.execute(WRITE_NOTHING)
        return
    found = connection.execute(MAY_WRITE).one()
    if not found.is_writable:
        connection.discard()
        raise DatabaseUnavailable
    if not found.has_tables:
        raise DatabaseNotMigrated
    if not found.has_privileges:
        raise DatabaseUnavailable
