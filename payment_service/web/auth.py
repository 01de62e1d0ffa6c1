"""Who is asking: tokens of an external auth service, verified by Flask-JWT-Extended and never issued here.

The key is chosen by the algorithm a token names, from a table with one key for each: a public key can never be taken
for a secret. Everything the library or PyJWT says becomes one of our errors.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask, current_app, g, request
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import InvalidTokenError, PyJWTError

from payment_service.domain.errors import TokenMissing, Unauthenticated, Unavailable, UserNotFound
from payment_service.domain.principals import Principal
from payment_service.web.jwks import Jwks, KeysUnreachable
from payment_service.web.token_cache import CachedToken, TokenCache

LEEWAY = 30  # seconds by which two clocks may differ
# HMAC fills a key up with zeros to the block of its hash (RFC 2104 §2): the documents' short development secret signs
# the same filled up, and PyJWT does not warn. Production's settings refuse short secrets.
_HMAC_KEY_BYTES = 32
_CACHE = "token_cache"
_END_OF_TIME = 253_402_300_799  # the year 9999

_SIGNED = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
_BEARER = re.compile(rf"Bearer +({_SIGNED})")
_KEY_ID = re.compile(r"[A-Za-z0-9._=+-]{1,128}")
# OpenID Connect: at most 255 ASCII characters.
_SUBJECT = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f-\x9f]{1,64}@[^\s@\x00-\x1f\x7f-\x9f]{1,189}")
# What the two libraries say of a bad token, and what json, base64 and int() say where PyJWT lets it through.
_UNREADABLE = (JWTExtendedException, PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class TokenSettings(Protocol):
    """What verifying needs to know; the service's settings have it."""

    @property
    def jwt_secret_key(self) -> str | None:
        """HS256's secret."""

    @property
    def jwt_public_key(self) -> str | None:
        """A PEM public key: RS256 for RSA, ES256 for EC."""

    @property
    def jwt_jwks_url(self) -> str | None:
        """Where the issuer publishes its keys, for RS256 and ES256; wins over the public key."""

    @property
    def jwt_audience(self) -> str | None:
        """Who a token must be for; None: not asked."""

    @property
    def jwt_issuer(self) -> str | None:
        """Who a token must be from; None: not asked."""


def init_auth(app: Flask, settings: TokenSettings) -> None:
    """Teach the app which tokens to believe. Nothing is fetched yet."""
    keys = _keys(settings)
    app.config.from_mapping(
        # The library adds this one to the algorithms it accepts: it must be one of them, and never one without a key.
        JWT_ALGORITHM=next(iter(keys), "HS256"),
        JWT_DECODE_ALGORITHMS=list(keys),
        JWT_DECODE_AUDIENCE=settings.jwt_audience,
        JWT_DECODE_ISSUER=settings.jwt_issuer,
        JWT_DECODE_LEEWAY=LEEWAY,
        JWT_TOKEN_LOCATION=["headers"],
        # The one claim whose absence the library itself refuses. A missing subject has an error of its own, and a
        # subject may be a number: we look at it ourselves.
        JWT_IDENTITY_CLAIM="exp",
        JWT_VERIFY_SUB=False,
    )
    app.extensions[_CACHE] = TokenCache()
    manager = JWTManager(app)

    @manager.decode_key_loader
    def _key(header: Mapping[str, Any], _claims: Mapping[str, Any]) -> Any:
        source = keys.get(str(header.get("alg")))
        if not isinstance(source, Jwks):
            g.key_is_valid = _always
            return source
        key = _published(source, header)
        g.key_is_valid = partial(_is_published, source, header, key)
        return key


def _keys(settings: TokenSettings) -> dict[str, Any]:
    """Algorithm → its key, or the issuer's key set."""
    keys: dict[str, Any] = {}
    if settings.jwt_secret_key:
        keys["HS256"] = settings.jwt_secret_key.encode().ljust(_HMAC_KEY_BYTES, b"\0")
    if settings.jwt_jwks_url:
        keys["RS256"] = keys["ES256"] = Jwks(settings.jwt_jwks_url)
    elif settings.jwt_public_key:
        public = load_pem_public_key(settings.jwt_public_key.encode())
        keys["RS256" if isinstance(public, RSAPublicKey) else "ES256"] = public
    return keys


def _published(jwks: Jwks, header: Mapping[str, Any]) -> Any:
    """The issuer's key the token names, if it is one for the token's algorithm."""
    kid = header.get("kid")
    if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
        raise InvalidTokenError
    key = jwks.find(kid)
    if key is None or key.algorithm_name != header.get("alg"):
        raise InvalidTokenError
    return key.key


def _is_published(jwks: Jwks, header: Mapping[str, Any], key: Any) -> bool:
    """Whether this very key is still the one the issuer publishes under the token's key id."""
    try:
        return _published(jwks, header) is key
    except (InvalidTokenError, KeysUnreachable):
        return False


def _always() -> bool:
    """A key from the settings is valid as long as the process runs."""
    return True


def caller_from_request(*, open_access: bool) -> Principal:
    """The subject of the request's bearer token; with `open_access`, nobody in particular where no token is sent.

    Raises TokenMissing without a bearer token, Unauthenticated for any that is not entirely valid (also on open
    paths), UserNotFound for one without subject, Unavailable while the issuer's keys cannot be had.
    """
    header = request.headers.get("Authorization")
    if header is None and (open_access or request.method == "OPTIONS"):  # a preflight never carries a token
        return Principal()
    if header is None or not header.startswith("Bearer"):
        raise TokenMissing
    match = _BEARER.fullmatch(header)  # servers join two headers with a comma, which no token contains
    if match is None:
        raise Unauthenticated
    return caller_of_token(match[1])


def caller_of_token(token: str) -> Principal:
    """The subject of a token, wherever it was sent. Raises as `caller_from_request`."""
    cache: TokenCache = current_app.extensions[_CACHE]
    if (known := cache.find(token)) is not None:
        return known
    if not re.fullmatch(_SIGNED, token):
        raise Unauthenticated
    claims = _claims(token)
    principal = _caller(claims)
    cache.keep(token, CachedToken(principal, claims["exp"] + LEEWAY, g.key_is_valid))
    return principal


def _claims(token: str) -> Mapping[str, Any]:
    """The claims of a token whose signature, audience and times are right."""
    try:
        claims: Mapping[str, Any] = decode_token(token)
    except KeysUnreachable:
        raise Unavailable("The keys of the auth service cannot be reached; repeat the request") from None
    except _UNREADABLE:
        raise Unauthenticated from None
    return claims


def _caller(claims: Mapping[str, Any]) -> Principal:
    """Judge the claims of a token whose signature, audience and times are right."""
    expires, subject, email = claims["exp"], claims.get("sub"), claims.get("email")
    if type(expires) is not int or expires > _END_OF_TIME or claims.get("type") == "refresh":
        raise Unauthenticated
    if subject is None or subject == "":
        raise UserNotFound
    if type(subject) is int:
        subject = str(subject)
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Unauthenticated
    return Principal(
        subject=subject,
        email=email if isinstance(email, str) and _EMAIL.fullmatch(email) else None,
        is_verified=claims.get("is_verified") is True,
        scopes=_scopes(claims),
    )


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Scopes as issuers write them: a text separated by blanks, or a list, under one of three names."""
    found: set[str] = set()
    for name in ("scope", "scp", "scopes"):
        value = claims.get(name)
        parts = value.split() if isinstance(value, str) else value if isinstance(value, list) else ()
        found.update(part for part in parts if isinstance(part, str))
    return frozenset(found)
