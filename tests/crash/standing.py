"""How the bank's objects stand in the end, in Stripe's language, and whether the rows say the same (S10, S20, S21)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from tests.crash.comparisons import name_of, owner_of
from tests.crash.tables import Ledger, Row, Tables

UNTOUCHED = "requires_confirmation"
"""A registered object that no process has confirmed or ever will: its id is in no row."""
OPEN = {"needs_response", "under_review", "warning_needs_response", "warning_under_review"}
"""Statuses of a dispute that is not decided."""


class Standing:
    """The bank's objects beside the rows. A bank that does not speak Stripe has none, and nothing is judged."""

    def __init__(self, tables: Tables, ledger: Ledger, operations: Sequence[Row]) -> None:
        self._tables = tables
        self._ledger = ledger
        self._operations = operations
        self._intents: defaultdict[str, list[Row]] = defaultdict(list)
        for intent in ledger.objects("payment_intent"):
            self._intents[intent["metadata"].get("gateway_key", "")].append(intent)

    def is_cancelled(self, row: Row) -> bool:
        """Whether the bank can never charge what it had registered: it is cancelled, or the service has no id of it.

        A caller who asks once hears false where the registration failed, and no process confirms a left-over object.
        """
        statuses = {intent["status"] for intent in self._intents[row["gateway_key"]]}
        if row["gateway_reference"] is None and not row["is_client_key"]:
            return statuses == {UNTOUCHED}
        return "canceled" in statuses and statuses <= {"canceled", UNTOUCHED}

    def judge(self) -> Iterator[str]:
        """Yield every violation."""
        yield from self._refused_for_good()
        yield from self._cancels_asked_for()
        yield from self._refunds()
        yield from self._disputes()
        for notice in self._tables.rows("gateway_notices", "notice_id", "due_at IS NOT NULL"):
            yield f"L3: notice {notice['event_id']} of {notice['type']} waits, looked at {notice['attempts']} times"

    def _refused_for_good(self) -> Iterator[str]:
        """S10: a failed payment can never be paid at the bank any more; S1: an operation has one object confirmed."""
        for row in self._operations:
            found = self._intents[row["gateway_key"]]
            if row["operation_status"] == "FAILED" and found and not self.is_cancelled(row):
                yield f"S10: {row['kind']} of {row['amount']} failed here, and may still be paid at the bank: {found}"
            if sum(intent["status"] != UNTOUCHED for intent in found) > 1:
                yield f"S1: {row['kind']} of {row['amount']} has several objects that were confirmed"

    def _cancels_asked_for(self) -> Iterator[str]:
        """S2: a hold is cancelled only after a commit that says so."""
        rows = {row["gateway_key"]: row for row in self._operations}
        for effect in self._ledger.effects():
            owner = owner_of(effect["gateway_key"])
            if owner != effect["gateway_key"] and (owner not in rows or rows[owner]["cancel_asked"] is None):
                yield f"S2: the bank has let {effect['amount']} go, and nobody has asked it to"

    def _refunds(self) -> Iterator[str]:
        """S21: a refund that failed at the bank did not succeed here, and one that was taken back did fail there."""
        failed = {
            refund["metadata"].get("gateway_key"): refund["status"] == "failed"
            for refund in self._ledger.objects("refund")
        }
        for row in self._operations:
            if row["gateway_key"] in failed and failed[row["gateway_key"]] == (row["operation_status"] == "SUCCEEDED"):
                yield f"S21: {row['kind']} of {row['amount']} is {row['operation_status']} here, not so at the bank"

    def _disputes(self) -> Iterator[str]:
        """S21: every dispute is here as the bank shows it, and the payment's sums are theirs."""
        rows = {row["reference"]: row for row in self._tables.rows("disputes", "dispute_id")}
        shown = {dispute["id"]: dispute for dispute in self._ledger.objects("dispute")}
        for reference in rows.keys() ^ shown.keys():
            yield f"S21: dispute {reference} is known on one side only"
        sums: defaultdict[tuple[int, str], Decimal] = defaultdict(Decimal)
        for reference in rows.keys() & shown.keys():
            row, dispute = rows[reference], shown[reference]
            amount = Decimal(dispute["amount"]) / 100
            word = "OPEN" if dispute["status"] in OPEN else "LOST" if dispute["status"] == "lost" else "WON"
            if (row["status"], row["amount"]) != (word, amount):
                yield f"S21: dispute {reference} is {row['status']} of {row['amount']} here, {word} of {amount} there"
            sums[row["payment_id"], word] += amount
        for payment in self._tables.rows("payments", "payment_id"):
            for name, word in (("disputed_amount", "OPEN"), ("charged_back_amount", "LOST")):
                if payment[name] != sums[payment["payment_id"], word]:
                    yield f"S21 {name_of(payment)}: {name} is {payment[name]}, its disputes say otherwise"
