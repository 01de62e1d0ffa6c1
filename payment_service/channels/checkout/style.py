"""How a checkout caller writes names and reads statuses; its answers are written the same way, also when replayed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from payment_service.domain.errors import Fault, Invalid
from payment_service.domain.lifecycle import Status

NAMES = ("order_id", "payment_method", "payment_method_details", "transaction_id")
"""The names a caller sends that can be written in two ways."""

_CAMEL, _UPPER = "camel", "upper"


@dataclass(frozen=True)
class Style:
    """Names in camelCase, as the order service writes them, or in snake_case; statuses in capitals or not."""

    camel: bool = False
    upper: bool = False

    @classmethod
    def of(cls, rendering: str) -> "Style":
        """The style that `rendering()` put into a rendering's name."""
        _, *flags = rendering.split(".")
        return cls(camel=_CAMEL in flags, upper=_UPPER in flags)

    def rendering(self, action: str) -> str:
        """The rendering's name for an action (`process.camel`): kept with the key, so that a replay is in style."""
        return ".".join([action, *[_CAMEL] * self.camel, *[_UPPER] * self.upper])

    def word(self, status: Status | str) -> str:
        """A status as the caller reads it."""
        return status.upper() if self.upper else status.lower()

    def written(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A body with its names in this style."""
        return {camel_case(name) if self.camel else name: value for name, value in body.items()}


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
                raise Invalid([Fault(("body", camel), f"{camel} and {snake} differ")])
    return found, True
