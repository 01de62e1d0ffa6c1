"""The terms that a charge takes to a commercial gateway, and the customer's next action: the same for all channels.

A token and a return URL come in the body, or in headers for callers whose document knows no such fields. They
do not distinguish requests: the first terms sent under a key count.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import current_app, request
from marshmallow import Schema

from payment_service.clock import naive_text
from payment_service.domain.errors import CardDataNotAccepted, FieldError, Invalid, ServiceError
from payment_service.domain.operations import Action, Terms
from payment_service.web import response_fields as field
from payment_service.web.fields import Text, load
from payment_service.web.parsing import json_body
from payment_service.web.strict_json import judge_text

TOKEN, RETURN_URL = "payment_token", "return_url"
HEADERS = {TOKEN: "Payment-Token", RETURN_URL: "Payment-Return-Url"}
LONGEST = {TOKEN: 255, RETURN_URL: 2048}


class PayingSchema(Schema):
    """A request that may bring the customer's payment method along."""

    payment_token = Text(
        LONGEST[TOKEN],
        metadata={"description": "The gateway's token of the customer's payment method; or the header Payment-Token."},
    )
    return_url = Text(
        LONGEST[RETURN_URL],
        metadata={
            "description": "Where the customer comes back to after an authentication; or the header Payment-Return-Url."
        },
    )


class NextAction(Schema):
    """What the customer must do: follow `url`, or let the gateway's script go on with `client_secret`."""

    type = field.choice("redirect", ["redirect", "sdk"])
    url = field.text("https://bank.example.com/3ds/7", required=False)
    client_secret = field.text("pi_1_secret_2", required=False)
    expires_at = field.timestamp("2025-11-03T12:23:00.145775", required=False)


class AwaitingSchema(Schema):
    """A response that may ask the customer to act."""

    next_action = field.nested(NextAction, required=False)


class PaymentTerms(PayingSchema):
    """The terms of a payment alone."""


TERMS = PaymentTerms()


def optional_terms() -> dict[str, Any]:
    """Return the terms in a body for which the document defines none: a body that is no JSON object counts as empty."""
    try:
        body = json_body()
    except CardDataNotAccepted:
        raise
    except ServiceError:
        body = {}
    return load(TERMS, body, "body")


def split_terms(given: Mapping[str, Any]) -> tuple[dict[str, Any], Terms]:
    """Return the fields of a request without its terms, and the terms. Raises Invalid, naming field or header."""
    rest = {name: value for name, value in given.items() if name not in HEADERS}
    # Without allowed origins no caller can use this field: it is ignored like every unknown field.
    in_body = (
        given if current_app.config["PAYMENT_RETURN_ORIGINS"] or not _is_production() else {TOKEN: given.get(TOKEN)}
    )
    token, return_url = (_sent(name, in_body.get(name)) for name in (TOKEN, RETURN_URL))
    if return_url is not None:
        check_origin(return_url)
    descriptor = current_app.config["STRIPE_DESCRIPTOR_SUFFIX"]
    return rest, Terms(token, return_url, descriptor)


def _is_production() -> bool:
    return bool(current_app.config["ENVIRONMENT"] == "production")


def _sent(name: str, in_body: str | None) -> str | None:
    in_header = request.headers.get(HEADERS[name])
    if in_header is None:
        return in_body
    place = ("header", HEADERS[name])
    if len(in_header) > LONGEST[name]:
        raise Invalid([FieldError(place, f"{place[1]} must have at most {LONGEST[name]} characters", "string_length")])
    judge_text(in_header, place, lines=False)
    if in_body is not None and in_body != in_header:
        raise Invalid([FieldError(place, f"{place[1]} and {name} differ")])
    return in_header or None


def check_origin(url: str) -> None:
    """Raise Invalid unless the URL is of a configured origin; in development, without one, any origin is allowed."""
    parts = urlsplit(url)
    allowed = current_app.config["PAYMENT_RETURN_ORIGINS"]
    is_open = not allowed and not _is_production()
    is_absolute = parts.scheme in ("https", "http") and parts.hostname and not parts.username and "\\" not in url
    if not is_absolute or not (is_open or f"{parts.scheme}://{parts.netloc}" in allowed):
        raise Invalid([FieldError(("body", RETURN_URL), f"{RETURN_URL} is of no origin that is allowed here")])


def with_action(body: dict[str, Any], action: Action | None, name: str = "next_action") -> dict[str, Any]:
    """Return the body of a response with the customer's next action, if there is one."""
    if action is None:
        return body
    told = {
        "type": action.type,
        "url": action.url,
        "client_secret": action.client_secret,
        "expires_at": naive_text(action.expires_at) if action.expires_at else None,
    }
    return body | {name: {key: value for key, value in told.items() if value is not None}}
