"""Disputes: the customer's bank takes the money back, and may return it."""

from simulator.stripe import balance, objects
from simulator.stripe.call import Answer, Call, Endpoint, ok, shown
from simulator.stripe.events import emit
from simulator.stripe.forms import EXPAND, PAGE, text, window
from simulator.stripe.lists import listing
from simulator.stripe.store import Json
from simulator.stripe.tokens import CARDS

STATUSES = (
    "needs_response", "under_review", "won", "lost", "warning_needs_response", "warning_under_review",
    "warning_closed", "prevented",
)  # fmt: skip
CLOSED = {"won", "lost", "warning_closed", "prevented"}


def open_dispute(call: Call, charge_id: str) -> None:
    """Begin the dispute that a charge's token asks for."""
    charge = call.store.find(charge_id, "charge")
    if charge is None:
        return
    reason = CARDS[charge["payment_method"]].dispute or "fraudulent"
    status = "warning_needs_response" if reason == "inquiry" else "needs_response"
    begin(call, charge, charge["amount_captured"], "general" if reason == "inquiry" else reason, status)


def begin(call: Call, charge: Json, amount: int, reason: str, status: str = "needs_response") -> Json:
    """Begin a dispute of a charge, in whole or in part; unless it is only a warning, the money goes at once."""
    dispute = call.store.add(objects.dispute(charge, amount, reason, status), parent=charge["payment_intent"])
    if not status.startswith("warning"):
        _withdraw(call, dispute)
    charge["disputed"] = True
    call.store.save(charge)
    emit(call, "charge.dispute.created", dispute)
    if dispute["balance_transactions"]:
        emit(call, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def move(call: Call, dispute: Json, status: str) -> Json:
    """Give a dispute another status: won gives the money back, lost after won takes it again."""
    before, dispute["status"] = dispute["status"], status
    out = sum(each["amount"] for each in dispute["balance_transactions"]) < 0
    moved = None
    if status == "won" and out:
        moved = "charge.dispute.funds_reinstated"
        _book(call, dispute, dispute["amount"], "dispute_reversal")
    elif status in {"needs_response", "lost"} and not out:
        moved = "charge.dispute.funds_withdrawn"
        _withdraw(call, dispute)
    dispute["is_charge_refundable"] = status.startswith("warning")
    dispute["evidence_details"]["has_evidence"] = status != "needs_response"
    call.store.save(dispute)
    emit(call, "charge.dispute.closed" if status in CLOSED else "charge.dispute.updated", dispute, {"status": before})
    if moved:
        emit(call, moved, dispute)
    return dispute


def _withdraw(call: Call, dispute: Json) -> None:
    _book(call, dispute, -dispute["amount"], "dispute", fee=balance.dispute_fee(call, dispute["currency"]))
    call.store.save(dispute)


def _book(call: Call, dispute: Json, amount: int, category: str, fee: int = 0) -> None:
    booked = balance.book(call, "adjustment", dispute, amount, fee=fee, category=category)
    dispute["balance_transactions"].append(shown(booked))


def _retrieve(call: Call) -> Answer:
    return ok(call, call.subject("dispute", "dispute"))


def _list(call: Call) -> Answer:
    form, conditions = call.form, []
    if form.get("payment_intent"):
        conditions.append(("parent = ?", form["payment_intent"]))
    if form.get("charge"):
        conditions.append(("json_extract(body, '$.charge') = ?", form["charge"]))
    return listing(call, "dispute", "/v1/disputes", conditions)


ENDPOINTS = [
    Endpoint("GET", "/v1/disputes", _list, {"charge": text, "payment_intent": text, "created": window, **PAGE}),
    Endpoint("GET", "/v1/disputes/<object_id>", _retrieve, EXPAND),
]
