"""The actions of operators: one chain of rows, to which one transaction at a time adds."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, text

from payment_service.connection import Connection
from payment_service.domain.chain import ACTION, JournalKeys
from payment_service.models import operator_actions

# Any number, only ours. A lock of the table would need a right to change its rows, which the service does not have.
_LOCK = text("SELECT pg_advisory_xact_lock(7302026002)")
_LAST = select(operator_actions.c.row_hash).order_by(operator_actions.c.action_id.desc()).limit(1)


def record(connection: Connection, journal: JournalKeys, actions: Sequence[Mapping[str, Any]]) -> None:
    """Add actions, each with all its columns except the hashes. They are few, and wait for each other."""
    if connection.database == "postgresql":
        connection.execute(_LOCK)
    head: str | None = connection.execute(_LAST).scalar()
    for action in actions:
        row = {**action, "previous_hash": head}
        head = journal.sign(ACTION, row)
        connection.execute(insert(operator_actions), {**row, "row_hash": head})
