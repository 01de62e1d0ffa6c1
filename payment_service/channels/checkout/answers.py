"""What the checkout callers get, for the API's description, in snake_case and camelCase; the words are in `words`."""

from marshmallow import fields

from payment_service.channels.checkout.schemas import CURRENCIES, METHODS, Spelled
from payment_service.channels.checkout.words import ACCEPTED
from payment_service.domain.lifecycle import Status
from payment_service.web import shown

PAYMENT_ID = "0d3f6a1e-58c1-4c5b-8f4e-2a6f0b7c9d11"
STATUS = f"One of {', '.join(Status).lower()}; in capitals where the service is set so."
TRANSACTION, INTENT, REFUND = "^txn_[0-9a-f]{16}$", "^pi_[0-9a-f]{24}$", "^re_[0-9a-f]{16}$"


class CheckoutResult(Spelled):
    """What became of it: `success`, the status the payment has now, and `error`, which says why not"""

    success = shown.flag(example=True)
    transaction_id = shown.text("txn_9f2c4b7a1d3e5f60", TRANSACTION, nullable=True)
    payment_intent_id = shown.text("pi_9f2c4b7a1d3e5f609f2c4b7a", INTENT, nullable=True)
    status = shown.text("captured", about=STATUS)
    error = shown.text(None, nullable=True)
    payment_id = shown.uuid(PAYMENT_ID)


class PendingCheckout(CheckoutResult):
    """The gateway has not decided yet; ask again, or repeat the key"""

    success = shown.flag(example=False)
    status = shown.text("processing", about=STATUS)
    message = shown.text(f"Payment {ACCEPTED}")


class CheckoutRefund(Spelled):
    """The refund"""

    success = shown.flag(example=True)
    refund_id = shown.text("re_9f2c4b7a1d3e5f60", REFUND)
    amount = shown.money(50.0)
    error = shown.text(None, nullable=True)


class PendingCheckoutRefund(CheckoutRefund):
    """The gateway has not decided about the refund yet; repeat the key"""

    success = shown.flag(example=False)
    status = shown.text("pending", about=STATUS)
    payment_id = shown.uuid(PAYMENT_ID)
    message = shown.text(f"Refund {ACCEPTED}")


class CheckoutPayment(Spelled):
    """An order's payment"""

    id = shown.uuid(PAYMENT_ID)
    order_id = shown.text("ORD-1001")
    amount = shown.money(99.5)
    currency = shown.word("USD", CURRENCIES)
    payment_method = shown.word("credit_card", METHODS)
    status = shown.text("captured", about=STATUS)
    transaction_id = shown.text("txn_9f2c4b7a1d3e5f60", TRANSACTION, nullable=True)
    payment_intent_id = shown.text("pi_9f2c4b7a1d3e5f609f2c4b7a", INTENT, nullable=True)
    provider_response = fields.Dict(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        required=True,
        allow_none=True,
        metadata={
            "description": "What the gateway has said last: `message`, `code`, `authorization_code`.",
            "example": {"message": "Payment processed successfully", "code": None, "authorization_code": "AB12CD"},
        },
    )
    error_message = shown.text(None, nullable=True)
    created_at = shown.moment("2025-11-03T11:23:00.145775")
    updated_at = shown.moment("2025-11-03T11:23:00.198211")
    authorized_at = shown.moment("2025-11-03T11:23:00.198211", nullable=True)
    captured_at = shown.moment("2025-11-03T11:23:00.198211", nullable=True)
    refunded_at = shown.moment(None, nullable=True)
    captured_amount = shown.money(99.5)
    refunded_amount = shown.money(0.0)


RESULT, PENDING = CheckoutResult.in_both(), PendingCheckout.in_both()
REFUNDED, REFUND_PENDING = CheckoutRefund.in_both(), PendingCheckoutRefund.in_both()
