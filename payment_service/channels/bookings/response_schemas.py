"""The responses to the bookings callers: these schemas render and describe them."""

from marshmallow import Schema, missing

from payment_service.domain.errors import AmountTooLarge, Invalid, ServiceError
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.records import Payment
from payment_service.web import response_fields as field
from payment_service.web.error_schemas import RetryAdvice, TextError
from payment_service.web.payment_terms import AwaitingSchema

STATUS_NAMES = {
    Status.PENDING: "pending",
    Status.PROCESSING: "processing",
    Status.REQUIRES_ACTION: "processing",
    Status.AUTHORIZED: "processing",
    Status.CAPTURED: "completed",
    Status.PARTIALLY_REFUNDED: "completed",
    Status.FAILED: "failed",
    Status.REFUNDED: "refunded",
    Status.CANCELLED: "cancelled",
}
REFUND_STATUS_NAMES = {"REFUNDED": "refunded", "PENDING": "pending", "FAILED": "failed"}
UNSPECIFIED = "unspecified"
"""The method of a payment if its caller named none; responses show null."""
PAYMENT_ID = "0d3f6a1e-58c1-4c5b-8f4e-2a6f0b7c9d11"  # in examples

_NOT_A_NUMBER = frozenset({"decimal_parsing", "decimal_type"})


def _method(payment: Payment) -> str | None:
    return None if payment.method == UNSPECIFIED else payment.method


def _failure_code(payment: Payment) -> object:
    return missing if payment.failure_code is None else payment.failure_code


def _failure_message(payment: Payment) -> object:
    return missing if payment.failure_code is None else payment.gateway_response


def _caller_reference(payment: Payment) -> object:
    return missing if payment.caller_reference is None else payment.caller_reference


class BookingPayment(Schema):
    """A booking's payment; one that failed says why."""

    payment_id = field.uuid(PAYMENT_ID, attribute="public_id")
    user_id = field.text("user-42", attribute="subject")
    booking_id = field.text("BOOK-001", attribute="payable_id")
    amount = field.money(150.0)
    currency = field.text("USD", "^[A-Z]{3}$")
    status = field.status_name("pending", STATUS_NAMES)
    payment_method = field.computed(_method, "string", "credit_card", nullable=True)
    transaction_ref = field.text(None, "^TXN-[0-9A-F]{12}$", nullable=True, attribute="transaction_id")
    created_at = field.timestamp("2025-11-03T11:23:00.145775")
    updated_at = field.timestamp("2025-11-03T11:23:00.145775")
    refunded_amount = field.money(0.0)
    caller_reference = field.computed(_caller_reference, "string", "bank-4711", required=False)
    failure_code = field.computed(_failure_code, "string", "CARD_DECLINED", required=False)
    failure_message = field.computed(_failure_message, "string", "Card was declined by issuer", required=False)


class BookingRefund(Schema):
    """The refund that the response is about."""

    refund_id = field.text("re_9f2c4b7a1d3e5f60", "^re_[0-9a-f]{16}$", attribute="public_reference")
    amount = field.money(150.0)
    status = field.status_name("refunded", REFUND_STATUS_NAMES)
    created_at = field.timestamp("2025-11-03T11:25:52.660094")


class OneBookingPayment(Schema):
    """One payment"""

    payment = field.nested(BookingPayment)


class BookingPaymentChange(Schema):
    """The payment as it is now, and what has become of the request"""

    message = field.text("Payment processed successfully")
    payment = field.nested(BookingPayment)
    refund = field.nested(BookingRefund, required=False)


class PendingBookingPayment(BookingPaymentChange, AwaitingSchema):
    """The gateway has not decided yet; ask again, or repeat the request"""

    message = field.text("Payment accepted for processing")


class DeclinedBookingPayment(Schema):
    """The gateway declined: an error with the payment as it is now"""

    error = field.text("Card was declined by issuer")
    payment = field.nested(BookingPayment)
    refund = field.nested(BookingRefund, required=False)
    code = field.text("payment_declined")
    retry = field.nested(RetryAdvice)


class BookingPayments(Schema):
    """The payments of a booking, newest first"""

    payments = field.nested(BookingPayment, many=True)


class Pagination(Schema):
    """Where in the list a page is."""

    page = field.integer(1)
    per_page = field.integer(20)
    total = field.integer(1)
    pages = field.integer(1)
    has_next = field.boolean(example=False)
    has_prev = field.boolean(example=False)
    before = field.text("cDM1NA", nullable=True)


class BookingPaymentsPage(BookingPayments):
    """A page of payments, newest first"""

    pagination = field.nested(Pagination)


class BookingError(TextError):
    """An error of bookings; of several only the first, because the document validates field by field."""

    def message(self, error: ServiceError) -> str:
        """Return the document's own texts."""
        if isinstance(error, AmountTooLarge):
            return "A refund of this payment is already under way"
        if isinstance(error, IllegalMove):
            return _illegal(error)
        if isinstance(error, Invalid):
            first = error.faults[0]
            return "Invalid amount" if first.loc[-1] == "amount" and first.type in _NOT_A_NUMBER else first.msg
        return error.message


def _illegal(error: IllegalMove) -> str:
    name = STATUS_NAMES[error.payment_status]
    texts = {
        Move.CHARGE: f"Payment already {name}",
        Move.REFUND: "Only completed payments can be refunded",
        Move.FAIL: f"Cannot change status from {name} to failed",
        Move.CANCEL: f"Cannot change status from {name} to cancelled",
    }
    return texts.get(error.move, error.message)


PAYMENT, ONE_PAYMENT = BookingPayment(), OneBookingPayment()
PAYMENTS, PAYMENTS_PAGE = BookingPayments(), BookingPaymentsPage()
CHANGE, PENDING, DECLINED = BookingPaymentChange(), PendingBookingPayment(), DeclinedBookingPayment()
