"""The caller's style of names and statuses; responses use the same style, also when replayed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema
from marshmallow.fields import Field

from payment_service.domain.errors import FieldError, Invalid
from payment_service.domain.lifecycle import Status

NAMES = ("order_id", "payment_method", "payment_method_details", "transaction_id")
"""The fields of requests that can be written in both styles."""

WORDED_AS = {Status.REQUIRES_ACTION.value: Status.PROCESSING.value}

_CAMEL, _UPPER = "camel", "upper"


class CaseVariantSchema(Schema):
    """A schema whose fields are named in snake_case, or in camelCase."""

    camel = False

    @classmethod
    def both_cases(cls) -> "Variants":
        """Return the schema in snake_case and in camelCase."""
        named = {"camel": True, "__doc__": f"{cls.__doc__} (in camelCase)"}
        return cls(), type(f"{cls.__name__}InCamelCase", (cls,), named)()

    def on_bind_field(self, field_name: str, field_obj: "Field[Any]") -> None:
        """Give a field its name on the wire."""
        if self.camel:
            field_obj.data_key = camel_case(field_name)


Variants = tuple[CaseVariantSchema, CaseVariantSchema]


@dataclass(frozen=True)
class Style:
    """Names in camelCase, as the order service writes them, or in snake_case; statuses in capitals or not."""

    camel: bool = False
    upper: bool = False

    @classmethod
    def of(cls, response_format: str) -> "Style":
        """Return the style that `response_format()` put into a response format's name."""
        _, *flags = response_format.split(".")
        return cls(camel=_CAMEL in flags, upper=_UPPER in flags)

    def response_format(self, action: str) -> str:
        """Return the response format of an action (`process.camel`): stored with the key, so that a replay has it."""
        return ".".join([action, *[_CAMEL] * self.camel, *[_UPPER] * self.upper])

    def name(self, snake: str) -> str:
        """Return a field's name in this style."""
        return camel_case(snake) if self.camel else snake

    def dump(self, variants: Variants, record: object) -> dict[str, Any]:
        """Render a record with names and `status` in this style. The document knows no customer who must act."""
        body: dict[str, Any] = variants[self.camel].dump(record)
        if "status" in body:
            status = WORDED_AS.get(body["status"], body["status"])
            body["status"] = status.upper() if self.upper else status.lower()
        return body


def camel_case(name: str) -> str:
    """Return `payment_method` as `paymentMethod`."""
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def in_one_style(body: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return a body with all names in one style, and True for camelCase: one such name is enough.

    Raises Invalid if the body has a field in both styles with two values.
    """
    both = {camel_case(name): name for name in NAMES}
    found = dict(body)
    if not both.keys() & found.keys():
        return found, False
    for camel, snake in both.items():
        if snake in found:
            value = found.pop(snake)
            if found.setdefault(camel, value) != value:
                raise Invalid([FieldError(("body", camel), f"{camel} and {snake} differ")])
    return found, True
