"""The responses to the checkout callers, in snake_case and camelCase: these schemas render and describe them."""

from payment_service.channels.checkout.schemas import CURRENCIES, METHODS
from payment_service.channels.checkout.style import WORDED_AS, CaseVariantSchema
from payment_service.domain.errors import AmountTooLarge, ServiceError
from payment_service.domain.lifecycle import IllegalMove, Move, Status
from payment_service.domain.money import to_number
from payment_service.domain.operations import OperationStatus
from payment_service.domain.records import Operation, Payment, PaymentContext
from payment_service.web import response_fields as field
from payment_service.web.error_schemas import DetailError
from payment_service.web.payment_terms import AwaitingSchema

ACCEPTED = "accepted for processing"
PARTICIPLES = {Move.REFUND: "refunded", Move.CAPTURE: "captured", Move.VOID: "voided"}
PAYMENT_ID = "0d3f6a1e-58c1-4c5b-8f4e-2a6f0b7c9d11"  # in examples
_STATUSES = ", ".join(status for status in Status if status not in WORDED_AS).lower()
STATUS = {"description": f"One of {_STATUSES}; in capitals where the service is set so."}
TRANSACTION, INTENT, REFUND_ID = "^txn_[0-9a-f]{16}$", "^pi_[0-9A-Za-z_]{1,61}$", "^re_[0-9a-f]{16}$"


def operation_of(context: PaymentContext) -> Operation:
    """Return the operation that a result is about. Raises ValueError if there is none."""
    if context.operation is None:
        raise ValueError("a checkout is answered about an operation")
    return context.operation


def is_reversed(context: PaymentContext) -> bool:
    """Return True if the operation was approved after its caller may have got a failure, and is reversed.

    Such a payment never gets a transaction id; every other approved one has it.
    """
    return operation_of(context).status is OperationStatus.SUCCEEDED and context.payment.transaction_id is None


def failure(context: PaymentContext) -> str | None:
    """Return why the operation failed, in the gateway's words if they are still known; None if it did not fail."""
    operation = operation_of(context)
    if operation.status is not OperationStatus.FAILED and not is_reversed(context):
        return None
    return error_message(context.payment) or f"Failed to {operation.kind} payment"


def error_message(payment: Payment) -> str | None:
    """Return the gateway's last decline while the payment is still in the status that followed it; None otherwise."""
    stands = payment.status in (Status.FAILED, Status.AUTHORIZED)
    return payment.gateway_response if stands and payment.failure_code else None


def _provider_response(payment: Payment) -> dict[str, str | None] | None:
    """Return the gateway's last response, None before the first."""
    response = {
        "message": payment.gateway_response,
        "code": payment.failure_code,
        "authorization_code": payment.authorization_code,
    }
    return response if any(response.values()) else None


class CheckoutResult(CaseVariantSchema):
    """What became of it: `success`, the status the payment has now, and `error`, which says why not"""

    success = field.computed(
        lambda context: operation_of(context).status is OperationStatus.SUCCEEDED and not is_reversed(context),
        "boolean",
        example=True,
    )
    transaction_id = field.text("txn_9f2c4b7a1d3e5f60", TRANSACTION, nullable=True, attribute="payment.transaction_id")
    payment_intent_id = field.text(
        "pi_9f2c4b7a1d3e5f609f2c4b7a", INTENT, nullable=True, attribute="payment.payment_intent_id"
    )
    status = field.text("captured", attribute="payment.status", metadata=STATUS)
    error = field.computed(failure, "string", None, nullable=True)
    payment_id = field.uuid(PAYMENT_ID, attribute="payment.public_id")


class PendingCheckout(CheckoutResult, AwaitingSchema):
    """The gateway has not decided yet; ask again, or repeat the key"""

    message = field.constant(f"Payment {ACCEPTED}")


class CheckoutRefund(CaseVariantSchema):
    """The refund"""

    success = field.computed(lambda context: context.refund.status == "REFUNDED", "boolean", True)
    refund_id = field.text("re_9f2c4b7a1d3e5f60", REFUND_ID, attribute="refund.public_reference")
    amount = field.money(50.0, attribute="refund.amount")
    error = field.constant(None)


class PendingCheckoutRefund(CheckoutRefund):
    """The gateway has not decided about the refund yet; repeat the key"""

    status = field.text("pending", attribute="refund.status", metadata=STATUS)
    payment_id = field.uuid(PAYMENT_ID, attribute="payment.public_id")
    message = field.constant(f"Refund {ACCEPTED}")


class CheckoutPayment(CaseVariantSchema):
    """An order's payment"""

    id = field.uuid(PAYMENT_ID, attribute="public_id")
    order_id = field.text("ORD-1001", attribute="payable_id")
    amount = field.money(99.5)
    currency = field.choice("USD", CURRENCIES)
    payment_method = field.choice("credit_card", METHODS, attribute="method")
    status = field.text("captured", metadata=STATUS)
    transaction_id = field.text("txn_9f2c4b7a1d3e5f60", TRANSACTION, nullable=True)
    payment_intent_id = field.text("pi_9f2c4b7a1d3e5f609f2c4b7a", INTENT, nullable=True)
    provider_response = field.computed(
        _provider_response,
        "object",
        {"message": "Payment processed successfully", "code": None, "authorization_code": "AB12CD"},
        nullable=True,
        metadata={
            "description": "What the gateway said last: `message`, `code`, `authorization_code`.",
            "additionalProperties": {"type": "string", "nullable": True},
        },
    )
    error_message = field.computed(error_message, "string", None, nullable=True)
    created_at = field.timestamp("2025-11-03T11:23:00.145775")
    updated_at = field.timestamp("2025-11-03T11:23:00.198211")
    authorized_at = field.timestamp("2025-11-03T11:23:00.198211", nullable=True)
    captured_at = field.timestamp("2025-11-03T11:23:00.198211", nullable=True)
    refunded_at = field.timestamp(None, nullable=True)
    captured_amount = field.money(99.5)
    refunded_amount = field.money(0.0)


class CheckoutError(DetailError):
    """An error of checkout"""

    def message(self, error: ServiceError) -> str:
        """Return the document's own texts."""
        if isinstance(error, IllegalMove):
            done = PARTICIPLES.get(error.move, "processed")
            return f"Payment in status {error.payment_status.lower()} cannot be {done}"
        if isinstance(error, AmountTooLarge):
            return f"Amount exceeds what is left ({to_number(error.details['available'])})"
        return error.message


RESULT, PENDING = CheckoutResult.both_cases(), PendingCheckout.both_cases()
REFUND, PENDING_REFUND = CheckoutRefund.both_cases(), PendingCheckoutRefund.both_cases()
PAYMENT = CheckoutPayment.both_cases()
