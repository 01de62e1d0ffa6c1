"""Captures and cancels of intents."""

from dataclasses import replace

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from simulator.fault_injection import plan_of
from simulator.ledger import Plan
from simulator.stripe.attempts import hand_capture_in, key_of, outcome_of, release, request_for
from simulator.stripe.call import Aim, Answer, Call, Endpoint, ok
from simulator.stripe.currencies import asked_for, check_shape
from simulator.stripe.declines import card_error, error_of
from simulator.stripe.errors import invalid
from simulator.stripe.events import emit
from simulator.stripe.forms import EXPAND, Spec, boolean, choice, integer, metadata, text
from simulator.stripe.intents import check_suffix, unexpected_state
from simulator.stripe.store import Json, moment
from simulator.stripe.tokens import CARDS

CAPTURED: Spec = {
    "amount_to_capture": integer,
    "final_capture": boolean,
    "metadata": metadata,
    "statement_descriptor_suffix": text,
    **EXPAND,
}
REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")


def _capture(call: Call) -> Answer:
    intent = call.subject("payment_intent", "intent")
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "This PaymentIntent could not be captured")
    held: int = intent["amount_capturable"]
    amount = call.form.get("amount_to_capture", held)
    check_shape(amount, intent["currency"], param="amount_to_capture")
    if amount > held:
        message = "The provided `amount_to_capture` is greater than the amount you can capture for this PaymentIntent."
        raise invalid(message, code="amount_too_large", param="amount_to_capture")
    if call.form.get("final_capture") is False:
        raise invalid("This payment does not support several captures.", param="final_capture")
    check_suffix(call.form.get("statement_descriptor_suffix"))
    intent["metadata"] |= call.form.get("metadata", {})
    return hand_capture_in(call, intent, charge_of(call, intent), amount, own_key(call, intent))


def _cancel(call: Call) -> Answer:
    intent = call.subject("payment_intent", "intent")
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(intent, "You cannot cancel this PaymentIntent")
    lost = False
    if intent["status"] == "requires_capture":
        charge = charge_of(call, intent)
        request = request_for(intent, Kind.VOID, own_key(call, intent), intent["amount_capturable"])
        outcome = outcome_of(call, CARDS[charge["payment_method"]], request)
        plan = plan_of(call.fault, outcome)
        # A cancel is never pending: it is done at once, or not at all.
        call.ledger.write(request, Plan(plan.actual_outcome), charge["id"])
        if isinstance(plan.actual_outcome, Declined):
            return Answer(402, card_error(intent, error_of(charge, plan.actual_outcome)))
        lost = outcome.first_reply == "no_answer"
    cancel(call, intent, call.form.get("cancellation_reason"))
    return replace(ok(call, intent), lost=lost)


def cancel(call: Call, intent: Json, reason: str | None) -> None:
    """End an intent; its hold is released."""
    held = intent["status"] == "requires_capture"
    intent |= {
        "status": "canceled",
        "canceled_at": moment(),
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    call.store.save(intent)
    if held:
        charge = charge_of(call, intent)
        release(call, charge, charge["amount"])
        charge |= {"refunded": True, "amount_refunded": charge["amount"]}
        call.store.save(charge)
        emit(call, "charge.refunded", charge)
    emit(call, "payment_intent.canceled", intent)


def expire_hold(call: Call, intent_id: str) -> None:
    """End a hold without a capture."""
    intent = call.store.find(intent_id, "payment_intent")
    if intent is not None and intent["status"] == "requires_capture":
        emit(call, "charge.expired", charge_of(call, intent))
        cancel(call, intent, "automatic")


def charge_of(call: Call, intent: Json) -> Json:
    """Return the latest charge of an intent that has one."""
    charge = call.store.find(intent["latest_charge"], "charge")
    assert charge is not None  # noqa: S101 - an intent in this status has one
    return charge


def own_key(call: Call, intent: Json) -> str:
    """Return the gateway key of a capture or cancel; a cancel under its authorization's key gets the whole header."""
    own = call.gateway_key == key_of(intent)
    return (call.idempotency_key or call.gateway_key) if own else call.gateway_key


def _aim_at_capture(call: Call) -> Aim:
    held = call.store.find(call.object_id, "payment_intent")
    amount = call.form.get("amount_to_capture")
    return Aim("send", [call.gateway_key], Kind.CAPTURE, asked_for(amount, held["currency"]) if held else None)


def _aim_at_cancel(call: Call) -> Aim:
    held = call.store.find(call.object_id, "payment_intent")
    return Aim("send", [call.gateway_key], Kind.VOID, asked_for(held["amount"], held["currency"]) if held else None)


ENDPOINTS = [
    Endpoint("POST", "/v1/payment_intents/<object_id>/capture", _capture, CAPTURED, aim=_aim_at_capture),
    Endpoint(
        "POST",
        "/v1/payment_intents/<object_id>/cancel",
        _cancel,
        {"cancellation_reason": choice(*REASONS), **EXPAND},
        aim=_aim_at_cancel,
    ),
]
