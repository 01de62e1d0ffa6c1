"""The requests of the orders callers."""

from marshmallow import Schema

from payment_service.channels.orders.response_schemas import METHODS, STATUSES
from payment_service.web import fields
from payment_service.web.listing import Cursor
from payment_service.web.payment_terms import PayingSchema

CURRENCY = "INR"
LARGEST_AMOUNT = 100_000
LONGEST_RESPONSE = 500  # the document's column of the gateway's response,
LONGEST_REASON = LONGEST_RESPONSE - len("Refund: ")  # in which a refund's reason is shown
LAST_PAGE = 2**31  # no list is longer, and the database's integers end


class NewOrderPayment(PayingSchema):
    """`POST /v1/payments/charge`, and `POST /v1/payments` with an order."""

    order_id = fields.PositiveId(texts=True, required=True, example=3001)
    user_id = fields.PositiveId(texts=True, required=True, example=601)
    amount = fields.Amount(CURRENCY, rounded=True, most=LARGEST_AMOUNT, required=True, example=2499.99)
    currency = fields.Currency(load_default=CURRENCY, example="INR")
    payment_method = fields.Choice(METHODS, required=True, example="CREDIT_CARD")
    reference = fields.Text(100, shortest=0, example="INV-2025-001234")


class StatusChange(PayingSchema):
    """`PATCH /v1/payments/{id}/status`."""

    status = fields.Choice(STATUSES, required=True, example="COMPLETED")
    gateway_response = fields.Text(LONGEST_RESPONSE, shortest=0, lines=True)


class NewOrderRefund(Schema):
    """`POST /v1/payments/{id}/refund`; without `amount` all that is left is refunded.

    `order_id` says which order's money is meant: a payment of another order is refused.
    """

    order_id = fields.PositiveId(texts=True)
    amount = fields.Amount(rounded=True, example=1500.0)
    reason = fields.Text(LONGEST_REASON, shortest=5, lines=True, required=True, example="Customer requested")


class OrderFilters(Schema):
    """`GET /v1/payments` of orders."""

    status = fields.Choice(STATUSES)
    payment_method = fields.Choice(METHODS)
    user_id = fields.PositiveId(texts=True)
    page = fields.Whole(1, LAST_PAGE, load_default=1)
    page_size = fields.Whole(1, 100, load_default=10)
    before = Cursor("before")


NEW_PAYMENT, STATUS_CHANGE, NEW_REFUND, FILTERS = NewOrderPayment(), StatusChange(), NewOrderRefund(), OrderFilters()
