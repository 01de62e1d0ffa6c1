"""The requests of the checkout callers, in snake_case or camelCase."""

from collections.abc import Mapping
from typing import Any

from payment_service.channels.checkout.style import CaseVariantSchema, Variants, camel_case
from payment_service.web import fields
from payment_service.web.field_errors import BaseField
from payment_service.web.fields import load
from payment_service.web.payment_terms import TERMS

CURRENCY = "USD"
CURRENCIES = ("USD", "EUR", "GBP")
METHODS = ("credit_card", "debit_card", "paypal", "stripe")
LONGEST_ID = 255
TRANSACTION = "txn_9f2c4b7a1d3e5f60"  # in examples


class MethodDetails(BaseField):
    """An object of which only the terms of a payment are kept: `payment_token` and `return_url`, in either style.

    A card number in it is refused with the whole body. All other content (a security code, a name) must not be stored,
    not even as part of a fingerprint.
    """

    described: Mapping[str, Any] = {
        "type": "object",
        "description": "`payment_token` and `return_url` are used, all else is dropped; card numbers are refused.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.fault(f"{self.label} must be an object", "dict_type")
        named = {name: value.get(name, value.get(camel_case(name))) for name in TERMS.load_fields}
        return load(TERMS, named, "body")


class NewCheckoutPayment(CaseVariantSchema):
    """`POST /api/v1/payments/process`; without `capture` the money is only held."""

    order_id = fields.Text(LONGEST_ID, required=True, example="ORD-1001")
    amount = fields.Amount(CURRENCY, required=True, example=99.5)
    currency = fields.Currency(only=CURRENCIES, load_default=CURRENCY, example="USD")
    payment_method = fields.Choice(METHODS, any_case=True, required=True, example="credit_card")
    payment_method_details = MethodDetails(load_default=dict)
    capture = fields.Flag(load_default=True)


class NewCheckoutRefund(CaseVariantSchema):
    """`POST /api/v1/payments/refund`."""

    transaction_id = fields.Text(LONGEST_ID, required=True, example=TRANSACTION)
    amount = fields.Amount(CURRENCY, required=True, example=50.0)
    reason = fields.Text(500, 0, lines=True, example="Returned")


class NewCapture(CaseVariantSchema):
    """`POST /api/v1/payments/capture`; without `amount` all that is held is taken."""

    transaction_id = fields.Text(LONGEST_ID, required=True, example=TRANSACTION)
    amount = fields.Amount(CURRENCY)


class NewVoid(CaseVariantSchema):
    """`POST /api/v1/payments/void`."""

    transaction_id = fields.Text(LONGEST_ID, required=True, example=TRANSACTION)


SCHEMAS: Mapping[str, Variants] = {
    "process": NewCheckoutPayment.both_cases(),
    "refund": NewCheckoutRefund.both_cases(),
    "capture": NewCapture.both_cases(),
    "void": NewVoid.both_cases(),
}
"""Each action's schema in snake_case and in camelCase."""
