"""What a channel gives the composition root: name, renderer, routes, and its part in the shared paths."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from payment_service.domain.errors import ServiceError
from payment_service.domain.lifecycle import Move, Status
from payment_service.domain.operations import Kind
from payment_service.domain.principals import TokenScope
from payment_service.domain.records import StoredResponse
from payment_service.services.dependencies import ChannelReferences, ChannelRenderer
from payment_service.web.error_schemas import ErrorSchema


@dataclass(frozen=True)
class SharedPayments:
    """A channel's part in `/payments` and `/v1/payments`, which several callers' documents claim.

    A body belongs to the channel whose `payable_field` it names, an id to the channel of its row, a list to the
    channel whose `own_parameters` it uses; `more_parameters` are those it shares with others' lists.
    """

    payable_field: str
    own_parameters: frozenset[str]
    more_parameters: frozenset[str]
    create: Callable[[Mapping[str, Any]], Response]
    listing: Callable[[], Response]
    show: Callable[[int], Response]


@dataclass(frozen=True)
class RefundsOfPayment:
    """A channel's part in `/payments/{payment_id}/refunds`."""

    create: Callable[[int], Response]
    listing: Callable[[int], Response]


class BaseRenderer(ChannelRenderer):
    """What the renderers of channels share: errors have the shape `errors`; nothing of their own.

    No document knows a customer who must act: such a payment is being processed.
    """

    shows_trail = False
    gives_references = False
    event_types: Mapping[Move, str] = {}
    status_names: Mapping[Status, str] = {Status.REQUIRES_ACTION: Status.PROCESSING.value}
    errors: ErrorSchema

    def refusal(self, error: ServiceError) -> StoredResponse:
        """The response to a request that ended in `error`."""
        return self.errors.render(error)

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """None: the callers know no other id than the reference."""
        return ChannelReferences()


@dataclass(frozen=True)
class Channel:
    """One kind of caller, complete: deleting it means deleting its file and its line in the registry.

    `paths` are the prefixes on which errors have this channel's shape even where no route was found. `blueprints` are
    its own routes, each under its prefix, with the scope that each view needs. The callers of a channel that
    `serves_customers` need none for what is their own. `about` says who its callers are, for the API's description.
    `payment_path` is where a payment is shown, with the id its callers know in braces: {payment_id} or {public_id}.
    """

    name: str
    renderer: BaseRenderer
    about: str = ""
    payment_path: str = ""
    paths: Sequence[str] = ()
    blueprints: Sequence[tuple[Blueprint, str, Mapping[str, TokenScope]]] = ()
    serves_customers: bool = False
    shared: SharedPayments | None = None
    refunds: RefundsOfPayment | None = None
