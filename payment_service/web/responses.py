"""From answers to HTTP responses: the stored bytes as they are, and the headers that go with them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from payment_service.domain.records import StoredResponse
from payment_service.failpoints import failpoint

JSON = "application/json"
# Every response is compact, with its fields in their documented order.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def answered(status: int, body: Any, retry_after: int | None = None) -> StoredResponse:
    """An answer in a channel's words, ready to be stored and sent."""
    return StoredResponse(status, _ENCODER.encode(body), retry_after=retry_after)


def accepted(body: Any) -> StoredResponse:
    """The answer while the gateway has not decided: the client may ask for the payment again after two seconds."""
    return answered(202, body, retry_after=2)


def respond(answer: StoredResponse) -> Response:
    """Send an answer, byte for byte."""
    failpoint("answer.begin")
    response = Response(answer.body, answer.status, mimetype=JSON)
    if answer.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if answer.retry_after is not None:
        response.headers["Retry-After"] = str(answer.retry_after)
    return response


def show(body: Mapping[str, Any] | Sequence[Any], status: int = 200) -> Response:
    """Send what was looked up."""
    return Response(_ENCODER.encode(body), status, mimetype=JSON)
