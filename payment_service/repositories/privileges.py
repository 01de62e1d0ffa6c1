"""The privileges of the roles in `deploy/postgresql/roles.sql`: each migration run grants them anew."""

from sqlalchemy import Connection, text

from payment_service.connection import Connection as ServiceConnection
from payment_service.models import metadata

APPLICATION, REPORTS = "payments_app", "payments_read"

APPEND_ONLY = frozenset({"transactions", "operator_actions", "journal_seals"})
"""Tables with rows that the service writes once: only the owner may change one."""

WRITTEN_BY_THE_OWNER = frozenset({"alembic_version", "schema_information", "lost_movements"})

REPORTED = frozenset(
    {
        "disputes",
        "hourly_tallies",
        "journal_seals",
        "operator_actions",
        "payment_refunds",
        "payments",
        "reconciliations",
        "tallies",
        "transactions",
    }
)
"""Tables that reports read. Keys with their stored responses, users and deliveries are not among them."""

_ROLES = text("SELECT rolname FROM pg_roles WHERE rolname IN (:application, :reports)")
_IS_OWNER = text("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('transactions')")
_MAY_REWRITE = text("SELECT has_table_privilege('transactions', 'UPDATE')")
_EXISTING = text("SELECT name FROM unnest(:names) AS name WHERE to_regclass(name) IS NOT NULL")
_SEQUENCES = text(
    "SELECT DISTINCT quote_ident(sequence.relname) FROM pg_class AS sequence"
    " JOIN pg_depend ON pg_depend.objid = sequence.oid AND pg_depend.classid = 'pg_class'::regclass"
    " WHERE sequence.relkind = 'S' AND pg_depend.refobjid = ANY (SELECT to_regclass(name) FROM unnest(:names) AS name)"
)


def grant(connection: Connection) -> None:
    """Grant the two roles their privileges, and no others, if the roles exist and this role owns the tables."""
    roles = set(connection.execute(_ROLES, {"application": APPLICATION, "reports": REPORTS}).scalars())
    if not roles or not connection.execute(_IS_OWNER).scalar():
        return
    names = connection.execute(_EXISTING, {"names": [*metadata.tables, "alembic_version"]}).scalars().all()
    for name in names:
        if APPLICATION in roles:
            _grant(connection, name, APPLICATION, _of_application(name))
        if REPORTS in roles:
            _grant(connection, name, REPORTS, "SELECT" if name in REPORTED else "")
    if APPLICATION in roles:
        for sequence in connection.execute(_SEQUENCES, {"names": names}).scalars():
            connection.execute(text(f"GRANT USAGE, SELECT ON SEQUENCE {sequence} TO {APPLICATION}"))


def may_rewrite_journal(connection: ServiceConnection) -> bool:
    """Return whether this role may change rows that the service only adds."""
    if connection.database != "postgresql":
        return True
    return bool(connection.execute(_MAY_REWRITE).scalar())


def _of_application(name: str) -> str:
    if name in WRITTEN_BY_THE_OWNER:
        return "SELECT"
    return "SELECT, INSERT" if name in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"


def _grant(connection: Connection, name: str, role: str, privileges: str) -> None:
    connection.execute(text(f"REVOKE ALL ON {name} FROM {role}"))
    if privileges:
        connection.execute(text(f"GRANT {privileges} ON {name} TO {role}"))
