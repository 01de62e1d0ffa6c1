"""The channel of bills: a bill is paid once, and its payment is listed. A bill has no refund."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from payment_service_client.sending import Channel
from payment_service_client.wire import Fields, Request, Terms, chosen, segment


@dataclass(frozen=True, slots=True)
class BillPayment:
    """The payment of a bill. `reference` is its key; `status` is PENDING until the gateway decides, then None: paid."""

    payment_id: int
    bill_id: int
    amount: Decimal
    method: str
    reference: str
    paid_at: datetime
    status: Literal["PENDING"] | None = None


class Bills(Channel):
    """The requests about payments of bills. Every method raises PaymentError."""

    def pay(
        self, bill_id: int, amount: Decimal, method: str, *, key: str | None = None, terms: Terms | None = None
    ) -> BillPayment:
        """Pay a bill. `method` has 1 to 50 characters. The key becomes the reference. A decline is Declined."""
        body: Fields = {"bill_id": bill_id, "amount": amount, "method": method}
        return self._send(BillPayment, Request("POST", "/v1/payments", body=body, key=chosen(key), terms=terms))

    def get(self, payment_id: int) -> BillPayment:
        """One payment."""
        return self._send(BillPayment, Request("GET", f"/v1/payments/{segment(payment_id)}"))

    def list(self, *, bill_id: int | None = None, skip: int = 0, limit: int = 100) -> tuple[BillPayment, ...]:
        """At most `limit` (1 to 100) paid payments, oldest first."""
        query: Fields = {"bill_id": bill_id, "skip": skip, "limit": limit}
        return self._send(tuple[BillPayment, ...], Request("GET", "/v1/payments", query=query))
