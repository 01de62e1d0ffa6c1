"""Stripe's objects and replies as its documents show them, for tests that say what each means."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qsl

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import GatewayRequest
from payment_service.gateways.stripe import StripeGateway
from tests.support.instructions import PATIENT, instruct
from tests.support.scripted_server import ScriptedServer, scripted_server

KEY = "sk_test_51Hx0000000000000000000000"
INTENT, CHARGE, REFUND = "pi_3OaBcDeFgHiJkLmN1", "ch_3OaBcDeFgHiJkLmN1", "re_3OaBcDeFgHiJkLmN1"
TOKEN, RETURN_URL = "pm_1OaTokenOfTheBrowser", "https://shop.example/return?order=7"
CLIENT_SECRET = f"{INTENT}_secret_5YtQ0secret"


def intent(status: str = "requires_confirmation", **changes: Any) -> dict[str, Any]:
    """Return a payment intent of 150.00 USD."""
    found = {
        "id": INTENT,
        "object": "payment_intent",
        "amount": 15000,
        "amount_capturable": 15000 if status == "requires_capture" else 0,
        "amount_received": 15000 if status == "succeeded" else 0,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": CLIENT_SECRET,
        "currency": "usd",
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "status": status,
    }
    return found | changes


def charge(**card: Any) -> dict[str, Any]:
    """Return the charge of an intent, expanded."""
    details = {"type": "card", "card": {"brand": "visa", **card}}
    return {"id": CHARGE, "object": "charge", "authorization_code": "123456", "payment_method_details": details}


def refund(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """Return a refund of 15.00 USD."""
    found = {
        "id": REFUND,
        "object": "refund",
        "amount": 1500,
        "currency": "usd",
        "failure_reason": None,
        "metadata": {},
        "payment_intent": INTENT,
        "status": status,
    }
    return found | changes


def listed(*objects: dict[str, Any], more: bool = False) -> dict[str, Any]:
    """Return a page of a list."""
    return {"object": "list", "data": list(objects), "has_more": more, "url": "/v1/refunds"}


def error(code: str | None = None, kind: str = "invalid_request_error", **more: Any) -> dict[str, Any]:
    """Return an error's body."""
    told = {"type": kind, "message": "It went wrong.", **({"code": code} if code else {}), **more}
    return {"error": told}


def card_error(
    code: str = "card_declined", decline_code: str | None = "generic_decline", **more: Any
) -> dict[str, Any]:
    """Return a decline of the issuer's, as the error of a request and as an intent's last error."""
    return error(code, "card_error", decline_code=decline_code, **{"message": "Your card was declined.", **more})


def asked(kind: Kind = Kind.CHARGE, amount: str = "150.00", **changes: Any) -> GatewayRequest:
    """Return a request for the intent `INTENT`, or with it as its parent's."""
    own = kind in (Kind.CHARGE, Kind.AUTHORIZE)
    known: dict[str, Any] = {"reference": INTENT, "terms": Terms(TOKEN)} if own else {"parent_reference": INTENT}
    return instruct(kind, amount, **({"payment": "pay_7"} | known | changes))


def http(status: int, body: dict[str, Any] | bytes, **headers: str) -> bytes:
    """Return a reply's bytes. The names of headers are written with underscores."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Request-Id": "req_7", "Content-Length": str(len(content)), "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Because\r\n{head}\r\n".encode() + content


REPLAYED = {"Idempotent_Replayed": "true"}


@contextmanager
def stripe_that_says(*replies: bytes, key: str = KEY, **options: Any) -> Iterator[tuple[StripeGateway, ScriptedServer]]:
    """Yield a gateway before a server that sends these replies in turn."""
    patient = {"connect_timeout": PATIENT, "read_timeout": PATIENT}
    with (
        scripted_server(*replies) as server,
        closing(StripeGateway(key, base=server.url, **(patient | options))) as gateway,
    ):
        yield gateway, server


class Sent:
    """A request as it arrived: `line` (`POST /v1/…`), `headers` by lower-case names, and `form` fields."""

    def __init__(self, received: bytes) -> None:
        head, _, body = received.decode().partition("\r\n\r\n")
        first, *rest = head.split("\r\n")
        self.line = first.removesuffix(" HTTP/1.1")
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        self.form = dict(parse_qsl(body))
