"""How a checkout caller writes names and reads statuses; its answers are written the same way, also when replayed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema
from marshmallow.fields import Field

from payment_service.domain.errors import FieldError, Invalid
from payment_service.domain.lifecycle import Status

NAMES = ("order_id", "payment_method", "payment_method_details", "transaction_id")
"""The names a caller sends that can be written in two ways."""

WORDED_AS = {Status.REQUIRES_ACTION.value: Status.PROCESSING.value}

_CAMEL, _UPPER = "camel", "upper"


class CaseVariantSchema(Schema):
    """A schema whose fields are named in snake_case, or in camelCase."""

    camel = False

    @classmethod
    def both_cases(cls) -> "Variants":
        """The schema in snake_case and in camelCase."""
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
        """The style that `response_format()` put into a response format's name."""
        _, *flags = response_format.split(".")
        return cls(camel=_CAMEL in flags, upper=_UPPER in flags)

    def response_format(self, action: str) -> str:
        """The response format of an action (`process.camel`): kept with the key, so that a replay is in style."""
        return ".".join([action, *[_CAMEL] * self.camel, *[_UPPER] * self.upper])

    def name(self, snake: str) -> str:
        """A field's name in this style."""
        return camel_case(snake) if self.camel else snake

    def dump(self, variants: Variants, record: object) -> dict[str, Any]:
        """A record rendered with names and `status` in this style. The document knows no customer who must act."""
        body: dict[str, Any] = variants[self.camel].dump(record)
        if "status" in body:
            status = WORDED_AS.get(body["status"], body["status"])
            body["status"] = status.upper() if self.upper else status.lower()
        return body


def camel_case(name: str) -> str:
    """`payment_method` as `paymentMethod`."""
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def in_one_style(body: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """A caller's body with all names in one style, and whether that is camelCase: it is as soon as one name was.

    Raises Invalid where the same field was given in both styles with two values.
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
