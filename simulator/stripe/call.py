"""One request to the Stripe front: the data for its handlers, and their answers."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from payment_service.domain.operations import Kind
from payment_service.gateways.simulated import SuccessRates
from simulator.faults import InjectedFault, On
from simulator.ledger import Ledger
from simulator.stripe import objects
from simulator.stripe.errors import StripeError, missing
from simulator.stripe.forms import Form, Spec
from simulator.stripe.store import Json, Store
from simulator.stripe.tokens import CARDS

API_VERSION = "2026-10-28.endive"
"""The version of responses to requests without a `Stripe-Version` header."""


@dataclass(frozen=True)
class Answer:
    """A handler's response; `lost` if the bank gives no first reply to this request."""

    status: int
    body: Json
    lost: bool = False


@dataclass(frozen=True)
class Aim:
    """The values that a fault must match to strike a request; see `faults.InjectedFault`."""

    on: On
    keys: Collection[str] = ()
    kind: Kind | None = None
    asked: Decimal | None = None


@dataclass
class Call:
    """A request within its transaction; `form` has checked parameters, `object_id` is the id in the path.

    `request_id` and `idempotency_key` are those of the request that causes a change; None for changes that a look-up
    finds or a timer makes.
    """

    store: Store
    ledger: Ledger
    rates: SuccessRates
    base_url: str = ""
    form: Form = field(default_factory=dict)
    object_id: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None
    fault: InjectedFault | None = None

    @property
    def gateway_key(self) -> str:
        """The part of the idempotency key before its first slash: the gateway key of a capture or cancel."""
        return (self.idempotency_key or self.request_id or "").partition("/")[0]

    def subject(self, kind: str, param: str) -> Json:
        """Return the object that the path names. Raises StripeError (404)."""
        found = self.store.find(self.object_id, kind)
        if found is None:
            raise missing(kind, self.object_id, param=param)
        return found

    def named(self, kind: str, param: str) -> Json:
        """Return the object that a parameter names. Raises StripeError (400)."""
        found = self.store.find(self.form[param], kind)
        if found is None:
            raise missing(kind, self.form[param], param=param, status=400)
        return found


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Endpoint:
    """A path of Stripe's: its parameters, its handler, and the faults that strike it."""

    method: str
    path: str
    run: Handler
    takes: Spec
    needs: tuple[str, ...] = ()
    aim: Callable[[Call], Aim] = lambda _: Aim("lookup")


def ok(call: Call, body: Json) -> Answer:
    """Return 200 with an object, expanded as the request asks."""
    return Answer(200, expanded(call.store, body, call.form.get("expand", ())))


def shown(body: Json) -> Json:
    """Return an object without the fields that Stripe does not show."""
    return {name: value for name, value in body.items() if name != "_"}


def expanded(store: Store, body: Json, paths: Collection[str]) -> Json:
    """Return the object with the objects in place of their ids along each path (`data.source`, `latest_charge`)."""
    result = json.loads(json.dumps(shown(body))) if paths else shown(body)
    for path in paths:
        _expand(store, result, path.split("."), path)
    return dict(result)


def _expand(store: Store, place: Any, steps: list[str], path: str) -> None:
    if isinstance(place, list):
        for each in place:
            _expand(store, each, steps, path)
        return
    name, *rest = steps
    if not isinstance(place, dict) or name not in place:
        raise StripeError(
            400, "invalid_request_error", f"This property cannot be expanded ({path}).", stored=False, param="expand"
        )
    if isinstance(place[name], str):
        token = place[name]
        found = objects.payment_method(token) if token in CARDS else store.find(token)
        if found is None:
            message = f"This property cannot be expanded ({path})."
            raise StripeError(400, "invalid_request_error", message, stored=False, param="expand")
        place[name] = shown(found)
    if rest and place[name] is not None:
        _expand(store, place[name], rest, path)
