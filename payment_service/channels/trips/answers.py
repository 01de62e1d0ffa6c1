"""What the trips callers get, for the API's description; the words themselves are in `words`."""

from marshmallow import Schema

from payment_service.channels.trips.schemas import METHODS
from payment_service.channels.trips.words import ACCEPTED, WORDS
from payment_service.web import shown

REFERENCE = "^PAY-[0-9]{8}-[0-9a-f]{8,}$"


class TripPayment(Schema):
    """A trip's payment; clients read `status`."""

    payment_id = shown.whole(353)
    trip_id = shown.whole(101)
    amount = shown.money(150.0)
    method = shown.word("CARD", METHODS)
    status = shown.word("SUCCESS", WORDS.values())
    reference = shown.text("PAY-20251103-dd961ae0", REFERENCE)
    created_at = shown.moment("2025-11-03T11:23:00.145775")
    refunded_amount = shown.money(0.0)


class ChargedTrip(TripPayment):
    """A charge that is decided: a decline has status FAILED and says why."""

    failure_code = shown.text("CARD_DECLINED", optional=True)
    message = shown.text("Card was declined by issuer", optional=True)


class PendingTrip(Schema):
    """The gateway has not decided yet; poll the payment, or repeat the key."""

    payment_id = shown.whole(353)
    status = shown.word("PENDING", ["PENDING"])
    message = shown.text(ACCEPTED)
    reference = shown.text("PAY-20251103-dd961ae0", REFERENCE)


class TripRefund(Schema):
    """A refund of a trip's payment."""

    payment_id = shown.whole(353)
    refund_id = shown.whole(12)
    refund_amount = shown.money(50.0)
    status = shown.word("REFUNDED", ["REFUNDED", "PENDING", "FAILED"])
    timestamp = shown.moment("2025-11-03T11:25:52.660094")


class PendingTripRefund(TripRefund):
    """The gateway has not decided about the refund yet; repeat the key."""

    status = shown.word("PENDING", ["PENDING"])
    message = shown.text("Refund accepted for processing")


class TripPayments(Schema):
    """A page of payments, newest first; `next_cursor` is null on the last one."""

    payments = shown.many(TripPayment)
    next_cursor = shown.text(None, nullable=True)


class TripRefunds(Schema):
    """A payment's refunds, oldest first."""

    refunds = shown.many(TripRefund)
