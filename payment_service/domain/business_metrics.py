"""The business metrics, as values: counted from the changes of payments, never by counting payments.

Every change of a payment is a row of the journal. Equal changes are counted together, so that a few hundred tallies
stand for any number of payments, and every figure is a sum over them.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from payment_service.domain.lifecycle import LATE, REFUNDS_UNDONE, REVERSALS, Move, Status

_METHODS = "CARD UPI WALLET CASH NETBANKING CREDIT_CARD DEBIT_CARD NET_BANKING COD PAYPAL STRIPE UNSPECIFIED"
METHODS = frozenset(_METHODS.split())
"""The methods that the callers' documents name; all others count as OTHER."""

OTHER = "OTHER"

FAILED_ATTEMPT = "failed_attempt"
"""Counted beside the moves: an attempt that ended without a decision of the gateway."""

_FAILS = (Move.FAIL, Move.CHARGE_DECLINED, Move.AUTHORIZE_DECLINED, Move.REVERSED, Move.HOLD_REVERSED)
_TAKES = (Move.CHARGED, Move.CAPTURED, Move.CHARGED_LATE)
_GIVES_BACK = (Move.PARTLY_REFUNDED, Move.FULLY_REFUNDED, Move.REVERSED)


@dataclass(frozen=True, order=True)
class TallyKey:
    """One kind of change: a move (or FAILED_ATTEMPT), from which status ("" for a new payment) to which."""

    channel: str
    method: str
    currency: str
    move: str
    from_status: str
    status: str


@dataclass(frozen=True)
class Tally:
    """How often a change happened, and the sum of its amounts."""

    key: TallyKey
    times: int
    amount: Decimal


def method_label(method: str) -> str:
    """Return the method to count a payment under: one of METHODS, or OTHER, so that callers cannot invent labels."""
    word = method.upper().replace(" ", "_").replace("-", "_")
    return word if word in METHODS else OTHER


@dataclass(frozen=True)
class Totals:
    """The business metrics that follow from all tallies."""

    tallies: Sequence[Tally]

    @property
    def created(self) -> int:
        """Payments ever made."""
        return sum(tally.times for tally in self.tallies if not tally.key.from_status)

    @property
    def failed(self) -> int:
        """Payments that ever failed: declined by the gateway, or given up by their callers."""
        times = (tally for tally in self.tallies if tally.key.move in _FAILS)
        return sum(tally.times for tally in times if tally.key.from_status != tally.key.status)

    @property
    def errors(self) -> int:
        """Attempts that ended without a decision of the gateway: not sent, not answered, or an answer not believed."""
        return self._times([FAILED_ATTEMPT])

    @property
    def refunds(self) -> int:
        """Refunds that succeeded."""
        return self._times(_GIVES_BACK)

    @property
    def reversed_refunds(self) -> int:
        """Refunds that succeeded and failed later; they are counted by `refunds` as well, which never falls."""
        return self._times(REFUNDS_UNDONE)

    @cached_property
    def taken_back(self) -> Mapping[str, Decimal]:
        """Money of refunds that failed later, by currency: `given_back` less this is what customers have got back."""
        return self._amounts(REFUNDS_UNDONE)

    @property
    def open_reversals(self) -> int:
        """Late approvals that have not been given back yet."""
        return self._times((*LATE, Move.REVERSAL_FAILED)) - self._times(REVERSALS)

    @cached_property
    def taken(self) -> Mapping[str, Decimal]:
        """Money captured, by currency."""
        return self._amounts(_TAKES)

    @cached_property
    def given_back(self) -> Mapping[str, Decimal]:
        """Money refunded, by currency."""
        return self._amounts(_GIVES_BACK)

    @cached_property
    def by_status(self) -> Mapping[Status, int]:
        """Payments that stand in each status now: those that came to it, less those that left."""
        now = Counter(dict.fromkeys(Status, 0))
        for tally in self.tallies:
            now[Status(tally.key.status)] += tally.times
            if tally.key.from_status:
                now[Status(tally.key.from_status)] -= tally.times
        return now

    @cached_property
    def by_channel_and_status(self) -> Mapping[tuple[str, Status], int]:
        """Payments that stand in each status now, for each channel that has ever had a payment."""
        channels = dict.fromkeys(tally.key.channel for tally in self.tallies)
        each = {name: Totals([tally for tally in self.tallies if tally.key.channel == name]) for name in channels}
        return {(name, status): count for name in channels for status, count in each[name].by_status.items()}

    @cached_property
    def by_channel_and_method(self) -> Mapping[tuple[str, str], int]:
        """Payments ever made in each channel with each method."""
        made: Counter[tuple[str, str]] = Counter()
        for tally in self.tallies:
            made[tally.key.channel, tally.key.method] += 0 if tally.key.from_status else tally.times
        return made

    @cached_property
    def moves(self) -> Mapping[tuple[str, str], int]:
        """How often each move happened in each channel."""
        counted: Counter[tuple[str, str]] = Counter()
        for tally in self.tallies:
            counted[tally.key.channel, tally.key.move] += tally.times
        return counted

    def _times(self, moves: Collection[str]) -> int:
        return sum(tally.times for tally in self.tallies if tally.key.move in moves)

    def _amounts(self, moves: Collection[str]) -> Mapping[str, Decimal]:
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for tally in self.tallies:
            if tally.key.move in moves:
                sums[tally.key.currency] += tally.amount
        return sums


@dataclass(frozen=True)
class SinkFigures:
    """One sink's waiting deliveries, dead ones, those without a queue, and the seconds that the first in line waits."""

    sink: str
    waiting: int
    oldest: float
    dead: int
    unrouted: int


@dataclass(frozen=True)
class KeyFigures:
    """Keys with an owner, unfinished keys without one, and the age of the oldest of these in seconds.

    `for_review`: how many of all of them need a person.
    """

    in_flight: int
    undecided: int
    oldest: float
    for_review: int = 0


@dataclass(frozen=True)
class LaterFigures:
    """Payments that need a person after their decision.

    Open disputes, those of them in another currency than their payment's, and holds that end within a day.
    """

    disputes_open: int = 0
    disputes_unfit: int = 0
    holds_expiring: int = 0


@dataclass(frozen=True)
class NoticeFigures:
    """Gateways' notices that wait to be handled, and those that still fit nothing after days of trying."""

    waiting: int = 0
    unmatched: int = 0


@dataclass(frozen=True)
class Reconciliation:
    """The result of comparing [`since`, `until`) with a gateway's list."""

    gateway: str
    since: datetime
    until: datetime
    movements: int
    differences: int
    finished_at: datetime


@dataclass(frozen=True)
class ReconciliationFigures:
    """How far a gateway is reconciled: `age` is the seconds since the end of the last period, infinite for never.

    `periods` begin with the last one; earlier ones are there for their differences.
    """

    gateway: str
    age: float
    periods: Sequence[Reconciliation]

    @property
    def differences(self) -> int:
        """The most of a period. No sum: periods may overlap."""
        return max((each.differences for each in self.periods), default=0)


@dataclass(frozen=True)
class Figures:
    """All business metrics of the database, at one moment.

    `off` are the sinks that are switched off and still have deliveries. `reconciliations` are of the gateways that
    should be reconciled, or were.
    """

    totals: Totals
    sinks: Sequence[SinkFigures]
    keys: KeyFigures
    notices: NoticeFigures = NoticeFigures()
    later: LaterFigures = LaterFigures()
    off: frozenset[str] = frozenset()
    reconciliations: Sequence[ReconciliationFigures] = ()

    @classmethod
    def nothing(cls) -> "Figures":
        """Return the figures of a service without any payment."""
        return cls(Totals(()), (), KeyFigures(0, 0, 0.0))
