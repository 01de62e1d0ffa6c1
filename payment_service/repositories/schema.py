"""Which migration the database stands at, and which releases may work on it.

A release is named by the newest migration that it knows, its `head`. A greater number is a later release's.
"""

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, select

from payment_service.models import schema_information


def version(connection: Connection) -> str:
    """The revision of the newest migration applied, "" for an empty database."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def min_code(connection: Connection) -> str:
    """The oldest release that may work on the tables, "" where they do not say."""
    if not inspect(connection).has_table(schema_information.name):
        return ""
    return connection.execute(select(schema_information.c.min_code)).scalar() or ""


def is_ahead(current: str, head: str) -> bool:
    """Tell whether a later release has brought the database to `current`."""
    return current.isdecimal() and int(current) > int(head)


def allows(connection: Connection, head: str) -> bool:
    """Tell whether a release may work on the tables."""
    current = version(connection)
    if not is_ahead(current, head):
        return current == head
    oldest = min_code(connection)
    return oldest.isdecimal() and int(oldest) <= int(head)
