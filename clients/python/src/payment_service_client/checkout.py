"""The channel of a shop's checkout: charge at once, or hold the money first and capture or void it later."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from payment_service_client.decoding import T
from payment_service_client.sending import Channel
from payment_service_client.wire import Fields, Json, Request, Terms, chosen, segment

CheckoutMethod = Literal["credit_card", "debit_card", "paypal", "stripe"]
CheckoutCurrency = Literal["USD", "EUR", "GBP"]


@dataclass(frozen=True, slots=True)
class CheckoutResult:
    """A charge, hold, capture or void. `status` is lower-case, unless the service sets `CHECKOUT_STATUS_CASE=upper`."""

    success: bool
    transaction_id: str | None
    payment_intent_id: str | None
    status: str
    error: str | None
    payment_id: str


@dataclass(frozen=True, slots=True)
class CheckoutRefund:
    """One refund of a checkout's payment."""

    success: bool
    refund_id: str
    amount: Decimal
    error: str | None


@dataclass(frozen=True, slots=True)
class CheckoutPayment:
    """The payment of a checkout. `provider_response` has `message`, `code` and `authorization_code` of the gateway."""

    id: str
    order_id: str
    amount: Decimal
    currency: CheckoutCurrency
    payment_method: CheckoutMethod
    status: str
    transaction_id: str | None
    payment_intent_id: str | None
    provider_response: Mapping[str, object] | None
    error_message: str | None
    created_at: datetime
    updated_at: datetime
    authorized_at: datetime | None
    captured_at: datetime | None
    refunded_at: datetime | None
    captured_amount: Decimal
    refunded_amount: Decimal


class Checkout(Channel):
    """The requests about payments of checkouts. Every method raises PaymentError."""

    def process(
        self,
        order_id: str,
        amount: Decimal,
        payment_method: CheckoutMethod,
        *,
        currency: CheckoutCurrency | None = None,
        capture: bool | None = None,
        payment_method_details: Mapping[str, Json] | None = None,
        key: str | None = None,
        terms: Terms | None = None,
    ) -> CheckoutResult:
        """Charge an order, in USD without `currency`; `capture=False` only holds the money. A decline is Declined."""
        body: Fields = {
            "order_id": order_id,
            "amount": amount,
            "currency": currency,
            "payment_method": payment_method,
            "payment_method_details": payment_method_details,
            "capture": capture,
        }
        return self._post(CheckoutResult, "process", body, key, terms)

    def capture(self, transaction_id: str, amount: Decimal | None = None, *, key: str | None = None) -> CheckoutResult:
        """Capture a hold, or `amount` of it; the rest is released."""
        return self._post(CheckoutResult, "capture", {"transaction_id": transaction_id, "amount": amount}, key)

    def void(self, transaction_id: str, *, key: str | None = None) -> CheckoutResult:
        """Release a hold."""
        return self._post(CheckoutResult, "void", {"transaction_id": transaction_id}, key)

    def refund(
        self, transaction_id: str, amount: Decimal, reason: str | None = None, *, key: str | None = None
    ) -> CheckoutRefund:
        """Refund `amount`. Several refunds add up to at most what was captured."""
        body: Fields = {"transaction_id": transaction_id, "amount": amount, "reason": reason}
        return self._post(CheckoutRefund, "refund", body, key)

    def get(self, payment_id: str) -> CheckoutPayment:
        """One payment."""
        return self._get("payment", payment_id)

    def get_by_order(self, order_id: str) -> CheckoutPayment:
        """The payment that paid an order, or the newest one."""
        return self._get("order", order_id)

    def get_by_transaction(self, transaction_id: str) -> CheckoutPayment:
        """The payment of a transaction."""
        return self._get("transaction", transaction_id)

    def _post(self, kind: type[T], action: str, body: Fields, key: str | None, terms: Terms | None = None) -> T:
        path = f"/api/v1/payments/{action}"
        return self._send(kind, Request("POST", path, body=body, key=chosen(key), declinable=True, terms=terms))

    def _get(self, by: str, identifier: str) -> CheckoutPayment:
        return self._send(CheckoutPayment, Request("GET", f"/api/v1/payments/{by}/{segment(identifier)}"))
