"""Numbers as shapes of charts: the position and height of each bar. The style sheet decides how they look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from payment_service.domain.hourly_stats import Hour
from payment_service.domain.lifecycle import Status

WIDTH, HEIGHT = 720, 200
_GAP = 5
_STEPS = 4
_ROUND = (10, 15, 20, 25, 30, 40, 50, 75)
"""Tenths of the round numbers that a scale's step may be, times a power of ten."""

SERIES: Mapping[str, Sequence[Status]] = {
    "captured": (Status.CAPTURED,),
    "authorized": (Status.AUTHORIZED,),
    "refunded": (Status.PARTIALLY_REFUNDED, Status.REFUNDED),
    "cancelled": (Status.CANCELLED,),
    "failed": (Status.FAILED,),
}
"""The stacked series, from the bottom up: each counts the payments that reached one of these statuses in the hour."""


@dataclass(frozen=True)
class Part:
    """One coloured part of a bar: its series, its count, its top edge and its height."""

    name: str
    count: int
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One hour: its parts, the height of the mark for created payments, and the numbers behind it."""

    start: datetime
    x: float
    parts: Sequence[Part]
    created: int
    created_y: float
    undecided: int

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of payments in each series."""
        return {part.name: part.count for part in self.parts}


@dataclass(frozen=True)
class Chart:
    """All bars, each `bar_width` wide, and the lines of the scale from the top down: number and height."""

    bars: Sequence[Bar]
    bar_width: float
    lines: Sequence[tuple[int, float]]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def totals(self) -> Mapping[str, int]:
        """The number of payments in each series, over all hours."""
        return {name: sum(bar.counts[name] for bar in self.bars) for name in SERIES}

    @property
    def created(self) -> int:
        """Payments created in all hours."""
        return sum(bar.created for bar in self.bars)

    @property
    def undecided(self) -> int:
        """Attempts without a decision in all hours."""
        return sum(bar.undecided for bar in self.bars)


def bars_of(day: Sequence[Hour]) -> Chart:
    """Return a chart with a bar for each hour, on one scale that ends at a round number."""
    step = _round_step(max(max(hour.created, sum(_counts(hour).values())) for hour in day))
    unit, slot = HEIGHT / (step * _STEPS), WIDTH / len(day)
    bars = [_bar(hour, slot * number, unit) for number, hour in enumerate(day)]
    lines = [(step * number, round(HEIGHT - unit * step * number, 2)) for number in range(_STEPS, -1, -1)]
    return Chart(bars, round(slot - _GAP, 2), lines)


def _bar(hour: Hour, x: float, unit: float) -> Bar:
    parts, below = [], 0
    for name, count in _counts(hour).items():
        below += count
        parts.append(Part(name, count, round(HEIGHT - unit * below, 2), round(unit * count, 2)))
    created_y = round(HEIGHT - unit * hour.created, 2)
    return Bar(hour.start, round(x + _GAP / 2, 2), parts, hour.created, created_y, hour.undecided)


def _counts(hour: Hour) -> Mapping[str, int]:
    return {name: sum(hour.reached[status] for status in statuses) for name, statuses in SERIES.items()}


def _round_step(most: int) -> int:
    """Return the smallest round number that, times the number of steps, is at least `most`."""
    power = 1
    while True:
        for tenths in _ROUND:
            step, rest = divmod(tenths * power, 10)
            if not rest and step * _STEPS >= most:
                return step
        power *= 10


@dataclass(frozen=True)
class Share:
    """A status, the number of payments in it, and its percentage of all payments."""

    status: Status
    count: int
    percent: float


def shares_of(by_status: Mapping[Status, int]) -> Sequence[Share]:
    """Return the share of each status, in the order of a payment's life."""
    everything = sum(by_status.values()) or 1
    return [Share(status, by_status[status], round(100 * by_status[status] / everything, 2)) for status in Status]
