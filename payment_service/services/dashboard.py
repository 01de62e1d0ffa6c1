"""The dashboard's overview: the last day by hour, what waits, what is stuck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payment_service import clock
from payment_service.domain.business_metrics import Figures
from payment_service.domain.hourly_stats import Hour, day_until, first_hour
from payment_service.repositories import hourly_stats, search
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies

MOST_KEYS = 20
"""Unfinished keys on the list: those that recovery looks at next. The overview counts the rest."""


@dataclass(frozen=True)
class Overview:
    """The service at the moment `at`; `keys` are the first of the unfinished ones."""

    at: datetime
    figures: Figures
    day: Sequence[Hour]
    keys: Sequence[Mapping[str, Any]]


def overview(deps: Dependencies) -> Overview:
    """Read everything once. Raises DatabaseUnavailable."""
    now, found = clock.now(), business_metrics.current(deps)
    with deps.database.snapshot() as connection:
        changes = hourly_stats.read(connection, first_hour(now))
        keys = search.unfinished_keys(connection, MOST_KEYS)
    return Overview(now, found, day_until(now, changes), [dict(key) for key in keys])
