"""3-D Secure: the page of the customer's bank with its two buttons, and their effects."""

from collections.abc import Callable
from urllib.parse import urlencode

from flask import Response, redirect, render_template_string, request

from simulator.ledger import Ledger
from simulator.stripe.attempts import attempt, fail_authentication
from simulator.stripe.call import Answer, Call, Endpoint, ok
from simulator.stripe.currencies import to_major
from simulator.stripe.errors import StripeError
from simulator.stripe.forms import EXPAND, Spec, boolean, text
from simulator.stripe.intents import unexpected_state
from simulator.stripe.store import Json, Store

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>3-D Secure test page</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>body { font: 16px/1.5 sans-serif; margin: 3rem auto; max-width: 30rem; padding: 0 1rem }
button { font: inherit; padding: .5rem 1rem; margin-right: 1rem }</style></head>
<body><h1>3-D Secure test page</h1>
{% if waits %}<p>Your bank wants to know whether you pay {{ amount }} {{ currency }}.</p>
<form method="post"><button name="success" value="true" id="complete">Complete</button>
<button name="success" value="false" id="fail">Fail</button></form>
{% else %}<p id="over">Nothing is left to confirm here: {{ status }}.</p>{% endif %}
</body></html>"""


def authenticate(call: Call, intent: Json, *, success: bool) -> Answer:
    """Confirm the customer's identity, or fail to. Raises StripeError if the intent does not wait for it."""
    if intent["status"] != "requires_action":
        raise unexpected_state(intent, "This PaymentIntent does not wait for the customer")
    if success:
        return attempt(call, intent, authenticated=True)
    fail_authentication(call, intent)
    return ok(call, intent)


class Page:
    """The page over a ledger; `call_on` returns a call without a request to the API."""

    def __init__(self, ledger: Ledger, call_on: Callable[[Store], Call], wake: Callable[[], None]) -> None:
        self._ledger = ledger
        self._call_on = call_on
        self._wake = wake

    def show(self, object_id: str) -> Response:
        """Show the page, with its buttons as long as the bank waits."""
        with self._ledger.transaction() as db:
            intent = Store(db).find(object_id, "payment_intent")
        if intent is None:
            return Response("There is no such payment.", 404)
        return _page(intent)

    def press(self, object_id: str) -> Response:
        """Handle a button: decide, then send the customer back to the shop."""
        with self._ledger.transaction() as db:
            call = self._call_on(Store(db))
            intent = call.store.find(object_id, "payment_intent")
            if intent is None:
                return Response("There is no such payment.", 404)
            back = intent["_"].get("return_url")
            try:
                authenticate(call, intent, success=request.form.get("success") == "true")
            except StripeError:
                return _page(intent)
        self._wake()
        if back is None:
            return _page(intent)
        status = {"requires_payment_method": "failed", "processing": "pending"}.get(intent["status"], "succeeded")
        query = {"payment_intent": intent["id"], "payment_intent_client_secret": intent["client_secret"]}
        sign = "&" if "?" in back else "?"
        found = redirect(f"{back}{sign}{urlencode(query | {'redirect_status': status})}", 303)
        return Response(found.get_data(), found.status, found.headers)


def _page(intent: Json) -> Response:
    amount = to_major(intent["amount"], intent["currency"])
    waits = intent["status"] == "requires_action"
    html = render_template_string(
        _PAGE, waits=waits, amount=amount, currency=intent["currency"].upper(), status=intent["status"]
    )
    return Response(html)


def _authenticate(call: Call) -> Answer:
    intent = call.subject("payment_intent", "intent")
    if call.form["client_secret"] != intent["client_secret"]:
        message = "The client_secret provided does not match the client_secret associated with the PaymentIntent."
        raise StripeError(400, "invalid_request_error", message, stored=False, param="client_secret")
    return authenticate(call, intent, success=call.form.get("success", True))


_AUTHENTICATED: Spec = {"client_secret": text, "success": boolean, **EXPAND}

ENDPOINTS = [
    Endpoint(
        "POST",
        "/v1/payment_intents/<object_id>/_authenticate",
        _authenticate,
        _AUTHENTICATED,
        needs=("client_secret",),
    )
]
