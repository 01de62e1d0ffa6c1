"""Authentication: Flask-JWT-Extended verifies the tokens of an external auth service. No token is issued here.

A table with one key for each algorithm gives the key: a public key can never be taken for a secret. Every error of
the library or PyJWT becomes one of our errors.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from flask import Flask, current_app, g
from flask_jwt_extended import JWTManager, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import InvalidTokenError, PyJWK, PyJWS, PyJWTError

from payment_service.domain.errors import RETRY_SAME_KEY, Forbidden, Unauthenticated, Unavailable, UserNotFound
from payment_service.domain.principals import SCOPE_PREFIX, Principal
from payment_service.domain.refusals import Reason, refused
from payment_service.web.jwks import Jwks, KeysUnreachable
from payment_service.web.token_cache import CachedToken, TokenCache
from payment_service.web.token_reasons import UnknownKey, reason_of, signed_claims

LEEWAY = 30  # seconds by which two clocks may differ
# HMAC pads a key with zeros to the block size of its hash (RFC 2104 §2): the documents' short development secret gives
# the same signatures padded, and PyJWT does not warn. Production's settings refuse short secrets.
_HMAC_KEY_BYTES = 32
_CACHE, _ALIASES = "token_cache", "key_scope_aliases"
_END_OF_TIME = 253_402_300_799  # the year 9999

SIGNED = r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
_LONGEST_KEY_ID = 200
# OpenID Connect: at most 255 ASCII characters.
_SUBJECT = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
_EMAIL = re.compile(r"[^\s@\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}@[^\s@\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,189}")
# The errors of the two libraries for a bad token, and those of json, base64 and int() that PyJWT lets through.
_UNREADABLE = (JWTExtendedException, PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class ScopeMissing(Forbidden):
    """This token does not have the scope that is needed"""

    code = "scope_missing"
    retry = RETRY_SAME_KEY  # nothing was done under the key and it is still free: a token with the scope may send it


def init_auth(app: Flask) -> None:
    """Configure which tokens the app accepts, by its JWT_ settings. Nothing is fetched yet."""
    keys = _keys(app.config)
    app.config.from_mapping(
        # The library accepts this algorithm, too: it must be one of ours, and never one without a key.
        JWT_ALGORITHM=next(iter(keys), "HS256"),
        JWT_DECODE_ALGORITHMS=list(keys),
        JWT_DECODE_AUDIENCE=app.config["JWT_AUDIENCE"],
        JWT_DECODE_ISSUER=app.config["JWT_ISSUER"],
        JWT_DECODE_LEEWAY=LEEWAY,
        JWT_TOKEN_LOCATION=["headers"],
        # The library refuses a token without this claim. It must not be `sub`: a missing subject has an error of its
        # own, and a subject may be a number, so `caller_of_claims` checks it.
        JWT_IDENTITY_CLAIM="exp",
        JWT_VERIFY_SUB=False,
    )
    app.extensions[_CACHE] = TokenCache()
    app.extensions[_ALIASES] = dict(app.config["KEY_SCOPE_ALIASES"])
    manager = JWTManager(app)

    @manager.decode_key_loader
    def _key(header: Mapping[str, Any], _claims: Mapping[str, Any]) -> Any:
        source = keys.get(str(header.get("alg")))
        if not isinstance(source, Jwks):
            g.key_is_valid, g.signing_key = _always, source
            return source
        key = published_key(source, header, g.token)
        g.key_is_valid, g.signing_key = partial(source.publishes, key), key.key
        return key.key


def _keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return algorithm → key, or the issuer's key set, which takes precedence over a single public key."""
    keys: dict[str, Any] = {}
    if config["JWT_SECRET_KEY"]:
        keys["HS256"] = config["JWT_SECRET_KEY"].encode().ljust(_HMAC_KEY_BYTES, b"\0")
    if config["JWT_JWKS_URL"]:
        keys["RS256"] = keys["ES256"] = Jwks(config["JWT_JWKS_URL"])
    elif config["JWT_PUBLIC_KEY"]:
        public = load_pem_public_key(config["JWT_PUBLIC_KEY"].encode())
        keys["RS256" if isinstance(public, RSAPublicKey) else "ES256"] = public
    return keys


def published_key(jwks: Jwks, header: Mapping[str, Any], token: str) -> PyJWK:
    """Return the issuer's key that the token names, or the one that signed it, for the token's algorithm.

    Raises InvalidTokenError for a malformed key id, UnknownKey without such a key, KeysUnreachable.
    """
    kid = header.get("kid")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_KEY_ID):
        raise InvalidTokenError
    key = jwks.find(kid, str(header.get("alg")), partial(_has_signed, token))
    if key is None:
        raise UnknownKey
    return key


def _has_signed(token: str, key: PyJWK) -> bool:
    try:
        PyJWS().decode(token, key.key, algorithms=[key.algorithm_name])
    except InvalidTokenError:
        return False
    return True


def _always() -> bool:
    """Return True: a key from the settings is valid as long as the process runs."""
    return True


def caller_of_token(token: str) -> Principal:
    """Return the principal of a token from any source. Raises Unauthenticated, UserNotFound, Unavailable."""
    cache: TokenCache = current_app.extensions[_CACHE]
    if (known := cache.find(token)) is not None:
        return known
    if not re.fullmatch(SIGNED, token):
        raise Unauthenticated
    claims = _claims(token)
    principal = caller_of_claims(claims)
    cache.keep(token, CachedToken(principal, claims["exp"] + LEEWAY, g.key_is_valid))
    return principal


def _claims(token: str) -> Mapping[str, Any]:
    """Return the claims of a token after the check of its signature, audience and times."""
    g.token, g.signing_key = token, None
    try:
        claims: Mapping[str, Any] = decode_token(token)
    except KeysUnreachable:
        raise Unavailable("The keys of the auth service cannot be reached; repeat the request") from None
    except _UNREADABLE as error:
        subject = _subject(signed_claims(token, g.signing_key, _UNREADABLE)) or ""
        raise refused(Unauthenticated(), reason_of(error), subject) from None
    return claims


def caller_and_claims(token: str) -> tuple[Principal, Mapping[str, Any]]:
    """Return the principal of a token and its claims, verified without the cache. Raises as `caller_of_token`."""
    if not re.fullmatch(SIGNED, token):
        raise Unauthenticated
    claims = _claims(token)
    return caller_of_claims(claims), claims


def caller_of_claims(claims: Mapping[str, Any]) -> Principal:
    """Return the principal of verified claims (signature, audience and times are right).

    Raises UserNotFound without a subject, Unauthenticated for claims of a wrong form and for refresh tokens.
    """
    expires, subject = claims["exp"], _subject(claims)
    email, is_verified = claims.get("email"), claims.get("is_verified")
    if type(expires) not in (int, float) or expires > _END_OF_TIME or claims.get("type") == "refresh":
        raise refused(Unauthenticated(), Reason.WRONG_CLAIM, subject or "")
    if claims.get("sub") in (None, ""):
        raise UserNotFound
    if subject is None:
        raise refused(Unauthenticated(), Reason.WRONG_CLAIM)
    return Principal(
        subject=subject,
        email=email if isinstance(email, str) and _EMAIL.fullmatch(email) else None,
        is_verified=None if is_verified is None else is_verified is True,
        scopes=_scopes(claims),
        alias_of=current_app.extensions[_ALIASES].get(subject),
    )


def _subject(claims: Mapping[str, Any]) -> str | None:
    """Return the subject as text, None for one of a wrong form."""
    subject = claims.get("sub")
    if type(subject) is int:
        subject = str(subject)
    return subject if isinstance(subject, str) and _SUBJECT.fullmatch(subject) else None


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return this service's scopes in a token: a text separated by spaces, or a list, under one of three names.

    They are compared as written (RFC 6749 §3.3): case counts, and only a space separates two of them.
    """
    found: set[str] = set()
    for name in ("scope", "scp", "scopes"):
        value = claims.get(name)
        parts = value.split(" ") if isinstance(value, str) else value if isinstance(value, list) else ()
        found.update(part for part in parts if isinstance(part, str) and part.startswith(SCOPE_PREFIX))
    return frozenset(found)
