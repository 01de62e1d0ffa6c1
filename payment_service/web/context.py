"""The data of one HTTP request: its ids, its channel and principal, and the dependencies that serve it."""

import re
from collections.abc import Mapping
from typing import Any, cast

import structlog
from flask import Flask, Response, current_app, g, request

from payment_service import clock, metrics
from payment_service.domain.cards import contains_card_number, without_card_number
from payment_service.domain.principals import Principal
from payment_service.services.commands import Request
from payment_service.services.dependencies import Dependencies
from payment_service.web.payment_terms import split_terms

log = structlog.get_logger(__name__)

EXTENSION = "payment_service"

SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""A caller's request id is kept if it can do no harm in a log line, a header or a column."""


NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
"""The policy of responses that are no pages: a browser that renders one loads nothing more."""

SANE_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
"""W3C Trace Context's `traceparent`, without the version and the ids that the standard declares invalid."""


def dependencies() -> Dependencies:
    """Return the dependencies of the running app."""
    return cast(Dependencies, current_app.extensions[EXTENSION])


def principal() -> Principal:
    """Return the principal of this request, which the access check has set."""
    return cast(Principal, g.principal)


def build_request(
    channel: str,
    route: str,
    fields: Mapping[str, Any],
    response_format: str,
    *,
    key: str | None = None,
    implied_key: str | None = None,
    never_asks_again: bool = False,
) -> Request:
    """Return the command request for a channel; see `Request`. Principal, request id and trace are this request's own.

    The payment's terms are taken out of the fields. Raises Invalid for terms that are not allowed.
    """
    fields, terms = split_terms(fields)
    return Request(
        channel=channel,
        principal=principal(),
        route=route,
        fields=fields,
        response_format=response_format,
        key=key,
        implied_key=implied_key,
        never_asks_again=never_asks_again,
        terms=terms,
        request_id=g.request_id,
        traceparent=g.traceparent,
    )


def trace_of(given: str) -> str | None:
    """Return the caller's trace; a new one if its ids look like a card number, None if it is malformed."""
    if not SANE_TRACE.fullmatch(given):
        return None
    version, trace, parent, flags = given.split("-")
    if not any(map(contains_card_number, (given, trace.strip("0"), parent.strip("0")))):
        return given
    new = without_card_number(lambda: f"{clock.new_id().hex}-{clock.new_hex(16)}")
    return f"{version}-{new}-{flags}"


def init_context(app: Flask) -> None:
    """Give every request its id, and every response the headers that carry it, one log line and one measurement."""

    @app.before_request
    def _begin() -> None:
        headers = request.headers
        given = headers.get("X-Request-ID") or headers.get("X-Correlation-ID") or ""
        is_sane = SANE_ID.fullmatch(given) and not contains_card_number(given)
        g.request_id = identity = given if is_sane else str(clock.new_id())
        g.traceparent = traceparent = trace_of(headers.get("traceparent", ""))
        trace = {"traceparent": traceparent} if traceparent else {}
        structlog.contextvars.bind_contextvars(request_id=identity, **trace)
        g.started = clock.monotonic()

    @app.after_request
    def _end(response: Response) -> Response:
        headers, rule = response.headers, request.url_rule
        headers["X-Request-ID"] = headers["X-Correlation-ID"] = getattr(g, "request_id", None) or str(clock.new_id())
        headers["X-Content-Type-Options"] = "nosniff"
        headers.setdefault("Content-Security-Policy", NO_PAGE)
        headers.setdefault("Cache-Control", "no-store")
        # The route and not the path: a path can contain any text, also personal data.
        route = rule.rule if rule else None
        seconds = clock.monotonic() - getattr(g, "started", clock.monotonic())
        metrics.request_finished(route, request.method, response.status_code, seconds)
        log.info(
            "request",
            method=request.method,
            route=route,
            status=response.status_code,
            replayed="Idempotent-Replayed" in headers,
            channel=getattr(g, "channel", None),
            milliseconds=round(seconds * 1000, 2),
        )
        return response

    @app.teardown_request
    def _clear(_error: BaseException | None) -> None:
        structlog.contextvars.clear_contextvars()
