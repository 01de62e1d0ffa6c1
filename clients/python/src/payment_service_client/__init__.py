"""Calls the payment service: one method for each request, repeated safely until its answer is final."""

from payment_service_client.bills import BillPayment
from payment_service_client.bookings import BookingChange, BookingPage, BookingPayment, BookingRefund
from payment_service_client.checkout import CheckoutPayment, CheckoutRefund, CheckoutResult
from payment_service_client.client import KeyState, PaymentClient
from payment_service_client.errors import (
    ActionRequired,
    Declined,
    Mismatch,
    NextAction,
    OutcomeUnknown,
    PaymentError,
    Refused,
    Unavailable,
)
from payment_service_client.orders import OrderPage, OrderPayment, OrderTransaction
from payment_service_client.trips import TripPayment, TripPayments, TripRefund
from payment_service_client.wire import Retry, Terms, new_key

__all__ = [
    "ActionRequired",
    "BillPayment",
    "BookingChange",
    "BookingPage",
    "BookingPayment",
    "BookingRefund",
    "CheckoutPayment",
    "CheckoutRefund",
    "CheckoutResult",
    "Declined",
    "KeyState",
    "Mismatch",
    "NextAction",
    "OrderPage",
    "OrderPayment",
    "OrderTransaction",
    "OutcomeUnknown",
    "PaymentClient",
    "PaymentError",
    "Refused",
    "Retry",
    "Terms",
    "TripPayment",
    "TripPayments",
    "TripRefund",
    "Unavailable",
    "new_key",
]
