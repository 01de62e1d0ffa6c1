"""Errors that end a request early: raised anywhere below the web, rendered once, in the channel's format.

The docstring of a class is its default message. `status` is the HTTP status if the channel's document names no other;
`code` is stable; `retry` is the retry advice: whether a repeat is safe, with which key, and when.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from payment_service.domain.refusals import Refusal


@dataclass(frozen=True)
class Retry:
    """Advice to the caller: is a repeat safe, with the same or a new key (None: keys play no part), after how long."""

    safe: bool
    key: Literal["same", "new"] | None = None
    after: int | None = None


RETRY_SAME_KEY = Retry(safe=True, key="same")
"""The request left no trace: correct it and send it again, the key is still free."""
RETRY_NEW_KEY = Retry(safe=True, key="new")
"""The answer is final for this key; another attempt is another operation."""
DO_NOT_RETRY = Retry(safe=False)
"""Repeating changes nothing."""


class ServiceError(Exception):
    """The request cannot be served."""

    status: int = 400
    code: str = "bad_request"
    retry: Retry = DO_NOT_RETRY
    refusal: Refusal | None = None

    def __init__(self, message: str | None = None, *, retry: Retry | None = None, **details: Any) -> None:
        self.message = message or (type(self).__doc__ or "").splitlines()[0]
        self.details: Mapping[str, Any] = details
        if retry is not None:
            self.retry = retry
        super().__init__(self.message)


@dataclass(frozen=True)
class FieldError:
    """One fault of a request: its place (`("body", "amount")`), a message, and its type (`missing`, `value_error`)."""

    loc: tuple[str | int, ...]
    msg: str
    type: str = "value_error"


class Invalid(ServiceError):
    """The request is not valid."""

    status = 422
    code = "validation_error"
    retry = RETRY_SAME_KEY

    def __init__(self, faults: Iterable[FieldError], message: str | None = None) -> None:
        self.faults = tuple(faults)
        super().__init__(message or "; ".join(fault.msg for fault in self.faults))


class CardDataNotAccepted(Invalid):
    """Card numbers are not accepted here; send the token of your card vault."""

    code = "card_data_not_accepted"


class PaymentTokenRequired(Invalid):
    """payment_token is required: the gateway's own form makes it of the customer's payment method"""

    code = "payment_token_required"


class ReturnUrlRequired(Invalid):
    """return_url is required: the customer pays on a page of the gateway's and comes back to this one"""

    code = "return_url_required"


class InternalError(ServiceError):
    """Internal server error"""

    status = 500
    code = "internal_error"
    retry = Retry(safe=True, key="same", after=1)


class UnsupportedMediaType(ServiceError):
    """The body must be application/json without a content encoding."""

    status = 415
    code = "unsupported_media_type"
    retry = RETRY_SAME_KEY


class BodyTooLarge(ServiceError):
    """The body is larger than 64 kB."""

    status = 413
    code = "body_too_large"
    retry = RETRY_SAME_KEY


class Unauthenticated(ServiceError):
    """Invalid or expired token"""

    status = 401
    code = "TOKEN_INVALID"
    retry = RETRY_SAME_KEY


class TokenMissing(Unauthenticated):
    """Authorization token is missing"""

    code = "TOKEN_MISSING"


class UserNotFound(Unauthenticated):
    """User not found in token"""

    code = "USER_NOT_FOUND"


class Forbidden(ServiceError):
    """Unauthorized"""

    status = 403
    code = "forbidden"


class NotFound(ServiceError):
    """Not found"""

    status = 404
    code = "not_found"


class PaymentNotFound(NotFound):
    """Payment not found"""

    code = "payment_not_found"


class UnknownPayment(PaymentNotFound):
    """Payment not found"""

    status = 400  # some documents count it among the invalid details of a refund


class PaymentDeclined(ServiceError):
    """The payment was declined"""

    status = 402
    code = "payment_declined"


class KeyInUse(ServiceError):
    """A request with this idempotency key is still being processed"""

    status = 409
    code = "idempotency_key_in_use"
    retry = Retry(safe=True, key="same", after=1)


class KeyMismatch(ServiceError):
    """This idempotency key was used for another request"""

    status = 422
    code = "idempotency_key_mismatch"
    retry = RETRY_NEW_KEY


class StateConflict(ServiceError):
    """The payment's state does not allow this."""

    status = 400  # an answer: stored under the key and replayed
    code = "refused"
    retry = RETRY_NEW_KEY


class PayableAlreadyPaid(StateConflict):
    """A live payment for this already exists"""

    code = "payable_already_paid"
    retry = DO_NOT_RETRY  # a new key gets the same refusal as long as that payment lives


class AmountTooLarge(StateConflict):
    """The amount exceeds what is left"""

    code = "amount_exceeds_available"


class DuplicateRefundSuspected(ServiceError):
    """An equal refund was asked for a moment ago: send an Idempotency-Key to refund once more, or wait"""

    status = 409
    code = "duplicate_refund_suspected"
    retry = DO_NOT_RETRY  # the first one may have been paid: a program that repeats it would refund twice


class RefundDeclined(StateConflict):
    """The refund was declined"""

    code = "refund_declined"


class Unavailable(ServiceError):
    """The service is temporarily unavailable; repeat the request with the same key."""

    status = 503
    code = "unavailable"
    retry = Retry(safe=True, key="same", after=1)


class OutcomeUnknown(ServiceError):
    """It is not known whether this was done: look it up before asking again, a repeat would be another request"""

    status = 503
    code = "outcome_unknown"
    retry = DO_NOT_RETRY


class GatewayUnavailable(Unavailable):
    """The payment gateway cannot be reached now; the request is taken on and will be carried through."""

    code = "gateway_unavailable"


class DatabaseUnavailable(Unavailable):
    """The database cannot be reached; repeat the request with the same key."""

    code = "database_unavailable"


class DatabaseNotMigrated(DatabaseUnavailable):
    """The database lacks tables or columns of this release: run `flask --app wsgi db upgrade`."""

    code = "database_not_migrated"


class DatabaseNotUtf8(DatabaseUnavailable):
    """The database is not encoded in UTF-8: create one WITH ENCODING 'UTF8' for this service."""
