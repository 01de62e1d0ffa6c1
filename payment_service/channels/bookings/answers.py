"""What the bookings callers get, for the API's description; the words themselves are in `words`."""

from marshmallow import Schema

from payment_service.channels.bookings.words import MESSAGES, WORDS
from payment_service.web import shown

PAYMENT_ID = "0d3f6a1e-58c1-4c5b-8f4e-2a6f0b7c9d11"


class BookingPayment(Schema):
    """A booking's payment; one that failed says why."""

    payment_id = shown.uuid(PAYMENT_ID)
    user_id = shown.text("user-42")
    booking_id = shown.text("BOOK-001")
    amount = shown.money(150.0)
    currency = shown.text("USD", "^[A-Z]{3}$")
    status = shown.word("pending", WORDS.values())
    payment_method = shown.text("credit_card", nullable=True)
    transaction_ref = shown.text(None, "^TXN-[0-9A-F]{12}$", nullable=True)
    created_at = shown.moment("2025-11-03T11:23:00.145775")
    updated_at = shown.moment("2025-11-03T11:23:00.145775")
    refunded_amount = shown.money(0.0)
    failure_code = shown.text("CARD_DECLINED", optional=True)
    failure_message = shown.text("Card was declined by issuer", optional=True)


class BookingRefund(Schema):
    """The refund that the answer is about."""

    refund_id = shown.text("re_9f2c4b7a1d3e5f60", "^re_[0-9a-f]{16}$")
    amount = shown.money(150.0)
    status = shown.word("refunded", ["refunded", "pending", "failed"])
    created_at = shown.moment("2025-11-03T11:25:52.660094")


class OneBookingPayment(Schema):
    """One payment"""

    payment = shown.one(BookingPayment)


class _Moved(OneBookingPayment):
    refund = shown.one(BookingRefund, optional=True)


class BookingPaymentMade(OneBookingPayment):
    """The payment waits to be processed"""

    message = shown.text(MESSAGES["create"])


class BookingPaymentMoved(_Moved):
    """Done: the payment as it is now"""

    message = shown.text(MESSAGES["process"])


class BookingPaymentPending(_Moved):
    """The gateway has not decided yet; ask again, or repeat the request"""

    message = shown.text("Payment accepted for processing")


class BookingPaymentDeclined(_Moved, shown.ErrorText):
    """The gateway declined: an error with the payment as it is now"""


class BookingPayments(Schema):
    """The payments of a booking, newest first"""

    payments = shown.many(BookingPayment)


class Pagination(Schema):
    """Where in the list a page is."""

    page = shown.whole(1)
    per_page = shown.whole(20)
    total = shown.whole(1)
    pages = shown.whole(1)
    has_next = shown.flag(example=False)
    has_prev = shown.flag(example=False)


class BookingPaymentsPage(BookingPayments):
    """A page of payments, newest first"""

    pagination = shown.one(Pagination)
