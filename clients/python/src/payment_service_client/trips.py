"""The channel of trips: a finished trip is charged once, and refunded in parts or as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from payment_service_client.sending import Channel
from payment_service_client.wire import Fields, Json, Request, Terms, chosen, segment

TripMethod = Literal["CARD", "UPI", "WALLET", "CASH", "NETBANKING"]
TripStatus = Literal["PENDING", "SUCCESS", "REFUNDED", "FAILED", "CANCELLED"]


@dataclass(frozen=True, slots=True)
class TripPayment:
    """The payment of a trip. SUCCESS stays SUCCESS after a refund in part: see `refunded_amount`."""

    payment_id: int
    trip_id: int
    amount: Decimal
    method: TripMethod
    status: TripStatus
    reference: str
    created_at: datetime
    refunded_amount: Decimal


@dataclass(frozen=True, slots=True)
class TripPayments:
    """A page of payments, newest first; `next_cursor` is the `cursor` of the next page."""

    payments: tuple[TripPayment, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TripRefund:
    """One refund of a trip's payment."""

    payment_id: int
    refund_id: int
    refund_amount: Decimal
    status: Literal["REFUNDED", "PENDING", "FAILED"]
    timestamp: datetime


class Trips(Channel):
    """The requests about payments of trips. Every method raises PaymentError."""

    def pay(
        self,
        trip_id: int,
        method: TripMethod,
        amount: Decimal | None = None,
        *,
        key: str | None = None,
        metadata: Mapping[str, Json] | None = None,
        terms: Terms | None = None,
    ) -> TripPayment:
        """Charge a trip; without `amount` its fare, from the trip service. A decline is Declined."""
        body: Fields = {"trip_id": trip_id, "method": method, "amount": amount, "metadata": metadata}
        return self._send(
            TripPayment,
            Request("POST", "/payments", body=body, key=chosen(key), key_field=True, declinable=True, terms=terms),
        )

    def refund(
        self,
        payment_id: int,
        amount: Decimal | None = None,
        *,
        trip_id: int | None = None,
        key: str | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> TripRefund:
        """Refund `amount`, or all that is left. With `trip_id` the payment of another trip is Refused."""
        body: Fields = {"amount": amount, "trip_id": trip_id, "metadata": metadata}
        path = f"/payments/{segment(payment_id)}/refunds"
        return self._send(
            TripRefund, Request("POST", path, body=body, key=chosen(key), key_field=True, declinable=True)
        )

    def get(self, payment_id: int) -> TripPayment:
        """One payment."""
        return self._send(TripPayment, Request("GET", f"/payments/{segment(payment_id)}"))

    def refunds(self, payment_id: int) -> tuple[TripRefund, ...]:
        """All refunds of a payment."""
        path = f"/payments/{segment(payment_id)}/refunds"
        return self._send(tuple[TripRefund, ...], Request("GET", path, part="refunds"))

    def list(
        self,
        *,
        trip_id: int | None = None,
        status: TripStatus | None = None,
        method: TripMethod | None = None,
        since: date | None = None,
        until: date | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> TripPayments:
        """A page of at most `limit` (100) payments, newest first. A moment `until` is left out, a plain date is not."""
        query: Fields = {
            "trip_id": trip_id,
            "status": status,
            "method": method,
            "from": since.isoformat() if since else None,
            "to": until.isoformat() if until else None,
            "limit": limit,
            "cursor": cursor,
        }
        return self._send(TripPayments, Request("GET", "/payments", query=query))
