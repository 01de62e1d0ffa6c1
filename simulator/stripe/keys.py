"""API keys: which are valid, and which paths a restricted key may not use."""

import base64
import binascii
from collections.abc import Mapping

from simulator.stripe.errors import StripeError


def api_key(authorization: str | None) -> str:
    """Return the API key of a request: a bearer token, or the user name of HTTP Basic. Raises StripeError (401)."""
    scheme, _, credentials = (authorization or "").partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        key = _user_of(key)
    elif scheme.lower() != "bearer":
        key = ""
    if not key:
        message = "You did not provide an API key. You need to provide your API key in the Authorization header."
        raise StripeError(401, "invalid_request_error", message, stored=False)
    if not key.startswith(("sk_test_", "rk_test_")):
        shown = f"{key[:8]}{'*' * len(key[8:-4])}{key[-4:]}" if len(key) > 12 else "*" * len(key)
        raise StripeError(401, "invalid_request_error", f"Invalid API Key provided: {shown}", stored=False)
    return key


def check_permission(key: str, path: str, restricted: Mapping[str, list[str]]) -> None:
    """Raise StripeError (403) if a restricted key may not use the path."""
    below = path.removeprefix("/v1/")
    if any(below.startswith(beginning) for beginning in restricted.get(key, ())):
        message = "The provided key does not have the required permissions for this endpoint on this account."
        raise StripeError(403, "invalid_request_error", message, stored=False)


def _user_of(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
