"""HTTP responses from stored responses: the exact bytes, and their headers."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from payment_service.domain.operations import Action
from payment_service.domain.records import StoredResponse
from payment_service.failpoints import failpoint
from payment_service.web.payment_terms import with_action

JSON = "application/json"
# Every response is compact, with its fields in their documented order.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def answered(status: int, body: Any, retry_after: int | None = None) -> StoredResponse:
    """Return a response in a channel's format, ready to be stored and sent."""
    return StoredResponse(status, _ENCODER.encode(body), retry_after=retry_after)


def accepted(body: dict[str, Any], action: Action | None = None, name: str = "next_action") -> StoredResponse:
    """Return the 202 while the gateway has not decided: the client may ask for the payment after two seconds.

    `action` is the customer's next action; the body has it as `name`.
    """
    return answered(202, with_action(body, action, name), retry_after=2)


def respond(answer: StoredResponse) -> Response:
    """Send a stored response, byte for byte."""
    failpoint("answer.begin")
    response = Response(answer.body, answer.status, mimetype=JSON)
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if answer.retry_after is not None:
        response.headers["Retry-After"] = str(answer.retry_after)
    return response


def show(body: Mapping[str, Any] | Sequence[Any], status: int = 200) -> Response:
    """Send the result of a look-up."""
    return Response(_ENCODER.encode(body), status, mimetype=JSON)
