"""Operators: how they sign in, and the cookie that identifies their browser.

The cookie names a session in the database (`services/operator_sessions.py`). A request that changes something must
also prove that it comes from one of our own pages.
"""

import hashlib
import hmac
from typing import cast
from urllib.parse import SplitResult, urlsplit

import structlog
from flask import Response, current_app, request, url_for

from payment_service.domain.errors import Forbidden, TokenMissing, Unauthenticated
from payment_service.domain.principals import Principal, TokenScope
from payment_service.domain.refusals import Reason, refused
from payment_service.services import operator_sessions
from payment_service.services.operator_sessions import SignIn
from payment_service.web.access_log import client_address
from payment_service.web.auth import ScopeMissing, caller_and_claims
from payment_service.web.context import dependencies
from payment_service.web.sign_in_provider import Flow, Provider, SignInFailed

log = structlog.get_logger(__name__)

PATH = "/ops"
PROVIDER = "ops_provider"
"""The key of the Provider in the app's extensions; None without one."""

COOKIE, FLOW_COOKIE = "ops", "ops-sign-in"
FLOW_SECONDS = 600
"""How long a sign-in at the provider may take."""

FORM_TOKEN = "form_token"  # noqa: S105 - the field's name
_PURPOSE = b"forms of the operations pages"


class NoOperator(ScopeMissing):
    """You are known, but do not have the scope payments:operate, which these pages need"""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        super().__init__()


class CsrfError(Forbidden):
    """This form does not come from these pages, or from another login: reload the page and try again"""

    code = "foreign_form"


class TokenRequired(TokenMissing):
    """Paste a token first"""

    status = 422
    code = "nothing_pasted"


class TokensOff(Forbidden):
    """Tokens are not taken here: sign in at the provider"""

    code = "token_sign_in_off"


class SessionEnded(Unauthenticated):
    """Your session has ended: sign in anew"""

    code = "session_ended"


def operator_from_request() -> Principal:
    """Return the operator of the session that the cookie names. Raises TokenMissing without a cookie, SessionEnded."""
    session = request.cookies.get(cookie_name(COOKIE))
    if not session:
        raise TokenMissing
    subject = operator_sessions.find(dependencies(), session, current_app.config["OPS_IDLE_SECONDS"])
    if subject is None:
        raise SessionEnded
    return Principal(subject=subject, scopes=frozenset({TokenScope.OPERATE.value}))


def sign_in_of_token(pasted: str) -> SignIn:
    """Return the sign-in that a pasted token proves (`Bearer ` may precede it).

    Raises TokensOff, TokenRequired, NoOperator for a token without the scope, and all errors of `caller_and_claims`.
    """
    if not current_app.config["OPS_TOKEN_SIGN_IN"]:
        raise TokensOff
    token = pasted.strip().removeprefix("Bearer ").strip()
    if not token:
        raise TokenRequired
    caller, claims = caller_and_claims(token)
    if not caller.is_operator:
        raise refused(NoOperator(caller.subject), Reason.SCOPE_MISSING, caller.subject, TokenScope.OPERATE.value)
    return SignIn(caller.subject, "TOKEN", issued=claims.get("iat"), expires=claims["exp"])


def provider() -> Provider | None:
    """Return the provider at which operators sign in, None without one."""
    return cast("Provider | None", current_app.extensions[PROVIDER])


def redirect_uri() -> str:
    """Return the address to which the provider sends the browser back."""
    return current_app.config["OPS_OIDC_REDIRECT_URI"] or url_for("ops_entrance.callback", _external=True)


def flow_from_request() -> Flow:
    """Return the sign-in that this browser has begun. Raises SignInFailed without one."""
    return Flow.from_text(request.cookies.get(cookie_name(FLOW_COOKIE), ""))


def sign_in_of_provider() -> SignIn:
    """Return the sign-in that the provider's reply proves. Raises SignInFailed, NoOperator, ProviderUnavailable."""
    known = provider()
    if known is None:
        raise SignInFailed(Reason.NO_PROVIDER)
    caller, may_operate = known.finish(flow_from_request(), request.args, redirect_uri())
    if not may_operate:
        raise refused(NoOperator(caller.subject), Reason.SCOPE_MISSING, caller.subject, TokenScope.OPERATE.value)
    return SignIn(caller.subject, "PROVIDER")


def begin_session(sign_in: SignIn, response: Response) -> Response:
    """Begin a session. The browser keeps its cookie until it is closed; no script can read the cookie."""
    seconds, previous = current_app.config["OPS_SESSION_SECONDS"], request.cookies.get(cookie_name(COOKIE), "")
    session = operator_sessions.begin(dependencies(), sign_in, seconds, previous)
    log.info("ops.signed_in", actor=sign_in.subject, way=sign_in.way, address=client_address())
    return set_cookie(forget_flow(response), COOKIE, session)


def end_session(response: Response) -> Response:
    """End the session in the database and in the browser."""
    subject = operator_sessions.sign_out(dependencies(), request.cookies.get(cookie_name(COOKIE), ""))
    if subject is not None:
        log.info("ops.signed_out", actor=subject, address=client_address())
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return delete_cookie(response, COOKIE)


def remember_flow(response: Response, flow: Flow) -> Response:
    """Have the browser keep the sign-in until the provider sends it back."""
    return set_cookie(response, FLOW_COOKIE, flow.as_text(), FLOW_SECONDS)


def forget_flow(response: Response) -> Response:
    """Have the browser drop its sign-in: the provider's reply to it is accepted once."""
    return delete_cookie(response, FLOW_COOKIE) if cookie_name(FLOW_COOKIE) in request.cookies else response


def cookie_name(name: str) -> str:
    """Return the name with the prefix that binds a cookie to this host and to TLS, if the cookie can have it."""
    return f"__Host-{name}" if _is_secure() else name


def set_cookie(response: Response, name: str, value: str, seconds: int | None = None) -> Response:
    """Set a cookie. It is Lax and not Strict, because the browser comes back from the provider's site."""
    response.set_cookie(
        cookie_name(name), value, max_age=seconds, path="/", secure=_is_secure(), httponly=True, samesite="Lax"
    )
    return response


def delete_cookie(response: Response, name: str) -> Response:
    """Have the browser drop a cookie."""
    response.delete_cookie(cookie_name(name), path="/", secure=_is_secure(), httponly=True, samesite="Lax")
    return response


def _is_secure() -> bool:
    """Return True in production, which is always behind TLS; a developer's machine may have none."""
    return request.is_secure or current_app.config["ENVIRONMENT"] == "production"


def csrf_token() -> str:
    """Return the token in every form of this session. Only the cookie's holder can compute it; it opens no page."""
    session = request.cookies.get(cookie_name(COOKIE), "")
    return hmac.new(session.encode(), _PURPOSE, hashlib.sha256).hexdigest()


def check_origin() -> None:
    """Raise CsrfError if the browser states that another site sent this form."""
    origin = request.headers.get("Origin")
    if origin is not None and address_of(origin).netloc != request.host:
        raise CsrfError


def address_of(text: str) -> SplitResult:
    """Return the parts of an address; an invalid address has empty parts."""
    try:
        return urlsplit(text)
    except ValueError:  # such as `http://[`
        return urlsplit("")


def check_csrf() -> None:
    """Raise CsrfError unless this form was made for this session."""
    check_origin()
    given = request.form.get(FORM_TOKEN, "")
    if not hmac.compare_digest(given.encode(), csrf_token().encode()):
        raise CsrfError
