"""The settings of operators: how people sign in to the operations pages, and the rules that join them.

`config.Settings` inherits `OperatorSettings`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from payment_service import config_fields as parse
from payment_service.config_fields import Refusal, Violation, var

LONGEST_SESSION = 8 * 3600
LONGEST_IDLENESS = 1800


def issuer(text: str) -> str:
    """Parse an OpenID provider's address and keep its exact text: tokens name it so, with a final slash or without.

    It has no name and password.
    """
    parse.gateway_url(text)
    return text


@dataclass(frozen=True, kw_only=True)
class OperatorSettings:
    """The operators' sign-in and its length. `ops_session_seconds` and `ops_idle_seconds` are seconds.

    `ops_oidc_issuer` None: operators paste a token. `ops_oidc_redirect_uri` None: made of the address that the browser
    asked. `ops_oidc_claim` names the claim of the ID token that has to hold `ops_oidc_value`; None: the scope that the
    provider granted, or the token's. The service asks for `ops_oidc_scope`. Both defaults are in `web/oidc.py`.
    """

    ops_oidc_issuer: str | None = var(None, issuer)
    ops_oidc_client_id: str | None = var(None)
    ops_oidc_client_secret: str | None = var(None, secret=True)
    ops_oidc_redirect_uri: str | None = var(None, parse.gateway_url)
    ops_oidc_scope: str | None = var(None)
    ops_oidc_claim: str | None = var(None)
    ops_oidc_value: str | None = var(None)
    ops_token_sign_in: bool = var(True, parse.boolean)
    ops_session_seconds: int = var(LONGEST_SESSION, parse.integer(1, LONGEST_SESSION))
    ops_idle_seconds: int = var(LONGEST_IDLENESS, parse.integer(1, LONGEST_SESSION))


def contradictions(settings: OperatorSettings) -> Iterator[Violation]:
    """Yield settings of operators that contradict each other."""
    if settings.ops_oidc_issuer and not settings.ops_oidc_client_id:
        yield ("OPS_OIDC_ISSUER", "OPS_OIDC_CLIENT_ID"), "the provider knows this service by a client id."
    if not settings.ops_oidc_issuer and (settings.ops_oidc_client_id or settings.ops_oidc_client_secret):
        yield ("OPS_OIDC_ISSUER", "OPS_OIDC_CLIENT_ID", "OPS_OIDC_CLIENT_SECRET"), "a client needs its provider."
    if not settings.ops_oidc_issuer and not settings.ops_token_sign_in:
        yield ("OPS_TOKEN_SIGN_IN", "OPS_OIDC_ISSUER"), "without a provider operators can only paste a token."
    if "openid" not in (settings.ops_oidc_scope or "openid").split():
        yield ("OPS_OIDC_SCOPE",), "must contain openid."


def refusals(settings: OperatorSettings) -> Iterator[Refusal]:
    """Yield the settings that production refuses."""
    for name in ("ops_oidc_issuer", "ops_oidc_redirect_uri"):
        if (getattr(settings, name) or "https://").startswith("http://"):
            yield None, (name.upper(),), "must be https:// in production."
