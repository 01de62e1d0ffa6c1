"""The channel of bookings: a payment is created, processed later, and refunded as a whole. Every call needs a token."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from payment_service_client.sending import Channel
from payment_service_client.wire import Fields, Request, Terms, chosen, segment

BookingStatus = Literal["pending", "processing", "completed", "failed", "refunded", "cancelled"]


@dataclass(frozen=True, slots=True)
class BookingPayment:
    """The payment of a booking. `caller_reference` is the `transaction_ref` of a status change."""

    payment_id: str
    user_id: str
    booking_id: str
    amount: Decimal
    currency: str
    status: BookingStatus
    payment_method: str | None
    transaction_ref: str | None
    created_at: datetime
    updated_at: datetime
    refunded_amount: Decimal
    caller_reference: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None


@dataclass(frozen=True, slots=True)
class BookingRefund:
    """The refund of a booking's payment."""

    refund_id: str
    amount: Decimal
    status: Literal["refunded", "pending", "failed"]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BookingChange:
    """A payment after a change, with the refund if there is one."""

    message: str
    payment: BookingPayment
    refund: BookingRefund | None = None


@dataclass(frozen=True, slots=True)
class Pagination:
    """Where a page stands. `before`, sent with every further page, keeps later payments out."""

    page: int
    per_page: int
    total: int
    pages: int
    has_next: bool
    has_prev: bool
    before: str | None


@dataclass(frozen=True, slots=True)
class BookingPage:
    """A page of the user's own payments, newest first."""

    payments: tuple[BookingPayment, ...]
    pagination: Pagination


class Bookings(Channel):
    """The requests about payments of bookings. Every method raises PaymentError."""

    def create(
        self,
        booking_id: str,
        amount: Decimal,
        *,
        currency: str | None = None,
        payment_method: str | None = None,
        key: str | None = None,
    ) -> BookingChange:
        """Create a pending payment, in USD without `currency`. No money moves until it is processed."""
        body: Fields = {
            "booking_id": booking_id,
            "amount": amount,
            "currency": currency,
            "payment_method": payment_method,
        }
        return self._send(BookingChange, Request("POST", "/api/payments", body=body, key=chosen(key)))

    def process(self, payment_id: str, *, key: str | None = None, terms: Terms | None = None) -> BookingChange:
        """Charge a pending payment. A decline is Declined, and ends the payment: create another one."""
        path = f"/api/payments/{segment(payment_id)}/process"
        return self._send(BookingChange, Request("POST", path, key=chosen(key), terms=terms))

    def refund(self, payment_id: str, *, key: str | None = None) -> BookingChange:
        """Refund a completed payment as a whole."""
        return self._send(
            BookingChange, Request("POST", f"/api/payments/{segment(payment_id)}/refund", key=chosen(key))
        )

    def change_status(
        self,
        payment_id: str,
        status: BookingStatus,
        *,
        transaction_ref: str | None = None,
        key: str | None = None,
        terms: Terms | None = None,
    ) -> BookingChange:
        """Cancel or fail a pending payment. What moves money needs the scope `payments:service`."""
        body: Fields = {"status": status, "transaction_ref": transaction_ref}
        path = f"/api/payments/{segment(payment_id)}/status"
        return self._send(BookingChange, Request("PATCH", path, body=body, key=chosen(key), terms=terms))

    def get(self, payment_id: str) -> BookingPayment:
        """One payment of the user's own."""
        return self._send(BookingPayment, Request("GET", f"/api/payments/{segment(payment_id)}", part="payment"))

    def get_by_booking(self, booking_id: str) -> tuple[BookingPayment, ...]:
        """The user's own payments of a booking; there may be none."""
        path = f"/api/payments/booking/{segment(booking_id)}"
        return self._send(tuple[BookingPayment, ...], Request("GET", path, part="payments"))

    def list(self, *, page: int = 1, per_page: int = 20, before: str | None = None) -> BookingPage:
        """A page of at most 100 of the user's own payments, newest first."""
        query: Fields = {"page": page, "per_page": per_page, "before": before}
        return self._send(BookingPage, Request("GET", "/api/payments", query=query))
