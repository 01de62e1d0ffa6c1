"""The bank's file read directly as Stripe's account: moved money, operations without money, and every object."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.crash.tables import Ledger, Row

Object = dict[str, Any]


class StripeLedger(Ledger):
    """Operations and effects in the oracle's words, and Stripe's objects behind them.

    An intent that was cancelled before it was tried is a refusal. A hold that its own cancel ended (a key with "/x")
    has moved nothing.
    """

    def operations(self) -> list[Row]:
        """Return the bank's requests and their outcomes; also those it gave up before any request for money."""
        found = super().operations()
        undone = {key for row in found if (key := _undoes(row)) is not None}
        made = [
            {**row, "status": "declined"} if row["gateway_key"] in undone else row
            for row in found
            if _undoes(row) is None
        ]
        known = {row["gateway_key"] for row in made}
        for intent in self.objects("payment_intent"):
            if intent["status"] == "canceled" and key_of(intent) not in known:
                kind = "authorize" if intent["capture_method"] == "manual" else "charge"
                money = {"amount": major(intent["amount"]), "currency": intent["currency"].upper()}
                made.append({"id": None, "gateway_key": key_of(intent), "kind": kind, "status": "declined", **money})
        return made

    def effects(self) -> list[Row]:
        """Return the operations that moved money, once for each time they did."""
        return [row for row in super().effects() if row["status"] == "approved"]

    def intents_of(self, kind: str, amount: Decimal) -> list[Object]:
        """Return the intents that were made for a charge or an authorization of this amount."""
        how = "manual" if kind == "authorize" else "automatic"
        found = self.objects("payment_intent")
        return [each for each in found if (major(each["amount"]), each["capture_method"]) == (amount, how)]

    def balances(self) -> dict[str, Decimal]:
        """Return the account's money of each intent, by the balance transactions alone, fees aside."""
        owners = {each["id"]: each["payment_intent"] for kind in ("charge", "refund", "dispute")
                  for each in self.objects(kind)}  # fmt: skip
        sums: Counter[str] = Counter()
        for booked in self.objects("balance_transaction"):
            sums[owners[booked["source"]]] += booked["amount"]
        return {intent: major(amount) for intent, amount in sums.items()}

    def came_back(self) -> set[str]:
        """Return the gateway keys of refunds that had succeeded and then failed."""
        return {key_of(each) for each in self.objects("refund") if each.get("failure_balance_transaction")}

    def deliveries(self) -> Iterator[Row]:
        """Yield every webhook: its event, and what became of it."""
        for row in self._select("SELECT event_id, tries, outcome FROM stripe_deliveries"):
            yield dict(row)


def key_of(subject: Object) -> str:
    """Return our key in an object's metadata."""
    return str(subject["metadata"].get("gateway_key", ""))


def major(amount: int) -> Decimal:
    """Convert hundredths to units: every currency of the stories has two decimals."""
    return (Decimal(amount) / 100).normalize()


def _undoes(row: Row) -> str | None:
    """Return the key of the hold that a cancel under a key of its own ended."""
    key, slash, attempt = row["gateway_key"].partition("/")
    return key if row["kind"] == "void" and slash and attempt.startswith("x") else None
