"""The responses to the trips callers: these schemas render and describe them."""

from marshmallow import Schema

from payment_service.domain.errors import Invalid, ServiceError
from payment_service.domain.lifecycle import IllegalMove, Status
from payment_service.web import response_fields as field
from payment_service.web.error_schemas import TextError
from payment_service.web.payment_terms import AwaitingSchema

METHODS = ("CARD", "UPI", "WALLET", "CASH", "NETBANKING")
STATUS_NAMES = {
    Status.PENDING: "PENDING",
    Status.PROCESSING: "PENDING",
    Status.REQUIRES_ACTION: "PENDING",
    Status.AUTHORIZED: "PENDING",
    Status.CAPTURED: "SUCCESS",
    Status.PARTIALLY_REFUNDED: "SUCCESS",
    Status.REFUNDED: "REFUNDED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
REFERENCE = "^PAY-[0-9]{8}-[0-9a-f]{8,}$"


class TripPayment(Schema):
    """A trip's payment; clients read `status`."""

    payment_id = field.integer(353)
    trip_id = field.integer(101, attribute="payable_id")
    amount = field.money(150.0)
    method = field.choice("CARD", METHODS)
    status = field.status_name("SUCCESS", STATUS_NAMES)
    reference = field.text("PAY-20251103-dd961ae0", REFERENCE)
    created_at = field.timestamp("2025-11-03T11:23:00.145775")
    refunded_amount = field.money(0.0)


class DeclinedTrip(TripPayment):
    """A charge that the gateway declined, and why."""

    failure_code = field.text("CARD_DECLINED")
    message = field.text("Card was declined by issuer", attribute="gateway_response")


class PendingTrip(AwaitingSchema):
    """The gateway has not decided yet; poll the payment, or repeat the key."""

    payment_id = field.integer(353)
    status = field.constant("PENDING", enum=["PENDING"])
    reference = field.text("PAY-20251103-dd961ae0", REFERENCE)
    message = field.constant("Payment accepted for processing")


class TripRefund(Schema):
    """A refund of a trip's payment."""

    payment_id = field.integer(353)
    refund_id = field.integer(12)
    refund_amount = field.money(50.0, attribute="amount")
    status = field.choice("REFUNDED", ["REFUNDED", "PENDING", "FAILED"])
    timestamp = field.timestamp("2025-11-03T11:25:52.660094", attribute="updated_at")


class PendingTripRefund(TripRefund):
    """The gateway has not decided about the refund yet; repeat the key."""

    status = field.choice("PENDING", ["PENDING"])
    message = field.constant("Refund accepted for processing")


class TripPayments(Schema):
    """A page of payments, newest first; `next_cursor` is null on the last one."""

    payments = field.nested(TripPayment, many=True)
    next_cursor = field.text(None, nullable=True)


class TripRefunds(Schema):
    """A payment's refunds, oldest first."""

    refunds = field.nested(TripRefund, many=True)


class TripError(TextError):
    """An error of trips; missing fields are listed together, in the order of the document."""

    def message(self, error: ServiceError) -> str:
        """Return the document's own texts."""
        if isinstance(error, IllegalMove):  # a refund: trips callers ask for no other move
            return f"A payment with status {STATUS_NAMES[error.payment_status]} cannot be refunded"
        faults = error.faults if isinstance(error, Invalid) else ()
        missing = [str(fault.loc[-1]) for fault in faults if fault.type == "missing" and len(fault.loc) > 1]
        return f"Missing required fields: {', '.join(missing)}" if missing else error.message


PAYMENT, DECLINED, PENDING, PAYMENTS = TripPayment(), DeclinedTrip(), PendingTrip(), TripPayments()
REFUND, PENDING_REFUND, REFUNDS = TripRefund(), PendingTripRefund(), TripRefunds()
EVENT = TripPayment(only=["payment_id", "trip_id", "amount", "status", "reference"])
REFUND_EVENT = TripRefund(only=["refund_id", "refund_amount"])
