"""What the checkout callers send, in snake_case or camelCase."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, missing
from marshmallow.fields import Field

from payment_service.channels.checkout.style import camel_case
from payment_service.web import fields
from payment_service.web.wording import Worded

CURRENCY = "USD"
CURRENCIES = ("USD", "EUR", "GBP")
METHODS = ("credit_card", "debit_card", "paypal", "stripe")
LONGEST_ID = 255
TRANSACTION = "txn_9f2c4b7a1d3e5f60"  # in examples


class Forgotten(Worded):
    """An object that is judged and dropped.

    The card number in it, should there be one, was refused with the whole body; what else it may hold (a security
    code, a name) must not be kept, not even as part of a fingerprint.
    """

    described: Mapping[str, Any] = {"type": "object", "description": "Judged and forgotten; card numbers are refused."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.fault(f"{self.called} must be an object", "dict_type")
        return missing


class Spelled(Schema):
    """A schema whose fields are named in snake_case, or in camelCase where the caller writes so."""

    camel = False

    @classmethod
    def in_both(cls) -> tuple["Spelled", "Spelled"]:
        """The schema in snake_case and in camelCase."""
        named = {"camel": True, "__doc__": f"{cls.__doc__} (in camelCase)"}
        return cls(), type(f"{cls.__name__}InCamelCase", (cls,), named)()

    def on_bind_field(self, field_name: str, field_obj: "Field[Any]") -> None:
        """Give a field its name on the wire."""
        if self.camel:
            field_obj.data_key = camel_case(field_name)


class NewCheckoutPayment(Spelled):
    """`POST /api/v1/payments/process`; without `capture` the money is only held."""

    order_id = fields.Text(LONGEST_ID, required=True, example="ORD-1001")
    amount = fields.Amount(CURRENCY, required=True, example=99.5)
    currency = fields.Currency(only=CURRENCIES, load_default=CURRENCY, example="USD")
    payment_method = fields.Choice(METHODS, any_case=True, required=True, example="credit_card")
    payment_method_details = Forgotten()
    capture = fields.Flag(load_default=True)


class NewCheckoutRefund(Spelled):
    """`POST /api/v1/payments/refund`."""

    transaction_id = fields.Text(LONGEST_ID, required=True, example=TRANSACTION)
    amount = fields.Amount(CURRENCY, required=True, example=50.0)
    reason = fields.Text(500, 0, lines=True, example="Returned")


class NewCapture(Spelled):
    """`POST /api/v1/payments/capture`; without `amount` all that is held is taken."""

    transaction_id = fields.Text(LONGEST_ID, required=True, example=TRANSACTION)
    amount = fields.Amount(CURRENCY)


class NewVoid(Spelled):
    """`POST /api/v1/payments/void`."""

    transaction_id = fields.Text(LONGEST_ID, required=True, example=TRANSACTION)


SCHEMAS: Mapping[str, tuple[Spelled, Spelled]] = {
    "process": NewCheckoutPayment.in_both(),
    "refund": NewCheckoutRefund.in_both(),
    "capture": NewCapture.in_both(),
    "void": NewVoid.in_both(),
}
"""Each action's schema in snake_case and in camelCase."""
