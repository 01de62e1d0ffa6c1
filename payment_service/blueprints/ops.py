"""The operations pages: the state of the service, the timeline of every payment, and dead letters to replay.

For people with the scope `payments:operate`. The pages use no scripts, so that none can be injected; all styles and
pictures are files of ours.
"""

import re
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, Response, current_app, g, render_template, request, url_for
from marshmallow import Schema

from payment_service.domain.cards import contains_card_number
from payment_service.domain.errors import PaymentNotFound, ServiceError, TokenMissing, Unauthenticated
from payment_service.domain.principals import Principal
from payment_service.domain.refusals import Reason
from payment_service.services import deliveries as outbox
from payment_service.services import timeline
from payment_service.services.dashboard import overview
from payment_service.services.search import find
from payment_service.web import operators
from payment_service.web.access_log import log_view
from payment_service.web.charts import bars_of, shares_of
from payment_service.web.context import dependencies, principal
from payment_service.web.fields import PositiveId, Text
from payment_service.web.operators import COOKIE, address_of, check_csrf, check_origin, cookie_name, csrf_token
from payment_service.web.parsing import path_number, query
from payment_service.web.sign_in_provider import ProviderUnavailable, SignInFailed

PREFIX = operators.PATH
login_blueprint = Blueprint("ops_entrance", __name__, url_prefix=PREFIX)
blueprint = Blueprint("ops", __name__, url_prefix=PREFIX)

# No scripts at all; Pico's own pictures are data: addresses in its style sheet.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "style-src 'self'; img-src 'self' data:"
)
_OURS = re.compile("/ops(?:/(?!log)[a-z0-9]+)*")
"""Paths to which a login may lead: neither back to a login page nor out of these pages."""


_SIGN_IN = {"ops_entrance.enter", "ops_entrance.leave_for_provider", "ops_entrance.callback"}
"""The views of the sign-in."""
_LONGEST_QUERY = 500  # characters


class SearchQuery(Schema):
    """What to look for, and where the page begins"""

    q = Text(255, shortest=0)
    before = PositiveId(texts=True)


class DeadQuery(Schema):
    """Which sink, and where the page begins"""

    sink = Text(30)
    before = PositiveId(texts=True)


SEARCH, DEAD = SearchQuery(), DeadQuery()


@blueprint.get("")
def home() -> Response:
    """Show how the service stands."""
    seen = overview(dependencies())
    chart, shares = bars_of(seen.day), shares_of(seen.figures.totals.by_status)
    return _page("overview", seen=seen, chart=chart, shares=shares, made=seen.figures.totals.created)


@blueprint.get("/search")
def search() -> Response:
    """Find payments; where there is only one, show it."""
    asked = query(SEARCH)
    wanted, before = asked.get("q", "").strip(), asked.get("before")
    found = find(dependencies(), wanted, before=before) if wanted else None
    if found and before is None and len(found.payments) == 1 and not found.keys:
        return _to(url_for("ops.payment", payment_id=found.payments[0]["payment_id"]))
    if found:
        log_view("payment", [row["payment_id"] for row in found.payments])
        log_view("idempotency_key", [row["key_id"] for row in found.keys])
    return _page("search", wanted=wanted, found=found)


@blueprint.get("/payments/<payment_id>")
def payment(payment_id: str) -> Response:
    """Show everything that is known of a payment."""
    number = path_number(payment_id, "payment_id", PaymentNotFound())
    story = timeline.of_payment(dependencies(), number)
    log_view("payment", [number])
    return _page("payment", story=story)


@blueprint.get("/deliveries")
def deliveries() -> Response:
    """Show the deliveries that were given up."""
    asked = query(DEAD)
    found = outbox.given_up(dependencies(), sink=asked.get("sink"), before=asked.get("before"))
    return _page("deliveries", found=found, sink=asked.get("sink"))


@blueprint.post("/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> Response:
    """Send a delivery that was given up again, in the name of whoever asks; confirmed where newer ones have arrived."""
    check_csrf()
    number = path_number(delivery_id, "delivery_id", outbox.NotDeadLettered())
    even_if_newer = "even_if_newer" in request.form
    if not even_if_newer and (newer := outbox.newer(dependencies(), number)):
        return _page("confirm_replay", 409, delivery_id=number, newer=newer)
    payment_id = outbox.replay_given_up(
        dependencies(), number, principal().subject, g.request_id, even_if_newer=even_if_newer
    )
    return _to(url_for("ops.payment", payment_id=payment_id, _anchor="end"))


@login_blueprint.get("/login")
def login() -> Response:
    """Ask people to sign in."""
    return _login(None, _then(request.args.get("then", "")))


@login_blueprint.post("/login")
def enter() -> Response:
    """Begin the session of an operator who pastes a token."""
    check_origin()
    sign_in = operators.sign_in_of_token(request.form.get("token", ""))
    return operators.begin_session(sign_in, _to(_then(request.form.get("then", ""))))


@login_blueprint.get("/login/provider")
def leave_for_provider() -> Response:
    """Send the browser to the provider; it leads back to `callback`."""
    provider = operators.provider()
    if provider is None:
        raise SignInFailed(Reason.NO_PROVIDER)
    url, flow = provider.begin(operators.redirect_uri(), _then(request.args.get("then", "")))
    return operators.remember_flow(_to(url), flow)


@login_blueprint.get("/login/callback")
def callback() -> Response:
    """Begin the session of an operator whom the provider has sent back."""
    sign_in = operators.sign_in_of_provider()
    return operators.begin_session(sign_in, _to(_then(operators.flow_from_request().then)))


@login_blueprint.post("/logout")
def leave() -> Response:
    """End the session, also in the browser."""
    check_csrf()
    return operators.end_session(_to(url_for("ops_entrance.login")))


def error_page(error: ServiceError) -> Response:
    """Return an error as a page for people. A person who is not signed in gets the sign-in page, which leads back."""
    has_tried = request.endpoint in _SIGN_IN
    refusal = error if has_tried or not isinstance(error, TokenMissing) else None
    if isinstance(error, Unauthenticated | ProviderUnavailable | operators.TokensOff):
        page = _login(refusal, _then(_wanted(has_tried=has_tried)), error.status)
    else:
        page = _page("error", error.status, error=error)
    return operators.forget_flow(page) if request.endpoint == "ops_entrance.callback" else page


def _wanted(*, has_tried: bool) -> str:
    """Return the page that a person requested before the sign-in."""
    if not has_tried:
        return request.full_path if request.method == "GET" else ""
    try:
        return request.values.get("then") or operators.flow_from_request().then
    except SignInFailed:
        return ""


def _then(wanted: str) -> str:
    """Return the address to which a login leads. It is always one of these pages, for any input."""
    address = address_of(wanted)
    if address.scheme or address.netloc or not _OURS.fullmatch(address.path):
        return url_for("ops.home")
    # The page must not show a card number, and a cookie has little room.
    is_kept = 0 < len(address.query) <= _LONGEST_QUERY and not contains_card_number(unquote(address.query))
    return f"{address.path}?{address.query}" if is_kept else address.path


def _login(refusal: ServiceError | None, then: str, status: int = 200) -> Response:
    """Return the page that asks people to sign in, with the available ways."""
    provider, longest = operators.provider(), current_app.config["OPS_SESSION_SECONDS"]
    host = None if provider is None else address_of(provider.issuer).netloc
    takes_tokens = current_app.config["OPS_TOKEN_SIGN_IN"]
    known = {"then": then, "provider": host, "takes_tokens": takes_tokens, "longest": longest}
    return _page("login", status, refusal=refusal, **known)


def _to(address: str) -> Response:
    return _guarded(Response(status=303, headers={"Location": address}))


def _page(name: str, status: int = 200, **values: Any) -> Response:
    known = getattr(g, "principal", Principal())
    common = {"operator": known.subject, "form_token": csrf_token(), "is_known": cookie_name(COOKIE) in request.cookies}
    text = render_template(f"ops/{name}.html", page=name, request_id=g.get("request_id"), **common, **values)
    return _guarded(Response(text, status))


def _guarded(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    # Not "no-referrer": with it, browsers send no Origin with our own forms.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"
    return response
