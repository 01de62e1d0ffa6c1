"""What the faults put in the place of the product's functions: each wrapper takes the function, and gives the fault."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select

from payment_service import clock
from payment_service.gateways.base import Approved, Declined, NotFound, Unknown
from payment_service.models import idempotency_keys as keys
from payment_service.repositories import payments
from payment_service.repositories.keys import FinishedKey
from payment_service.services import gateway_calls

Function = Callable[..., Any]

REFUSED = Declined("X", "x")
_KEPT: dict[str, Any] = {}


def _new_gateway_key() -> str:
    return "v1-" + clock.new_hex(48)


def with_new_gateway_key(original: Function) -> Function:
    """Of `gateway_request_for`: another gateway key for every attempt."""
    return lambda payment, operation: replace(original(payment, operation), gateway_key=_new_gateway_key())


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
    return lambda deps, claim: original(replace(deps, gateway=_Denying(deps.gateway)), claim)


def asking_inside_the_claim(original: Function) -> Function:
    """Of `charge_payment` and `start_operation`."""

    def begin(connection: Any, deps: Any, *others: Any) -> Any:
        claim = original(connection, deps, *others)
        deps.gateway.send(gateway_calls.gateway_request_for(claim.payment, claim.operation))
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
    """Of `lock_claim`, which each try of the finish begins with."""

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
        *others, answer, at = arguments
        body = json.dumps(json.loads(answer.body), sort_keys=True)
        original(*others, replace(answer, body=body), at)

    return complete


def in_nobodys_name(original: Function) -> Function:
    """Of `Request.scope`."""
    return lambda request: replace(original(request), subject="")


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

    def record(connection: Any, context: Any, origin: Any) -> None:
        original(connection, context, origin)
        if context.refund is not None:
            pending = context.payment.refund_pending_amount - context.refund.amount
            payments.update(connection, replace(context.payment, refund_pending_amount=pending))

    return record


def always(value: Any) -> Callable[[Function], Function]:
    """Of any function: nothing is done, and this given."""
    return lambda original: lambda *arguments: value
