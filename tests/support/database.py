"""Reads of the tables for tests, and a way to make time pass for abandoned keys."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, func, select, update

from payment_service import clock
from payment_service.models import idempotency_keys, metadata, outbox_deliveries, timers
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.retention import purge


def count(deps: Dependencies, table: Table) -> int:
    """Return how many rows a table has."""
    with deps.database.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def rows(deps: Dependencies, table: Table) -> list[dict[str, Any]]:
    """Return every row of a table, as mappings, in the order of its primary key."""
    with deps.database.reading() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]


def everything(deps: Dependencies) -> str:
    """Return every value of every table as one text, to look for what must not be there."""
    tables = metadata.sorted_tables
    return "\n".join(str(row) for table in tables for row in rows(deps, table))


def events(deps: Dependencies) -> list[tuple[str, dict[str, Any]]]:
    """Type and data of every event that RabbitMQ was to get, payment by payment, in order: it must be switched on."""
    assert "rabbitmq" in deps.sinks, "events are rendered for sinks that are switched on"
    ordered = (
        select(outbox_deliveries)
        .where(outbox_deliveries.c.sink == "rabbitmq")
        .order_by(outbox_deliveries.c.payment_id, outbox_deliveries.c.version)
    )
    with deps.database.reading() as connection:
        found = connection.execute(ordered).mappings().all()
    return [(row["event_type"], json.loads(row["body"])["data"]) for row in found]


def expire_leases(deps: Dependencies) -> None:
    """Make every key look as if its owner had died long ago."""
    past = clock.now() - timedelta(hours=1)
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(leased_until=past))
        connection.execute(update(timers).values(due_at=past))


def is_due(seconds: float, due_at: datetime, since: datetime, within: float = 0.1) -> bool:
    """Return whether `due_at` lies `seconds` after a moment between `since` and now, on a machine of any speed."""
    slack = timedelta(seconds=within)
    pause = timedelta(seconds=seconds)
    return since + pause - slack <= due_at <= clock.now() + pause + slack


def assert_due(seconds: float, due_at: datetime, since: datetime, within: float = 0.1) -> None:
    """Check that `due_at` lies `seconds` after a moment between `since` and now, on a machine of any speed."""
    assert is_due(seconds, due_at, since, within), (seconds, due_at, since)


def recover_all(deps: Dependencies) -> None:
    """Let the recovery worker finish what it can, at once."""
    expire_leases(deps)
    recover(deps)


def expire_answers(deps: Dependencies) -> None:
    """Make every stored answer look as if its time were long over."""
    with deps.database.atomic("test") as connection:
        past = clock.now() - timedelta(days=30)
        finished = idempotency_keys.c.response_status.is_not(None)
        connection.execute(update(idempotency_keys).where(finished).values(expires_at=past))


def purge_answers(deps: Dependencies) -> None:
    """Empty every stored answer, as the purge does once its time is over."""
    expire_answers(deps)
    assert sum(purge(deps)) > 0
