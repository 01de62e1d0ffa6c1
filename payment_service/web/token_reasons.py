"""The reason why a token is refused, for the log: a `Reason` for each error of the two libraries."""

import json
from collections.abc import Mapping
from typing import Any

from flask_jwt_extended.exceptions import JWTDecodeError
from jwt import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidSignatureError,
    InvalidTokenError,
    MissingRequiredClaimError,
    PyJWS,
    get_unverified_header,
)

from payment_service.domain.refusals import Reason


class UnknownKey(InvalidTokenError):
    """The issuer publishes no key that fits the token."""


_REASONS: Mapping[type[Exception], Reason] = {
    UnknownKey: Reason.UNKNOWN_KEY,
    InvalidAlgorithmError: Reason.WRONG_ALGORITHM,
    InvalidSignatureError: Reason.WRONG_SIGNATURE,
    ExpiredSignatureError: Reason.EXPIRED,
    ImmatureSignatureError: Reason.NOT_YET_VALID,
    InvalidAudienceError: Reason.WRONG_AUDIENCE,
    InvalidIssuerError: Reason.WRONG_ISSUER,
    InvalidIssuedAtError: Reason.WRONG_CLAIM,
    JWTDecodeError: Reason.WRONG_CLAIM,
}
_OF_MISSING_CLAIM = {"aud": Reason.WRONG_AUDIENCE, "iss": Reason.WRONG_ISSUER}


def reason_of(error: Exception) -> Reason:
    """Return the reason for an error that a library raised while it verified a token."""
    if isinstance(error, MissingRequiredClaimError):
        return _OF_MISSING_CLAIM.get(error.claim, Reason.WRONG_CLAIM)
    return _REASONS.get(type(error), Reason.MALFORMED)


def signed_claims(token: str, key: Any, unreadable: tuple[type[Exception], ...]) -> Mapping[str, Any]:
    """Return the claims of a refused token, empty unless `key` verifies its signature.

    The signature is verified once more, because a library's error does not prove it. `key` is our key for the token's
    algorithm, None without one; `unreadable` are the libraries' errors for a bad token.
    """
    if key is None:
        return {}
    try:
        algorithm = str(get_unverified_header(token)["alg"])
        claims = json.loads(PyJWS().decode(token, key, algorithms=[algorithm]))
    except unreadable:
        return {}
    return claims if isinstance(claims, dict) else {}
