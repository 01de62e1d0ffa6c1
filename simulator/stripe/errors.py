"""Errors as Stripe words them: a status, a type, a code, the parameter that is wrong, the object it is about."""

from typing import Any

Body = dict[str, Any]


class StripeError(Exception):
    """The answer to a request that is refused; `stored` if the endpoint had begun, so that its key keeps the answer."""

    def __init__(self, status: int, type_: str, message: str, *, stored: bool = True, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.body: Body = {"error": {"type": type_, "message": message, **details}}


def invalid(message: str, **details: Any) -> StripeError:
    """A request that the state or the rules of the account forbid: 400, kept under its key."""
    return StripeError(400, "invalid_request_error", message, **details)


def malformed(message: str, **details: Any) -> StripeError:
    """A parameter that is wrong by itself: 400, before the endpoint begins, so nothing is kept."""
    return StripeError(400, "invalid_request_error", message, stored=False, **details)


def missing(kind: str, object_id: str, *, param: str, status: int = 404) -> StripeError:
    """There is no such object: 404 for the object of the path, 400 for one that a parameter names."""
    return StripeError(
        status, "invalid_request_error", f"No such {kind}: '{object_id}'", code="resource_missing", param=param
    )


def server_error(status: int = 500) -> Body:
    """The body of an error of Stripe's own."""
    if status == 429:
        message = "Too many requests hit the API too quickly. We recommend an exponential backoff of your requests."
        return {"error": {"type": "invalid_request_error", "code": "rate_limit", "message": message}}
    if status == 409:
        message = "There is currently another in-progress request using this Idempotent Key."
        return {"error": {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": message}}
    return {
        "error": {"type": "api_error", "message": "Sorry! There was an error while talking to one of our backends."}
    }
