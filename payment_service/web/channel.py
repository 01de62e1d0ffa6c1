"""The definition of a channel for the composition root: name, renderer, routes, and its part in the shared paths."""

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
    """A channel's part in `/payments` and `/v1/payments`, which the documents of several callers define.

    A body belongs to the channel of the `payable_field` in it, an id to the channel of its row, a list to the channel
    of the `own_parameters` in its query. `more_parameters` are those that other channels' lists have, too.
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
    """The base of the channels' renderers: it renders errors with the schema `errors`, and adds nothing by default.

    No document knows a customer who must act: such a payment is shown as PROCESSING.
    """

    shows_trail = False
    gives_references = False
    event_types: Mapping[Move, str] = {}
    status_names: Mapping[Status, str] = {Status.REQUIRES_ACTION: Status.PROCESSING.value}
    errors: ErrorSchema

    def refusal(self, error: ServiceError) -> StoredResponse:
        """Return the response to a request that ended in `error`."""
        return self.errors.render(error)

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        """Return none: the callers know no other id than the reference."""
        return ChannelReferences()


@dataclass(frozen=True)
class Channel:
    """One kind of caller, complete: to delete it, delete its file and its line in the registry.

    On the prefixes `paths` errors have this channel's shape even if no route was found. `blueprints` are its own
    routes, each under its prefix, with the scope that each view needs. The callers of a channel that
    `serves_customers` need no scope for their own payments. `about` describes its callers in the API's description.
    `payment_path` shows a payment, with the id that its callers know in braces: {payment_id} or {public_id}.
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
