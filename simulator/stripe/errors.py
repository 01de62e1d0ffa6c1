"""Errors in Stripe's format: a status, a type, a code, the wrong parameter, the object it is about."""

from typing import Any

Body = dict[str, Any]


class StripeError(Exception):
    """The response to a refused request; `stored` if the endpoint had begun, so that its key keeps the response."""

    def __init__(self, status: int, type_: str, message: str, *, stored: bool = True, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.body: Body = {"error": {"type": type_, "message": message, **details}}


def invalid(message: str, **details: Any) -> StripeError:
    """Return the error of a request that the state or the rules of the account forbid: 400, stored under its key."""
    return StripeError(400, "invalid_request_error", message, **details)


def malformed(message: str, **details: Any) -> StripeError:
    """Return the error of an invalid parameter: 400, before the endpoint begins, so nothing is stored."""
    return StripeError(400, "invalid_request_error", message, stored=False, **details)


def missing(kind: str, object_id: str, *, param: str, status: int = 404) -> StripeError:
    """Return the error of an unknown object: 404 for the object of the path, 400 for one that a parameter names."""
    return StripeError(
        status, "invalid_request_error", f"No such {kind}: '{object_id}'", code="resource_missing", param=param
    )


def server_error(status: int = 500) -> Body:
    """Return the body of an error of Stripe's own."""
    if status == 429:
        message = "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests."
        return {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": message}}
    if status == 409:
        message = "There is currently another in-progress request using this Idempotent Key."
        return {"error": {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": message}}
    return {
        "error": {"type": "api_error", "message": "Sorry! There was an error while talking to one of our backends."}
    }
