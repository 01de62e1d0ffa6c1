"""Charges and payment methods, which are read-only."""

from simulator.stripe import balance, objects
from simulator.stripe.call import Answer, Call, Endpoint, ok
from simulator.stripe.errors import missing
from simulator.stripe.events import emit
from simulator.stripe.forms import EXPAND, PAGE, text, window
from simulator.stripe.lists import listing
from simulator.stripe.tokens import CARDS


def _retrieve(call: Call) -> Answer:
    return ok(call, call.subject("charge", "charge"))


def _list(call: Call) -> Answer:
    intent = call.form.get("payment_intent")
    conditions = [("parent = ?", intent)] if intent else []
    return listing(call, "charge", "/v1/charges", conditions)


def _method(call: Call) -> Answer:
    if call.object_id not in CARDS:
        raise missing("PaymentMethod", call.object_id, param="payment_method")
    return ok(call, objects.payment_method(call.object_id))


def show_balance(call: Call, charge_id: str) -> None:
    """Write a charge's balance transaction into it."""
    charge = call.store.find(charge_id, "charge")
    found = [each for each in call.store.children(charge_id, "balance_transaction") if each["type"] == "charge"]
    if charge is not None and found:
        charge["balance_transaction"] = found[0]["id"]
        call.store.save(charge)
        emit(call, "charge.updated", charge, {"balance_transaction": None})


ENDPOINTS = [
    Endpoint("GET", "/v1/charges", _list, {"payment_intent": text, "created": window, **PAGE}),
    Endpoint("GET", "/v1/charges/<object_id>", _retrieve, EXPAND),
    Endpoint("GET", "/v1/payment_methods/<object_id>", _method, EXPAND),
    *balance.ENDPOINTS,
]
