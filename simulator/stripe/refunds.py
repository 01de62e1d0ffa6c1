"""Refunds, which may fail long after they succeeded."""

from dataclasses import replace

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, Pending
from simulator.fault_injection import plan_of
from simulator.ledger import Plan
from simulator.stripe import balance, objects
from simulator.stripe.attempts import outcome_of, request_for
from simulator.stripe.call import Aim, Answer, Call, Endpoint, ok
from simulator.stripe.currencies import asked_for, check_shape
from simulator.stripe.errors import invalid, malformed
from simulator.stripe.events import emit
from simulator.stripe.forms import EXPAND, PAGE, Spec, choice, integer, metadata, text, window
from simulator.stripe.lists import listing
from simulator.stripe.store import Json
from simulator.stripe.tokens import CARDS, REFUND_FAILURES

CREATED: Spec = {
    "payment_intent": text,
    "charge": text,
    "amount": integer,
    "metadata": metadata,
    "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
    **EXPAND,
}


def _create(call: Call) -> Answer:
    intent, charge = _subjects(call)
    released = charge.get("_", {}).get("released", 0)
    left = charge["amount_captured"] + released - charge["amount_refunded"]
    amount = call.form.get("amount", left)
    _check(call, charge, amount, left)
    card = CARDS[charge["payment_method"]]
    refund = objects.refund(charge, amount, call.form)
    refund = call.store.add(
        refund | {"_": {}}, parent=charge["payment_intent"], key=refund["metadata"].get("gateway_key")
    )
    request = request_for(intent, Kind.REFUND, refund["metadata"].get("gateway_key") or refund["id"], amount)
    outcome = outcome_of(call, card, request)
    plan = plan_of(call.fault, outcome)
    if card.refunds == "succeed_later":
        plan = Plan(plan.actual_outcome, lookups=1_000_000)
        call.store.set_timer(call.store.setting("late_after"), "settle_refund", refund["id"])
    refund["_"] = {"operation": call.ledger.write(request, plan, refund["id"])}
    charge["amount_refunded"] += amount
    charge["refunded"] = amount == left
    call.store.save(charge)
    emit(call, "refund.created", refund)
    if plan.lookups is None:
        settle(call, refund, plan.actual_outcome)
    else:
        refund["pending_reason"] = "processing"
        call.store.save(refund)
        if (pause := call.store.setting("settle_after")) is not None:
            call.store.set_timer(pause, "settle_refund", refund["id"])
    if card.refunds == "fail_later":
        call.store.set_timer(call.store.setting("late_after"), "fail_refund", refund["id"])
    return replace(ok(call, refund), lost=outcome.first_reply == "no_answer")


def _subjects(call: Call) -> tuple[Json, Json]:
    if not call.form.get("payment_intent") and not call.form.get("charge"):
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise malformed(message, code="parameter_missing")
    if call.form.get("payment_intent"):
        intent = call.named("payment_intent", "payment_intent")
        charge = call.store.find(intent["latest_charge"], "charge")
    else:
        charge = call.named("charge", "charge")
        intent = call.store.find(charge["payment_intent"], "payment_intent") or {}
    if charge is None or not charge["captured"]:
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise invalid(message, code="payment_intent_unexpected_state", param="payment_intent")
    return intent, charge


def _check(call: Call, charge: Json, amount: int, left: int) -> None:
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise invalid(message, code="charge_already_refunded")
    disputes = call.store.children(charge["payment_intent"], "dispute")
    if any(not each["is_charge_refundable"] and each["status"] != "won" for each in disputes):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise invalid(message, code="charge_disputed")
    check_shape(amount, charge["currency"])
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise invalid(message, param="amount")


def settle(call: Call, refund: Json, outcome: Approved | Declined) -> None:
    """Write the bank's decision into the refund."""
    refund.pop("pending_reason", None)
    charge = _charge(call, refund)
    if isinstance(outcome, Declined):
        fail(call, refund, REFUND_FAILURES.get(outcome.code, "unknown"))
        return
    booked = balance.book(call, "refund", refund, -refund["amount"])
    refund |= {"status": "succeeded", "balance_transaction": booked["id"]}
    call.store.save(refund)
    emit(call, "charge.refunded", charge)
    emit(call, "refund.updated", refund)


def fail(call: Call, refund: Json, reason: str) -> None:
    """Fail a refund, at once or after it had succeeded: the money comes back to the account."""
    charge = _charge(call, refund)
    if refund["status"] == "succeeded":
        booked = balance.book(call, "refund_failure", refund, refund["amount"])
        refund["failure_balance_transaction"] = booked["id"]
    refund |= {"status": "failed", "failure_reason": reason}
    charge |= {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
    call.store.save(refund)
    call.store.save(charge)
    emit(call, "refund.updated", refund)
    emit(call, "refund.failed", refund)


def settle_refund(call: Call, refund_id: str) -> None:
    """Write the bank's decision into a pending refund, without a request."""
    refund = call.store.find(refund_id, "refund")
    if refund is not None:
        look_again(call, refund, at_once=True)


def fail_refund(call: Call, refund_id: str) -> None:
    """Return a refund from the customer's bank."""
    refund = call.store.find(refund_id, "refund")
    if refund is not None and refund["status"] == "succeeded":
        fail(call, refund, "expired_or_canceled_card")


def look_again(call: Call, refund: Json, *, at_once: bool = False) -> Json:
    """Count a look-up of a pending refund; write the bank's decision once it is due."""
    if refund["status"] == "pending":
        entry = call.ledger.advance(refund["_"]["operation"], at_once=at_once)
        if not isinstance(entry.answer, Pending):
            settle(call, refund, entry.answer)
    return refund


def _charge(call: Call, refund: Json) -> Json:
    charge = call.store.find(refund["charge"], "charge")
    assert charge is not None  # noqa: S101 - a refund was made of it
    return charge


def _retrieve(call: Call) -> Answer:
    return ok(call, look_again(call, call.subject("refund", "id")))


def _list(call: Call) -> Answer:
    form, conditions = call.form, []
    if form.get("payment_intent"):
        conditions.append(("parent = ?", form["payment_intent"]))
        for refund in call.store.children(form["payment_intent"], "refund"):
            look_again(call, refund)
    if form.get("charge"):
        conditions.append(("json_extract(body, '$.charge') = ?", form["charge"]))
    return listing(call, "refund", "/v1/refunds", conditions)


def _aim_at_new(call: Call) -> Aim:
    intent = call.store.find(call.form.get("payment_intent"), "payment_intent")
    asked = asked_for(call.form.get("amount"), intent["currency"]) if intent else None
    return Aim("send", [call.form.get("metadata", {}).get("gateway_key", "")], Kind.REFUND, asked)


def _aim_at_one(call: Call) -> Aim:
    refund = call.store.find(call.object_id, "refund")
    return Aim("lookup", [refund["metadata"].get("gateway_key", "")] if refund else [])


def _aim_at_list(call: Call) -> Aim:
    found = call.store.children(call.form.get("payment_intent") or "", "refund")
    return Aim("lookup", [each["metadata"].get("gateway_key", "") for each in found])


ENDPOINTS = [
    Endpoint("POST", "/v1/refunds", _create, CREATED, aim=_aim_at_new),
    Endpoint("GET", "/v1/refunds/<object_id>", _retrieve, EXPAND, aim=_aim_at_one),
    Endpoint(
        "GET",
        "/v1/refunds",
        _list,
        {"payment_intent": text, "charge": text, "created": window, **PAGE},
        aim=_aim_at_list,
    ),
]
