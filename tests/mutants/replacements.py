"""The replacements for the product's functions: each wrapper takes the function, and gives the fault."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import bindparam, select

from payment_service import clock
from payment_service.gateways.base import Approved, Declined, NotFound, Unknown
from payment_service.models import idempotency_keys as keys
from payment_service.repositories import notices, payments
from payment_service.repositories.key_states import FinishedKey
from payment_service.services import gateway_calls, manual_resolution
from payment_service.services.chaining import payment_hashes

Function = Callable[..., Any]

REFUSED = Declined("X", "x")
_KEPT: dict[str, Any] = {}


def _new_gateway_key() -> str:
    return "v1-" + clock.new_hex(48)


def with_new_gateway_key(original: Function) -> Function:
    """Of `gateway_request_for`: another gateway key for every attempt."""
    return lambda *about: replace(original(*about), gateway_key=_new_gateway_key())


def with_new_gateway_key_after_take_over(original: Function) -> Function:
    """Of `call_gateway`."""

    def call(deps: Any, claim: Any) -> Any:
        if claim.taken_over is None:
            return original(deps, claim)
        operation = replace(claim.operation, gateway_key=_new_gateway_key())
        return original(deps, replace(claim, operation=operation))

    return call


def without_look_up(original: Function) -> Function:
    """Of `call_gateway`."""
    return lambda deps, claim: original(deps, replace(claim, taken_over=None))


def without_time_limit(original: Function) -> Function:
    """Of `call_gateway`."""
    return lambda deps, claim: original(deps, replace(claim, send_before=float("inf")))


class _Denying:
    """A gateway to whom "not found" means declined."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def lookup(self, instruction: Any) -> Any:
        found = self._gateway.lookup(instruction)
        return REFUSED if isinstance(found, NotFound) else found


def with_not_found_as_declined(original: Function) -> Function:
    """Of `call_gateway`."""
    return lambda deps, claim: original(replace(deps, gateways=_denying(deps.gateways)), claim)


def _denying(gateways: Any) -> Any:
    return replace(gateways, by_name={name: _Denying(gateway) for name, gateway in gateways})


def asking_inside_the_claim(original: Function) -> Function:
    """Of `charge_payment` and `start_operation`."""

    def begin(connection: Any, deps: Any, *others: Any) -> Any:
        claim = original(connection, deps, *others)
        deps.gateways.named(claim.payment.gateway).send(
            gateway_calls.gateway_request_for(claim.payment, claim.operation)
        )
        return claim

    return begin


def with_lease_of_zero(original: Function) -> Function:
    """Of `keys.claim`."""
    return lambda connection, values: original(connection, {**values, "lease": 0})


def without_fence(original: Function) -> Function:
    """Of `complete`: the owner believes that its fence is the present one."""
    fence_of = select(keys.c.fence).where(keys.c.key_id == bindparam("key"))

    def complete(deps: Any, claim: Any, result: Any) -> Any:
        with deps.database.reading() as connection:
            fence = connection.execute(fence_of, {"key": claim.key_id}).scalar_one()
        return original(deps, replace(claim, fence=fence), result)

    return complete


def with_unknown_as_declined(original: Function) -> Function:
    """Of `complete`."""
    return lambda deps, claim, result: original(deps, claim, REFUSED if isinstance(result, Unknown) else result)


def with_every_amount_believed(original: Function) -> Function:
    """Of `complete`."""

    def complete(deps: Any, claim: Any, result: Any) -> Any:
        if isinstance(result, Approved):
            asked = claim.context.operation
            result = replace(result, amount=asked.amount, currency=asked.currency)
        return original(deps, claim, result)

    return complete


def remembering_the_claim(original: Function) -> Function:
    """Of `complete`, for `asking_again_at_every_try`."""

    def complete(deps: Any, claim: Any, result: Any) -> Any:
        _KEPT["claim"] = deps, claim
        return original(deps, claim, result)

    return complete


def asking_again_at_every_try(original: Function) -> Function:
    """Of `lock_claim`, with which each try of the finish begins."""

    def lock(*arguments: Any) -> Any:
        deps, claim = _KEPT["claim"]
        gateway_calls.call_gateway(deps, claim)
        return original(*arguments)

    return lock


def without_kept_response(original: Function) -> Function:
    """Of `keys.claim` and `keys.lock`: the stored response is not seen, and rendered anew."""

    def find(*arguments: Any) -> Any:
        found = original(*arguments)
        has_response = isinstance(found, FinishedKey) or hasattr(found, "response_data")
        return replace(found, response_data=None) if has_response else found

    return find


def spelling_responses_anew(original: Function) -> Function:
    """Of `keys.complete_operation`."""

    def complete(*arguments: Any) -> None:
        *others, answer, at, hashes = arguments
        body = json.dumps(json.loads(answer.body), sort_keys=True)
        original(*others, replace(answer, body=body), at, hashes)

    return complete


def in_nobodys_name(original: cached_property[Any]) -> cached_property[Any]:
    """Of `Request.scope`."""
    return _cached("scope", lambda request: replace(original.func(request), subject=""))


def in_the_names_of_tokens(original: cached_property[Any]) -> cached_property[Any]:
    """Of `Request.scope`."""

    def scope(request: Any) -> Any:
        return original.func(replace(request, principal=replace(request.principal, alias_of=None)))

    return _cached("scope", scope)


def _cached(name: str, function: Function) -> cached_property[Any]:
    """Return a property as the class statement would make it."""
    made = cached_property(function)
    made.__set_name__(object, name)
    return made


def without_route(original: Function) -> Function:
    """Of `fingerprint`."""
    return lambda route, fields: original("", fields)


def reserving_nothing(original: Function) -> Function:
    """Of `operation_started`."""

    def start(payment: Any, *others: Any) -> Any:
        begun = original(payment, *others)
        left = replace(begun.context.payment, refund_pending_amount=payment.refund_pending_amount)
        return replace(begun, context=replace(begun.context, payment=left))

    return start


def giving_an_undecided_refund_back(original: Function) -> Function:
    """Of `record_undecided_attempt`."""

    def record(connection: Any, deps: Any, context: Any, head: Any, origin: Any) -> Any:
        now = original(connection, deps, context, head, origin)
        if context.refund is not None:
            pending = context.payment.refund_pending_amount - context.refund.amount
            left = replace(context.payment, refund_pending_amount=pending)
            payments.update(connection, left, payment_hashes(deps.journal, left, now))
        return now

    return record


def always(value: Any) -> Callable[[Function], Function]:
    """Of any function: it does nothing, and returns this."""
    return lambda original: lambda *arguments: value


def believing_notices(original: Function) -> Function:
    """Of `services.notices.store`: it takes a notice's claim for a fact."""

    def store(deps: Any, gateway_name: str, received: Any) -> int:
        stored: int = original(deps, gateway_name, received)
        for notice in received:
            with deps.database.reading() as connection:
                known = notices.known_keys(connection, notice.gateway_keys)
            if notice.type.endswith(".succeeded"):
                for key in known.values():
                    assert key.operation_id is not None
                    manual_resolution.decide(deps, key.operation_id, approved=True, why="a notice", actor="gateway")
        return stored

    return store


UNFINISHED = (
    select(keys.c.key_id)
    .where(keys.c.gateway_key == bindparam("gateway_key"), keys.c.response_status.is_(None))
    .with_for_update(skip_locked=True)
)
"""Keys that a notice may wake, also those with a working owner."""
