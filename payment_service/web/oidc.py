"""Sign-in at an OpenID provider: the authorization code flow with PKCE, state and nonce.

Authlib builds the addresses, exchanges the code and checks the ID token's claims; PyJWT verifies its signature. This
module is loaded only if `OPS_OIDC_ISSUER` is set.
"""

import hmac
from collections.abc import Mapping
from typing import Any

import jwt
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from payment_service.domain.principals import Principal, TokenScope
from payment_service.domain.refusals import Reason
from payment_service.http_client import JSON_HEADERS, MALFORMED, authorities, deadline_adapter
from payment_service.web.auth import LEEWAY, caller_of_claims, published_key
from payment_service.web.jwks import KeysUnreachable
from payment_service.web.sign_in_provider import (
    TIMEOUTS,
    Discovery,
    Endpoints,
    Flow,
    ProviderUnavailable,
    SignInFailed,
    texts,
)

log = structlog.get_logger(__name__)

ALGORITHMS = ("RS256", "ES256")
"""The algorithms of ID tokens: signed with a key that the provider publishes, not with the client's secret."""

_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]


class OpenIdProvider:
    """The provider of the settings. Safe for threads; nothing is fetched before the first sign-in."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.issuer: str = config["OPS_OIDC_ISSUER"]
        self._client_id: str = config["OPS_OIDC_CLIENT_ID"]
        self._secret: str | None = config["OPS_OIDC_CLIENT_SECRET"]
        self._claim: str | None = config["OPS_OIDC_CLAIM"]
        self._value: str = config["OPS_OIDC_VALUE"] or TokenScope.OPERATE.value
        self._scope: str = config["OPS_OIDC_SCOPE"] or ("openid" if self._claim else f"openid {self._value}")
        self._discovery = Discovery(self.issuer)

    def begin(self, redirect_uri: str, then: str) -> tuple[str, Flow]:
        """Begin a sign-in, as in `Provider.begin`."""
        endpoints = self._discovery.endpoints()
        flow = Flow.to(then)
        session = self._session(endpoints, redirect_uri)
        url, _ = session.create_authorization_url(
            endpoints.authorization, state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
        )
        return str(url), flow

    def finish(self, flow: Flow, reply: Mapping[str, str], redirect_uri: str) -> tuple[Principal, bool]:
        """Finish a sign-in, as in `Provider.finish`."""
        if not hmac.compare_digest(reply.get("state", "").encode(), flow.state.encode()):
            raise SignInFailed(Reason.STATE_MISMATCH)
        endpoints = self._discovery.endpoints()
        named = reply.get("iss")
        if named != self.issuer and (named is not None or endpoints.names_issuer):
            raise SignInFailed(Reason.ISSUER_MISMATCH)
        if "error" in reply or not reply.get("code"):
            raise SignInFailed(Reason.REFUSED_BY_PROVIDER)
        token = self._token(endpoints, flow, reply["code"], redirect_uri)
        claims = self._claims(endpoints, flow, token)
        return caller_of_claims(claims), self._value in self._values(claims, token)

    def _session(self, endpoints: Endpoints, redirect_uri: str) -> OAuth2Session:
        method = "none"
        if self._secret:
            method = "client_secret_basic"
            if method not in endpoints.auth_methods and "client_secret_post" in endpoints.auth_methods:
                method = "client_secret_post"
        session = OAuth2Session(
            self._client_id,
            self._secret,
            token_endpoint_auth_method=method,
            scope=self._scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
        )
        session.trust_env = False
        session.verify = authorities()
        session.headers.update(JSON_HEADERS)
        for scheme in ("http://", "https://"):
            session.mount(scheme, deadline_adapter(1))
        return session

    def _token(self, endpoints: Endpoints, flow: Flow, code: str, redirect_uri: str) -> Mapping[str, Any]:
        """Return the token endpoint's response to the code. Raises SignInFailed, ProviderUnavailable."""
        with self._session(endpoints, redirect_uri) as session:
            try:
                token: Mapping[str, Any] = session.fetch_token(
                    endpoints.token,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=flow.verifier,
                    timeout=TIMEOUTS,
                    allow_redirects=False,
                )
            except OAuthError as error:
                log.info("ops.code_refused", error=str(error.error)[:100])
                raise SignInFailed(Reason.CODE_REFUSED) from None
            except MALFORMED as error:
                log.warning("ops.provider_unreachable", error=type(error).__name__)
                raise ProviderUnavailable from error
        return token

    def _claims(self, endpoints: Endpoints, flow: Flow, token: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the claims of an ID token that this provider signed for this client and this very sign-in."""
        text = token.get("id_token")
        try:
            header = jwt.get_unverified_header(str(text))
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise SignInFailed(Reason.ALGORITHM_NOT_ALLOWED)
            claims: dict[str, Any] = jwt.decode(
                str(text),
                published_key(endpoints.keys, header, str(text)).key,
                algorithms=[algorithm],
                audience=self._client_id,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": _REQUIRED},
            )
            about = {"nonce": flow.nonce, "client_id": self._client_id, "access_token": token.get("access_token")}
            CodeIDToken(claims, header, params=about).validate(leeway=LEEWAY)
        except KeysUnreachable as error:
            raise ProviderUnavailable from error
        except (jwt.PyJWTError, JoseError, ValueError, TypeError, OverflowError, RecursionError) as error:
            log.info("ops.id_token_refused", error=type(error).__name__)
            raise SignInFailed(Reason.ID_TOKEN_REFUSED) from None
        return claims

    def _values(self, claims: Mapping[str, Any], token: Mapping[str, Any]) -> frozenset[str]:
        """Return the person's values in the claim that the settings name."""
        if self._claim is None:
            return caller_of_claims(claims).scopes | texts(token.get("scope"))
        found: Any = claims
        for name in (self._claim,) if self._claim in claims else self._claim.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return texts(found) | ({found} if isinstance(found, str) else frozenset())
