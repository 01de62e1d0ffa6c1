"""The reasons of refusals: for the log alone, no answer shows them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from payment_service.domain.errors import ServiceError

Error = TypeVar("Error", bound="ServiceError")


class Reason(StrEnum):
    """Every reason to refuse a caller."""

    MISSING = "missing"
    """There is no token."""
    OPEN_CHANNEL_ONLY = "open_channel_only"
    """There is no token, and of the path's channels only another one is open."""
    MALFORMED = "malformed"
    """The text is no token, or a part of it cannot be read."""
    WRONG_ALGORITHM = "wrong_algorithm"
    """The token names an algorithm for which no key is configured."""
    UNKNOWN_KEY = "unknown_key"
    """The issuer publishes no key that the token names, or that has signed it."""
    WRONG_SIGNATURE = "wrong_signature"
    """The signature is not that of the key."""
    EXPIRED = "expired"
    """The token has ended."""
    NOT_YET_VALID = "not_yet_valid"
    """The token begins later, or was issued in the future."""
    WRONG_AUDIENCE = "wrong_audience"
    """The token is for another service, or for none."""
    WRONG_ISSUER = "wrong_issuer"
    """Another issuer made the token, or it names none."""
    NO_SUBJECT = "no_subject"
    """The token names no subject."""
    WRONG_CLAIM = "wrong_claim"
    """A claim is absent or has a wrong form, or the token is a refresh token."""
    SCOPE_MISSING = "scope_missing"
    """The token does not have the scope that the route needs."""
    FOREIGN = "foreign"
    """The payment exists and belongs to another subject."""
    FOREIGN_FORM = "foreign_form"
    """The form was not made for this operator's session."""
    NO_PROVIDER = "no_provider"
    """No sign-in provider is configured."""
    NO_SIGN_IN_UNDER_WAY = "no_sign_in_under_way"
    """The browser has begun no sign-in, or has lost its cookie."""
    STATE_MISMATCH = "state_mismatch"
    """The provider's reply belongs to another sign-in."""
    ISSUER_MISMATCH = "issuer_mismatch"
    """The reply names another provider."""
    REFUSED_BY_PROVIDER = "refused_by_provider"
    """The provider has refused the person."""
    CODE_REFUSED = "code_refused"
    """The provider gave no token for its code."""
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    """The ID token names an algorithm that is not allowed."""
    ID_TOKEN_REFUSED = "id_token_refused"  # noqa: S105 - a reason
    """The ID token is not valid."""


@dataclass(frozen=True)
class Refusal:
    """A refusal for the log.

    `subject` is that of a token with a verified signature, "" for none; `scope_needed` is the scope that it lacks.
    """

    reason: Reason
    subject: str = ""
    scope_needed: str | None = None


def refused(error: Error, reason: Reason, subject: str = "", scope_needed: str | None = None) -> Error:
    """Note in an error why the service refuses the caller, and return it to be raised."""
    error.refusal = Refusal(reason, subject, scope_needed)
    return error
