"""What the orders callers get, for the API's description; the words themselves are in `words`."""

from marshmallow import Schema

from payment_service.channels.orders.schemas import METHODS
from payment_service.channels.orders.words import STATUS_WORDS
from payment_service.web import shown

TRANSACTION = "^TXN[0-9]{10}$"


class OrderTransaction(Schema):
    """One row of a payment's audit trail."""

    transaction_log_id = shown.whole(1)
    transaction_type = shown.word("PAYMENT", ["PAYMENT", "REFUND"])
    amount = shown.money(2499.99)
    status = shown.word("COMPLETED", STATUS_WORDS)
    description = shown.text("Charge approved by the gateway")
    created_at = shown.moment("2025-11-03T11:23:00.145775")


class OrderPayment(Schema):
    """An order's payment with its audit trail, which lists leave empty."""

    payment_id = shown.whole(1)
    order_id = shown.whole(3001)
    user_id = shown.whole(601, nullable=True)
    amount = shown.money(2499.99)
    currency = shown.text("INR", "^[A-Z]{3}$")
    payment_method = shown.word("CREDIT_CARD", METHODS)
    status = shown.word("COMPLETED", STATUS_WORDS)
    transaction_id = shown.text("TXN1234567890", TRANSACTION)
    reference = shown.text("INV-2025-001234")
    authorization_code = shown.text("AB12CD", nullable=True)
    gateway_response = shown.text("Payment processed successfully", nullable=True)
    created_at = shown.moment("2025-11-03T11:23:00.145775")
    updated_at = shown.moment("2025-11-03T11:23:00.198211")
    completed_at = shown.moment("2025-11-03T11:23:00.198211", nullable=True)
    captured_at = shown.moment("2025-11-03T11:23:00.198211", nullable=True)
    refunded_amount = shown.money(0.0)
    transactions = shown.many(OrderTransaction)


class PendingOrderPayment(OrderPayment):
    """The gateway has not decided yet; ask again, or repeat the request"""

    message = shown.text("Payment accepted for processing")


class OrderPayments(Schema):
    """A page of payments, newest first"""

    total = shown.whole(1)
    page = shown.whole(1)
    page_size = shown.whole(10)
    payments = shown.many(OrderPayment)
