"""The oracle for a bank that speaks Stripe: all that it judges, and what Stripe's objects say beside it.

S3 what came back is taken back · S4 the account has what the tables have · S20 notices · S21 disputes and holds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.crash.moves import LEGAL
from tests.crash.oracle import Oracle
from tests.torture.at_stripe.ledger import StripeLedger, key_of, major
from tests.torture.at_stripe.notices import Forger

LEGAL_AT_STRIPE = LEGAL | {
    # the customer must act first
    ("PROCESSING", "REQUIRES_ACTION"),
    ("REQUIRES_ACTION", "AUTHORIZED"),
    ("REQUIRES_ACTION", "CAPTURED"),
    ("REQUIRES_ACTION", "FAILED"),
    # a hold expires
    ("AUTHORIZED", "CANCELLED"),
    # a refund comes back
    ("REFUNDED", "CAPTURED"),
    ("REFUNDED", "PARTIALLY_REFUNDED"),
    ("PARTIALLY_REFUNDED", "CAPTURED"),
    # a dispute changes no status
    ("REFUNDED", "REFUNDED"),
    ("FAILED", "FAILED"),
}
DISPUTES = {"disputed", "dispute_won", "dispute_lost"}
OUTCOMES = {"needs_response": "OPEN", "under_review": "OPEN", "won": "WON", "lost": "LOST"}
"""The meaning of the disputes' statuses: the oracle's own opinion."""

MOVED = {"succeeded", "requires_capture"}


@dataclass
class StripeOracle(Oracle):
    """Judges by Stripe's objects and balance transactions, and by what the `forger` has sent."""

    ledger: StripeLedger
    legal: frozenset[tuple[str | None, str]] = field(default=frozenset(LEGAL_AT_STRIPE), kw_only=True)
    forger: Forger = field(kw_only=True)

    def _parts(self) -> Iterator[Iterator[str]]:
        self._refused_late()
        yield from super()._parts()
        yield self._stayed_failed()
        yield self._balanced()
        yield self._moved_once_per_key()
        yield self._came_back()
        yield self._disputed()
        yield self._ended_holds()
        yield self._noticed()

    def _refused_late(self) -> None:
        """A refund that came back before any caller heard of it was refused."""
        failed = {row["gateway_key"] for row in self._operations if row["operation_status"] == "FAILED"}
        for key in self.ledger.came_back() & failed:
            self._bank[key] = {**self._bank[key], "status": "declined"}
            self._effects = [effect for effect in self._effects if effect["gateway_key"] != key]

    def _stayed_failed(self) -> Iterator[str]:
        """S9: only a dispute can happen to a failed payment: returned money may be disputed, too."""
        for row in (row for rows in self._journal.values() for row in rows):
            if row["from_status"] == row["status"] == "FAILED" and row["move"] not in DISPUTES:
                yield f"S9 payment {row['payment_id']}: {row['move']} though it had failed"

    def _balanced(self) -> Iterator[str]:
        """S4: by balance transactions alone the account has of each payment the money in its row, and no more."""
        of_payments = {row["charge_reference"]: row for row in self._payments if row["charge_reference"]}
        withdrawn: defaultdict[str, Decimal] = defaultdict(Decimal)
        for dispute in self.ledger.objects("dispute"):
            withdrawn[dispute["payment_intent"]] += -major(
                sum(each["amount"] for each in dispute["balance_transactions"])
            )
        balances = self.ledger.balances()
        for intent, has in balances.items():
            payment = of_payments.get(intent)
            if payment is None:
                yield f"S2: the account has {has} of {intent}, which no payment knows"
                continue
            meant = payment["captured_amount"] - payment["refunded_amount"] - withdrawn[intent]
            if has != meant:
                yield f"S4: the account has {has} of payment {payment['payment_id']}, the tables say {meant}"
        for intent, payment in of_payments.items():
            if payment["captured_amount"] and intent not in balances:
                yield f"S3: payment {payment['payment_id']} was captured, and the account has nothing of it"

    def _moved_once_per_key(self) -> Iterator[str]:
        """S1: of all objects that were made for a key one at most has moved money."""
        intents = Counter(key_of(each) for each in self.ledger.objects("payment_intent") if each["status"] in MOVED)
        refunds = Counter(key_of(each) for each in self.ledger.objects("refund"))
        for times in (intents + refunds).values():
            if times > 1:
                yield f"S1: {times} objects at Stripe have moved money for one key"

    def _came_back(self) -> Iterator[str]:
        """S21: a refund that came back is taken back here, and no other is."""
        back = self.ledger.came_back()
        for row in self._operations:
            if row["gateway_key"] in back and row["operation_status"] not in {"REVERSED", "FAILED"}:
                yield f"S21: a refund of {row['amount']} came back, and is {row['operation_status']} here"
            if row["operation_status"] == "REVERSED" and row["gateway_key"] not in back:
                yield f"S21: a refund of {row['amount']} is reversed here and has not come back"

    def _disputed(self) -> Iterator[str]:
        """S21: the disputes here are those at Stripe, as they stand there; the payment has their sums."""
        here = {
            row["reference"]: (row["payment_id"], row["amount"], row["status"], row["gateway_status"])
            for row in self.tables.rows("disputes", "dispute_id")
        }
        numbers = {row["charge_reference"]: row["payment_id"] for row in self._payments}
        there = {
            each["id"]: (
                numbers[each["payment_intent"]],
                major(each["amount"]),
                OUTCOMES[each["status"]],
                each["status"],
            )
            for each in self.ledger.objects("dispute")
        }
        if here != there:
            yield f"S21: the disputes here are {here}, at Stripe {there}"

    def _ended_holds(self) -> Iterator[str]:
        """S21: a payment is cancelled for the end of its hold if Stripe has ended it, and only then."""
        ended = {key_of(each) for each in self.ledger.objects("payment_intent")
                 if each["cancellation_reason"] == "automatic"}  # fmt: skip
        for payment in self._payments:
            has_expired = any(row["move"] == "hold_expired" for row in self._journal[payment["payment_id"]])
            if has_expired != (payment["charge_key"] in ended):
                yield f"S21: payment {payment['payment_id']} is {payment['status']}; its hold ended: {not has_expired}"

    def _noticed(self) -> Iterator[str]:
        """S20: each stored notice is the account's own or was signed by it, each once; none is forged."""
        yield from self.forger.violations
        stored = Counter(row["event_id"] for row in self.tables.rows("gateway_notices", "notice_id"))
        known = {each["id"] for each in self.ledger.objects("event")} | self.forger.stored
        for event, times in stored.items():
            if event in self.forger.turned_away or event not in known:
                yield f"S20: {event} is stored, and the account never sent it"
            if times > 1:
                yield f"S20: {event} is stored {times} times"
