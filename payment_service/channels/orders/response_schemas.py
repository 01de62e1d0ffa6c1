"""The responses to the orders callers: these schemas render and describe them."""

from marshmallow import Schema

from payment_service.domain.errors import AmountTooLarge, PayableAlreadyPaid, ServiceError
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.records import AuditEntry, Payment
from payment_service.web import response_fields as field
from payment_service.web.error_schemas import DetailError
from payment_service.web.payment_terms import AwaitingSchema

METHODS = ("CREDIT_CARD", "DEBIT_CARD", "UPI", "NET_BANKING", "WALLET", "COD")
STATUS_NAMES = {
    Status.PENDING: "PENDING",
    Status.PROCESSING: "PROCESSING",
    Status.REQUIRES_ACTION: "PROCESSING",
    Status.AUTHORIZED: "PROCESSING",
    Status.CAPTURED: "COMPLETED",
    Status.PARTIALLY_REFUNDED: "COMPLETED",
    Status.REFUNDED: "REFUNDED",
    Status.FAILED: "FAILED",
    Status.CANCELLED: "CANCELLED",
}
STATUSES = tuple(dict.fromkeys(STATUS_NAMES.values()))
TRANSACTION = "^TXN[0-9]{10}$"


def _entry_status(entry: AuditEntry) -> str:
    """Return the status of a row. A declined refund does not change the payment's status; its own row is FAILED."""
    return STATUS_NAMES[Status.FAILED if entry.move is Move.REFUND_DECLINED else entry.status]


def _gateway_response(payment: Payment) -> str | None:
    """Return the gateway's text; None during a gateway call, although the caller may have sent one with the charge."""
    processing = STATUS_NAMES[payment.status] == STATUS_NAMES[Status.PROCESSING]
    return None if processing else payment.gateway_response


class OrderTransaction(Schema):
    """One row of a payment's audit trail."""

    transaction_log_id = field.integer(1)
    transaction_type = field.choice("PAYMENT", ["PAYMENT", "REFUND"])
    amount = field.money(2499.99)
    status = field.computed(_entry_status, "string", "COMPLETED", metadata={"enum": list(STATUSES)})
    description = field.text("Charge approved by the gateway")
    created_at = field.timestamp("2025-11-03T11:23:00.145775")


class OrderPayment(Schema):
    """An order's payment with its audit trail, which lists leave empty."""

    payment_id = field.integer(1)
    order_id = field.integer(3001, attribute="payable_id")
    user_id = field.integer(601, nullable=True, attribute="customer_id")
    amount = field.money(2499.99)
    currency = field.text("INR", "^[A-Z]{3}$")
    payment_method = field.choice("CREDIT_CARD", METHODS, attribute="method")
    status = field.status_name("COMPLETED", STATUS_NAMES)
    transaction_id = field.text("TXN1234567890", TRANSACTION)
    reference = field.text("INV-2025-001234")
    authorization_code = field.text("AB12CD", nullable=True)
    gateway_response = field.computed(_gateway_response, "string", "Payment processed successfully", nullable=True)
    created_at = field.timestamp("2025-11-03T11:23:00.145775")
    updated_at = field.timestamp("2025-11-03T11:23:00.198211")
    completed_at = field.timestamp("2025-11-03T11:23:00.198211", nullable=True)
    captured_at = field.timestamp("2025-11-03T11:23:00.198211", nullable=True)
    refunded_amount = field.money(0.0)
    transactions = field.nested(OrderTransaction, many=True, dump_default=list)


class PendingOrderPayment(OrderPayment, AwaitingSchema):
    """The gateway has not decided yet; ask again, or repeat the request"""

    status = field.status_name("PENDING", dict.fromkeys(Status, "PENDING"))
    message = field.constant("Payment accepted for processing")


class PendingOrderRefund(OrderPayment):
    """The gateway has not decided about the refund yet; repeat the request"""

    message = field.constant("Refund accepted for processing")


class OrderPayments(Schema):
    """A page of payments, newest first"""

    total = field.integer(1)
    page = field.integer(1)
    page_size = field.integer(10)
    before = field.text("cDM1NA", nullable=True)
    payments = field.nested(OrderPayment, many=True)


class OrderError(DetailError):
    """An error of orders, in the document's own texts."""

    def message(self, error: ServiceError) -> str:
        """Return the document's own texts."""
        if isinstance(error, IllegalMove):
            return _illegal(error)
        if isinstance(error, AmountTooLarge):
            return "Refund amount cannot exceed payment amount"
        if isinstance(error, PayableAlreadyPaid):
            return f"Payment for order_id {error.details['payable_id']} already exists"
        return error.message


def _illegal(error: IllegalMove) -> str:
    match error.move:
        case Move.REFUND | Move.CANCEL:
            return f"Cannot {error.move} payment with status: {STATUS_NAMES[error.payment_status]}"
        case Move.FAIL:
            return no_change(error.payment_status, STATUS_NAMES[Status.FAILED])
        case _:
            return no_change(error.payment_status, STATUS_NAMES[Status.CAPTURED])


def no_change(status: Status, name: str) -> str:
    """Return the reason why a payment in this status cannot get the status of this name."""
    completed, refunded = STATUS_NAMES[Status.CAPTURED], STATUS_NAMES[Status.REFUNDED]
    hint = ", use refund endpoint" if STATUS_NAMES[status] == completed or name == refunded else ""
    return f"Cannot change status from {STATUS_NAMES[status]} to {name}{hint}"


PAYMENT, PAYMENTS, TRANSACTIONS = OrderPayment(), OrderPayments(), OrderTransaction(many=True)
PENDING, PENDING_REFUND = PendingOrderPayment(), PendingOrderRefund()
EVENT = OrderPayment(exclude=["transactions"])
