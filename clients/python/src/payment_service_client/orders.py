"""The channel of orders: an order has one live payment, charged once and refunded in parts or as a whole."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from payment_service_client.sending import Channel
from payment_service_client.wire import Fields, Request, Terms, chosen, segment

OrderMethod = Literal["CREDIT_CARD", "DEBIT_CARD", "UPI", "NET_BANKING", "WALLET", "COD"]
OrderStatus = Literal["PENDING", "PROCESSING", "COMPLETED", "REFUNDED", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class OrderTransaction:
    """One line of the audit trail of an order's payment."""

    transaction_log_id: int
    transaction_type: Literal["PAYMENT", "REFUND"]
    amount: Decimal
    status: OrderStatus
    description: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OrderPayment:
    """The payment of an order. COMPLETED stays COMPLETED after a refund in part: see `refunded_amount`."""

    payment_id: int
    order_id: int
    user_id: int | None
    amount: Decimal
    currency: str
    payment_method: OrderMethod
    status: OrderStatus
    transaction_id: str
    reference: str
    authorization_code: str | None
    gateway_response: str | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    captured_at: datetime | None
    refunded_amount: Decimal
    transactions: tuple[OrderTransaction, ...]


@dataclass(frozen=True, slots=True)
class OrderPage:
    """A page of payments, newest first, without their trails. `before` belongs to every further page."""

    total: int
    page: int
    page_size: int
    before: str | None
    payments: tuple[OrderPayment, ...]


class Orders(Channel):
    """The requests about payments of orders. Every method raises PaymentError."""

    def charge(
        self,
        order_id: int,
        user_id: int,
        amount: Decimal,
        payment_method: OrderMethod,
        *,
        currency: str | None = None,
        reference: str | None = None,
        key: str | None = None,
        terms: Terms | None = None,
    ) -> OrderPayment:
        """Charge an order: at most 100000, in INR without `currency`. A decline is Declined.

        An order that has a live payment is Refused (`payable_already_paid`).
        """
        body: Fields = {
            "order_id": order_id,
            "user_id": user_id,
            "amount": amount,
            "payment_method": payment_method,
            "currency": currency,
            "reference": reference,
        }
        request = Request("POST", "/v1/payments/charge", body=body, key=chosen(key), declinable=True, terms=terms)
        return self._send(OrderPayment, request)

    def create(
        self,
        order_id: int,
        user_id: int,
        amount: Decimal,
        payment_method: OrderMethod,
        *,
        currency: str | None = None,
        reference: str | None = None,
        key: str | None = None,
    ) -> OrderPayment:
        """Create a pending payment, charged later by `change_status`. Fields and refusals are those of `charge`."""
        body: Fields = {
            "order_id": order_id,
            "user_id": user_id,
            "amount": amount,
            "payment_method": payment_method,
            "currency": currency,
            "reference": reference,
        }
        return self._send(OrderPayment, Request("POST", "/v1/payments", body=body, key=chosen(key)))

    def change_status(
        self, payment_id: int, status: OrderStatus, *, gateway_response: str | None = None, terms: Terms | None = None
    ) -> OrderPayment:
        """Charge a pending payment (COMPLETED; a decline is Declined), or give it up (FAILED, CANCELLED).

        This request has no key: a lost answer or a 202 is OutcomeUnknown. Look the payment up.
        """
        body: Fields = {"status": status, "gateway_response": gateway_response}
        path = f"/v1/payments/{segment(payment_id)}/status"
        declinable = status == "COMPLETED"
        return self._send(OrderPayment, Request("PATCH", path, body=body, declinable=declinable, terms=terms))

    def refund(
        self,
        payment_id: int,
        reason: str,
        amount: Decimal | None = None,
        *,
        order_id: int | None = None,
        key: str | None = None,
    ) -> OrderPayment:
        """Refund `amount`, or all that is left. `reason` has at least 5 characters.

        With `order_id` the payment of another order is Refused (`payable_mismatch`).
        """
        body: Fields = {"amount": amount, "reason": reason, "order_id": order_id}
        return self._send(
            OrderPayment, Request("POST", f"/v1/payments/{segment(payment_id)}/refund", body=body, key=chosen(key))
        )

    def cancel(self, payment_id: int) -> OrderPayment:
        """Cancel a payment before money moves; a repeat does nothing more, so this request needs no key."""
        return self._send(OrderPayment, Request("DELETE", f"/v1/payments/{segment(payment_id)}"))

    def get(self, payment_id: int) -> OrderPayment:
        """One payment with its audit trail."""
        return self._send(OrderPayment, Request("GET", f"/v1/payments/{segment(payment_id)}"))

    def get_by_order(self, order_id: int) -> OrderPayment:
        """The newest payment of an order."""
        return self._send(OrderPayment, Request("GET", f"/v1/payments/order/{segment(order_id)}"))

    def get_by_transaction(self, transaction_id: str) -> OrderPayment:
        """The payment of a transaction."""
        return self._send(OrderPayment, Request("GET", f"/v1/payments/transaction/{segment(transaction_id)}"))

    def list(
        self,
        *,
        status: OrderStatus | None = None,
        payment_method: OrderMethod | None = None,
        user_id: int | None = None,
        page: int = 1,
        page_size: int = 10,
        before: str | None = None,
    ) -> OrderPage:
        """A page of at most 100 payments, newest first."""
        only = {"status": status, "payment_method": payment_method, "user_id": user_id}
        query: Fields = {**only, "page": page, "page_size": page_size, "before": before}
        return self._send(OrderPage, Request("GET", "/v1/payments", query=query))
