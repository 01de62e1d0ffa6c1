"""The gateway of a payment: chosen once by its method, and never changed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from payment_service.gateways.base import Gateway

LEGACY = "legacy"
"""The gateway of payments that release 1.0.0 charged: it had only one, and stored no name."""


@dataclass(frozen=True)
class Gateways:
    """The configured gateways by name, and the name for each method.

    A name identifies one account at one gateway: `stripe/test`, `simulated`. `routes` are by method in capitals;
    `default` takes every other method. `legacy` is the name of the gateway that payments of release 1.0.0 belong to.
    """

    by_name: Mapping[str, Gateway]
    default: str
    routes: Mapping[str, str] = field(default_factory=dict)
    legacy: str | None = None

    def name_for(self, method: str) -> str:
        """Return the name of the gateway for new payments with a method."""
        return self.routes.get(method.upper(), self.default)

    def resolved(self, name: str | None) -> str:
        """Return the configured name for the one on a payment; None means a payment that was not sent yet."""
        if name is None:
            return self.default
        return (self.legacy or self.default) if name == LEGACY else name

    def named(self, name: str | None) -> Gateway | None:
        """Return the gateway of a payment, None if it is not configured."""
        return self.by_name.get(self.resolved(name))

    def __iter__(self) -> Iterator[tuple[str, Gateway]]:
        return iter(self.by_name.items())
