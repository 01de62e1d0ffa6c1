"""The requests of the trips callers."""

from marshmallow import Schema

from payment_service.channels.trips.response_schemas import METHODS, STATUS_NAMES
from payment_service.web import fields
from payment_service.web.listing import Cursor, Moment
from payment_service.web.metadata import Metadata
from payment_service.web.parsing import LONGEST_KEY
from payment_service.web.payment_terms import PayingSchema

CURRENCY = "INR"  # the document names none; its payment methods are Indian ones


class NewTripPayment(PayingSchema):
    """`POST /payments`; without `amount` the fare of the trip is charged."""

    idempotency_key = fields.Text(LONGEST_KEY, numbers=True, stripped=True, required=True, example="demo-client-1")
    trip_id = fields.PositiveId(texts=True, required=True, example=101)
    method = fields.Choice(METHODS, any_case=True, required=True, example="CARD")
    amount = fields.Amount(CURRENCY, allow_zero=True, example=150.0)
    metadata = Metadata(ignore_others=True, example={"note": "local test"})


class NewTripRefund(Schema):
    """`POST /payments/{payment_id}/refunds`; without `amount` all that is left is refunded.

    `trip_id` says which trip's money is meant: a payment of another trip is refused.
    """

    idempotency_key = fields.Text(LONGEST_KEY, numbers=True, stripped=True, required=True, example="refund-demo-1")
    trip_id = fields.PositiveId(texts=True)
    amount = fields.Amount(CURRENCY, example=50.0)
    metadata = Metadata(ignore_others=True, example={"reason": "test refund"})


NEW_PAYMENT, NEW_REFUND = NewTripPayment(), NewTripRefund()
FILTERS = Schema.from_dict(
    {
        "trip_id": fields.PositiveId(texts=True),
        "status": fields.Choice(tuple(dict.fromkeys(STATUS_NAMES.values())), any_case=True),
        "method": fields.Choice(METHODS, any_case=True),
        "from": Moment(),
        "to": Moment(after_date=True),
        "limit": fields.Whole(1, 100, load_default=100),
        "cursor": Cursor(),
    },
    name="TripFilters",
)()
"""`GET /payments`; `from` is a keyword of Python, so this is no class."""
