"""The people who look after the service: who they are is in the token that their browser keeps in a cookie.

Nothing is kept here: each request's token is verified as any other caller's, and ends when it says so. What changes
something has to prove besides that it comes from one of our own pages.
"""

import hashlib
import hmac
from urllib.parse import SplitResult, urlsplit

from flask import Response, current_app, request

from payment_service.domain.errors import Forbidden, TokenMissing, Unauthenticated
from payment_service.domain.principals import Principal
from payment_service.web.auth import caller_of_token

COOKIE = "ops_token"
PATH = "/ops"
"""Where the cookie is sent; the API below other paths never sees it."""

FORM_TOKEN = "form_token"  # noqa: S105 - the field's name
_PURPOSE = b"forms of the operations pages"
LONGEST_TOKEN = 3800
"""Browsers keep cookies of 4096 bytes, with their name and attributes; a longer one is dropped without a word."""


class NoOperator(Forbidden):
    """This token does not have the scope payments:service, which these pages need"""

    code = "scope_missing"


class CsrfError(Forbidden):
    """This form does not come from these pages, or from another login: reload the page and try again"""

    code = "foreign_form"


class TokenRequired(TokenMissing):
    """Paste a token first"""

    status = 422
    code = "nothing_pasted"


class TokenTooLong(Unauthenticated):
    """This token is too long to be kept in a cookie: ask for one with fewer claims"""

    code = "token_too_long"


def operator_from_request() -> Principal:
    """Who is looking, by the token in the cookie.

    Raises TokenMissing without one, NoOperator for one without the scope, and what any bad token raises.
    """
    token = request.cookies.get(COOKIE)
    if not token:
        raise TokenMissing
    return _operator(token)


def operator_of(pasted: str) -> tuple[str, Principal]:
    """The token in a text that somebody pasted (`Bearer ` may stand before it), and whose it is. Raises as above."""
    token = pasted.strip().removeprefix("Bearer ").strip()
    if not token:
        raise TokenRequired
    if len(token) > LONGEST_TOKEN:
        raise TokenTooLong
    return token, _operator(token)


def _operator(token: str) -> Principal:
    principal = caller_of_token(token)
    if not principal.is_service:
        raise NoOperator
    return principal


def set_cookie(response: Response, token: str) -> Response:
    """Have the browser keep the token until it is closed: for these pages alone, out of reach of any script."""
    response.set_cookie(COOKIE, token, path=PATH, secure=_is_secure(), httponly=True, samesite="Strict")
    return response


def delete_cookie(response: Response) -> Response:
    """Have the browser drop the token."""
    response.delete_cookie(COOKIE, path=PATH, secure=_is_secure(), httponly=True, samesite="Strict")
    return response


def _is_secure() -> bool:
    """Production is behind TLS, wherever that ends; a developer's machine may have none."""
    return request.is_secure or current_app.config["ENVIRONMENT"] == "production"


def csrf_token() -> str:
    """What every form of this login carries: nobody without its cookie can make it, and it opens nothing by itself."""
    token = request.cookies.get(COOKIE, "")
    return hmac.new(token.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def check_origin() -> None:
    """Raise CsrfError where the browser says that another site sent this form."""
    origin = request.headers.get("Origin")
    if origin is not None and address_of(origin).netloc != request.host:
        raise CsrfError


def address_of(text: str) -> SplitResult:
    """An address in its parts; what is none has none."""
    try:
        return urlsplit(text)
    except ValueError:  # such as `http://[`
        return urlsplit("")


def check_csrf() -> None:
    """Raise CsrfError unless this form was made for this login."""
    check_origin()
    given = request.form.get(FORM_TOKEN, "")
    if not hmac.compare_digest(given.encode(), csrf_token().encode()):
        raise CsrfError
