"""Which migration the database stands at."""

from alembic.runtime.migration import MigrationContext

from payment_service.connection import Connection


def version(connection: Connection) -> str:
    """The revision of the newest migration applied, "" for an empty database."""
    return MigrationContext.configure(connection.core).get_current_revision() or ""
