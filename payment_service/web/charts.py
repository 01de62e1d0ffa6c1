"""Figures as the shapes of pictures: where each bar begins and ends. How they look is the style sheet's business."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from payment_service.domain.hourly_stats import Hour
from payment_service.domain.lifecycle import Status

WIDTH, HEIGHT = 720, 200
_GAP = 5
_STEPS = 4
_ROUND = (10, 15, 20, 25, 30, 40, 50, 75)
"""Tenths of the round numbers by which a scale may rise, times a power of ten."""

SERIES: Mapping[str, Sequence[Status]] = {
    "captured": (Status.CAPTURED,),
    "authorized": (Status.AUTHORIZED,),
    "refunded": (Status.PARTIALLY_REFUNDED, Status.REFUNDED),
    "cancelled": (Status.CANCELLED,),
    "failed": (Status.FAILED,),
}
"""What is drawn above each other, from the bottom up: payments that came to one of these statuses in the hour."""


@dataclass(frozen=True)
class Part:
    """One coloured part of a bar: its series, how many it stands for, where it begins and how high it is."""

    name: str
    count: int
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One hour: its parts, the height at which payments made in it are marked, and the numbers behind it."""

    start: datetime
    x: float
    parts: Sequence[Part]
    created: int
    created_y: float
    undecided: int

    @property
    def counts(self) -> Mapping[str, int]:
        """How many came to each series."""
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
        """How many came to each series in all hours."""
        return {name: sum(bar.counts[name] for bar in self.bars) for name in SERIES}

    @property
    def created(self) -> int:
        """Payments made in all hours."""
        return sum(bar.created for bar in self.bars)

    @property
    def undecided(self) -> int:
        """Attempts without a decision in all hours."""
        return sum(bar.undecided for bar in self.bars)


def bars_of(day: Sequence[Hour]) -> Chart:
    """A bar for each hour, in one scale that ends at a round number."""
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
    """The smallest round number of which as many as there are steps reach `most`."""
    power = 1
    while True:
        for tenths in _ROUND:
            step, rest = divmod(tenths * power, 10)
            if not rest and step * _STEPS >= most:
                return step
        power *= 10


@dataclass(frozen=True)
class Share:
    """How many payments stand in a status, and how much of all that is, in percent."""

    status: Status
    count: int
    percent: float


def shares_of(by_status: Mapping[Status, int]) -> Sequence[Share]:
    """The share of each status, in the order of a payment's life."""
    everything = sum(by_status.values()) or 1
    return [Share(status, by_status[status], round(100 * by_status[status] / everything, 2)) for status in Status]
