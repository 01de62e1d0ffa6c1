"""The requests of the bookings callers."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError

from payment_service.channels.bookings.response_schemas import STATUS_NAMES
from payment_service.web import fields
from payment_service.web.listing import Cursor
from payment_service.web.payment_terms import PayingSchema
from payment_service.web.strict_json import Number

CURRENCY = "USD"
LONGEST_ID = 255
_PAGE_NUMBER = re.compile("[1-9][0-9]{0,8}")


class BookingId(fields.Text):
    """Any JSON scalar, as the text in which it is written: the original service did not check the type."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, Number):
            value = value.text
        return super()._deserialize(value, attr, data, **kwargs)


class StatusChoice(fields.Choice):
    """A status under the document's name, refused with the document's text."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            wanted = ", ".join(self.words.values())
            raise self.fault(f"Invalid status. Must be one of: {wanted}", "enum") from None


class PageNumber(fields.Whole):
    """A number from 1 to `high`; invalid input becomes the default, a larger number becomes `high`."""

    def __init__(self, default: int, high: int) -> None:
        self.default = default
        super().__init__(1, high, load_default=default)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        return min(int(value), self.high) if _PAGE_NUMBER.fullmatch(value) else self.default


class Before(Cursor):
    """A cursor of this list → its number; None for invalid input."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            return None


class NewBookingPayment(Schema):
    """`POST /api/payments`; the booking's id is judged first, as its callers are used to."""

    booking_id = BookingId(LONGEST_ID, numbers=True, required=True, example="BOOK-001")
    amount = fields.Amount(CURRENCY, required=True, example=150.0)
    currency = fields.Currency(load_default=CURRENCY, example="USD")
    payment_method = fields.Text(50, example="credit_card")


class NewStatus(PayingSchema):
    """`PATCH /api/payments/{payment_id}/status`."""

    status = StatusChoice(tuple(dict.fromkeys(STATUS_NAMES.values())), any_case=True, required=True, example="failed")
    transaction_ref = fields.Text(64)


class Page(Schema):
    """`GET /api/payments`; nothing in it is ever refused."""

    page = PageNumber(1, 10**9)
    per_page = PageNumber(20, 100)
    before = Before("before")


NEW_PAYMENT, NEW_STATUS, PAGE = NewBookingPayment(), NewStatus(), Page()
