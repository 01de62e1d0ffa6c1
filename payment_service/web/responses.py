"""From answers to HTTP responses: the stored bytes as they are, and the headers that go with them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response

from payment_service.domain.errors import Fault, Invalid, KeyMismatch, ServiceError
from payment_service.domain.records import Answer, Payment
from payment_service.failpoints import failpoint

JSON = "application/json"
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(body: Any) -> str:
    """JSON as every response is written: compact, fields in their documented order, no NaN."""
    return _ENCODER.encode(body)


def answered(status: int, body: Any, retry_after: int | None = None) -> Answer:
    """An answer in a channel's words, ready to be stored and sent."""
    return Answer(status, dumps(body), retry_after=retry_after)


def respond(answer: Answer) -> Response:
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
    return Response(dumps(body), status, mimetype=JSON)


def refused(error: ServiceError, body: Mapping[str, Any], status: int | None = None) -> Answer:
    """An error in a channel's shape, with the `code` and the `retry` advice that every error carries."""
    advice = {"code": error.code, "retry": error.retry.as_dict()}
    more = _binding(error) if isinstance(error, KeyMismatch) else {}
    return answered(status or error.status, {**body, **advice, **more}, retry_after=error.retry.after)


def _binding(error: KeyMismatch) -> dict[str, Any]:
    """What the key stands for: the fields that differ, and its payment by every id that any caller may know it by."""
    payment: Payment | None = error.details.get("payment")
    names = payment and {
        "payment_id": payment.payment_id,
        "public_id": str(payment.public_id),
        "reference": payment.reference,
    }
    return {"fields": error.details.get("fields", []), "payment": names}


def as_error_text(error: ServiceError, status: int | None = None) -> Answer:
    """`{"error": text}`, the shape of the trips and bookings documents; they answer validation faults with 400."""
    if status is None and isinstance(error, Invalid):
        status = 400
    return refused(error, {"error": error.message}, status)


def as_detail(error: ServiceError, status: int | None = None) -> Answer:
    """`{"detail": text}`, or the list of faults for a request that is not valid: bills, orders and checkout."""
    if isinstance(error, Invalid):
        return refused(error, {"detail": [_fault(fault) for fault in error.faults]}, status)
    return refused(error, {"detail": error.message}, status)


def _fault(fault: Fault) -> dict[str, Any]:
    return {"loc": list(fault.loc), "msg": fault.msg, "type": fault.type}
