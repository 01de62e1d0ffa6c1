"""Counts of waiting and stuck deliveries, up to a limit, from indexes that hold nothing but these.

Finished rows are in none of these indexes: the cost of a figure does not grow with the tables.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Select, func, literal, select

from payment_service.connection import Connection
from payment_service.domain.business_metrics import SinkFigures
from payment_service.models import outbox_deliveries as deliveries
from payment_service.sqltypes import seconds_since

MOST = 10_000
"""The most that is counted: beyond it no operator needs an exact number to act."""


def _count(sink: str, status: str) -> Any:
    found = select(literal(1)).where(deliveries.c.sink == sink, deliveries.c.status == status).limit(MOST)
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


def _oldest(sink: str) -> Any:
    waiting = (deliveries.c.sink == sink, deliveries.c.status == "PENDING")
    # Not min(), for which PostgreSQL may read all of them while its statistics are those of an empty table.
    first = select(deliveries.c.created_at).where(*waiting).order_by(deliveries.c.created_at).limit(1)
    return func.coalesce(seconds_since(first.scalar_subquery()), 0)


@cache
def _of_sink(sink: str) -> Select[Any]:
    return select(
        _count(sink, "PENDING").label("waiting"),
        _oldest(sink).label("oldest"),
        _count(sink, "DEAD").label("dead"),
        _count(sink, "UNROUTED").label("unrouted"),
    )


def of_sinks(connection: Connection, names: Iterable[str]) -> list[SinkFigures]:
    """Return the figures of each of these sinks."""
    return [SinkFigures(name, **_one(connection, _of_sink(name))) for name in names]


def _one(connection: Connection, statement: Select[Any]) -> dict[str, Any]:
    row = dict(connection.execute(statement).mappings().one())
    # The age mixes the database's clock with ours, which may be a little ahead.
    return row | {"oldest": max(0.0, float(row["oldest"]))}
