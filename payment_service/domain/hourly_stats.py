"""The changes of payments in each hour of a day, as values for a chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from payment_service.domain.business_metrics import FAILED_ATTEMPT
from payment_service.domain.lifecycle import Status

HOUR = timedelta(hours=1)
DAY = 24
"""The hours of the chart: the present one, and those before it."""


@dataclass(frozen=True, order=True)
class Change:
    """One kind of change in one hour: a move (or FAILED_ATTEMPT), from which status ("" for a new payment) to which."""

    hour: datetime
    move: str
    from_status: str
    status: str


@dataclass(frozen=True)
class Hour:
    """One hour: payments made in it, those that came to each status in it, and attempts without a decision."""

    start: datetime
    created: int
    reached: Mapping[Status, int]
    undecided: int


def hour_of(moment: datetime) -> datetime:
    """Return the beginning of the moment's hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def first_hour(now: datetime) -> datetime:
    """Return the beginning of the day that a chart shows at a moment."""
    return hour_of(now) - (DAY - 1) * HOUR


def day_until(now: datetime, changes: Mapping[Change, int]) -> Sequence[Hour]:
    """Return the day's hours, oldest first, also those in which nothing happened."""
    start = first_hour(now)
    return [_hour(start + number * HOUR, changes) for number in range(DAY)]


def _hour(start: datetime, changes: Mapping[Change, int]) -> Hour:
    mine = {change: times for change, times in changes.items() if change.hour == start}
    reached = dict.fromkeys(Status, 0)
    for change, times in mine.items():
        if change.from_status != change.status:
            reached[Status(change.status)] += times
    return Hour(
        start=start,
        created=sum(times for change, times in mine.items() if not change.from_status),
        reached=reached,
        undecided=sum(times for change, times in mine.items() if change.move == FAILED_ATTEMPT),
    )
