"""The database's migration, the releases that may work on it, and this role's right to write to its tables.

A release is named by the newest migration that it knows, its `head`. A greater number is a later release's.
"""

from sqlalchemy import column, select, table, text

from payment_service.connection import Connection
from payment_service.domain.errors import DatabaseNotMigrated, DatabaseUnavailable
from payment_service.models import payments, schema_information

VERSION = select(table("alembic_version", column("version_num")).c.version_num)
MIN_CODE = select(schema_information.c.min_code)

MAY_WRITE = text(
    """
    SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS is_writable,
           NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'
                       AND query_start < clock_timestamp() - interval '1.2 seconds') AS has_standby,
           bool_and(to_regclass(needed.name) IS NOT NULL) AS has_tables,
           bool_and(has_table_privilege(to_regclass(needed.name), needed.privilege)) AS has_privileges
    FROM (VALUES ('payments', 'INSERT'), ('payments', 'UPDATE'), ('transactions', 'INSERT'),
                 ('idempotency_keys', 'INSERT'), ('idempotency_keys', 'UPDATE')) AS needed (name, privilege)
    """
)
"""A charge's needs of PostgreSQL; it locks nothing. A COMMIT that waits for a silent standby shows there for every
process, also after the one that sent it has given it up."""

_IS_SPREAD = text("SELECT to_regclass('pg_dist_node') IS NOT NULL")

ASK_EVERY_MACHINE = select(payments.c.payment_id).limit(1)
"""A database that is spread answers this only while all its machines do. It waits for a lock on the whole table, such
as a migration takes: no other database gets it."""

WRITE_NOTHING = text("UPDATE payments SET version = version WHERE false")
"""SQLite has no such query, and opens a read-only transaction on a file that it cannot write."""


def allows(connection: Connection, head: str) -> bool:
    """Return whether a release may work on the tables: they are its own, or a later release's that allow it."""
    try:
        current = str(connection.execute(VERSION).scalar() or "")
        if not is_ahead(current, head):
            return current == head
        return is_known(str(connection.execute(MIN_CODE).scalar() or ""), head)
    except DatabaseNotMigrated:
        return False


def is_ahead(current: str, head: str) -> bool:
    """Return whether a later release has brought the database to `current`."""
    return current.isdecimal() and int(current) > int(head)


def is_known(oldest: str, head: str) -> bool:
    """Return whether a release knows the `oldest` migration that the tables ask for."""
    return oldest.isdecimal() and int(oldest) <= int(head)


def require_writable(connection: Connection) -> None:
    """Raise DatabaseUnavailable if no charge can be written.

    The database is read only, its standby is silent, or a privilege or one of its machines is missing. Discards a
    read-only connection with its pool: the next one shows whether that still holds.
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
    if not (found.has_privileges and found.has_standby):
        raise DatabaseUnavailable
    if is_spread(connection):
        connection.execute(ASK_EVERY_MACHINE)


def is_spread(connection: Connection) -> bool:
    """Return whether the tables of this PostgreSQL lie on several machines, by Citus."""
    return bool(connection.execute(_IS_SPREAD).scalar())
