"""An attempt at an intent's payment method: authentication, the bank's decision, and its consequences."""

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest, Pending
from payment_service.gateways.simulated import Outcome, authorization_code_of, decide, reference_of
from simulator.fault_injection import plan_of
from simulator.stripe import balance, objects
from simulator.stripe.call import Answer, Call, ok
from simulator.stripe.currencies import to_major, to_minor
from simulator.stripe.declines import authentication_error, card_error, error_of, network_outcome
from simulator.stripe.events import emit
from simulator.stripe.store import Json, moment, new_id
from simulator.stripe.tokens import AUTHENTICATION_REQUIRED, CARDS, Card

UNDECIDED = ("requires_payment_method", "requires_confirmation", "requires_action")
"""Statuses in which an intent can be confirmed."""


def key_of(intent: Json) -> str:
    """Return the gateway key of an intent's charge or authorization."""
    return str(intent["metadata"].get("gateway_key") or intent["id"])


def kind_of(intent: Json) -> Kind:
    """Return the kind that a confirmation has: it takes money or holds it."""
    return Kind.AUTHORIZE if intent["capture_method"] == "manual" else Kind.CHARGE


def request_for(intent: Json, kind: Kind, gateway_key: str, amount: int) -> GatewayRequest:
    """Return the request to the bank behind Stripe: `amount` minor units of the intent's currency."""
    return GatewayRequest(
        gateway_key=gateway_key,
        kind=kind,
        channel=intent["metadata"].get("channel", ""),
        amount=to_major(amount, intent["currency"]),
        currency=intent["currency"].upper(),
        method="CARD",
        parent_key=None if kind in {Kind.CHARGE, Kind.AUTHORIZE} else key_of(intent),
    )


def outcome_of(call: Call, card: Card, request: GatewayRequest) -> Outcome:
    """Return the bank's decision: by the token, or, for drawn tokens, by magic amounts and drawn odds."""
    if card.drawn:
        return decide(request, call.rates)
    code, reference = authorization_code_of(request.gateway_key), reference_of(request.gateway_key)
    return Outcome("actual", Approved(request.amount, request.currency, reference, code))


def attempt(call: Call, intent: Json, *, authenticated: bool = False, may_act: bool = True) -> Answer:
    """Try the intent's payment method. `may_act` is false if the customer cannot act: then that is a decline."""
    card = CARDS[intent["payment_method"]]
    intent["next_action"] = None
    if card.authenticates and not authenticated:
        if may_act:
            return _require_action(call, intent)
        return _settled(call, intent, _new_charge(call, intent, card), AUTHENTICATION_REQUIRED)
    request = request_for(intent, kind_of(intent), key_of(intent), intent["amount"])
    outcome = outcome_of(call, card, request)
    if card.declined:
        outcome = Outcome("actual", card.declined)
    plan = plan_of(call.fault, outcome)
    charge = _new_charge(call, intent, card)
    operation = call.ledger.write(request, plan, charge["id"])
    if plan.lookups is not None:
        answer = _processing(call, intent, operation)
    else:
        answer = _settled(call, intent, charge, plan.actual_outcome)
    return Answer(answer.status, answer.body, lost=outcome.first_reply == "no_answer")


def _processing(call: Call, intent: Json, operation: int) -> Answer:
    intent |= {"status": "processing", "_": intent["_"] | {"operation": operation}}
    call.store.save(intent)
    emit(call, "payment_intent.processing", intent)
    if (pause := call.store.setting("settle_after")) is not None:
        call.store.set_timer(pause, "settle_intent", intent["id"])
    return ok(call, intent)


def settle_intent(call: Call, intent_id: str) -> None:
    """Decide an intent that is processing, without a request."""
    intent = call.store.find(intent_id, "payment_intent")
    if intent is not None:
        look_again(call, intent, at_once=True)


def look_again(call: Call, intent: Json, *, at_once: bool = False) -> Json:
    """Count a look-up of an intent that is processing; write the bank's decision once it is due."""
    if intent["status"] != "processing":
        return intent
    entry = call.ledger.advance(intent["_"]["operation"], at_once=at_once)
    if not isinstance(entry.answer, Pending):
        charge = call.store.find(intent["latest_charge"], "charge")
        assert charge is not None  # noqa: S101 - an intent is processing from its charge on
        finish = _finish_capture if entry.kind is Kind.CAPTURE else settle
        finish(call, intent, charge, entry.answer)
    return intent


def settle(call: Call, intent: Json, charge: Json, outcome: Approved | Declined) -> None:
    """Write the bank's decision about a charge or authorization into its objects."""
    if isinstance(outcome, Declined):
        _decline(call, intent, charge, outcome)
        return
    amount = to_minor(outcome.amount, intent["currency"])
    charge |= {"status": "succeeded", "paid": True, "outcome": network_outcome("authorized", None)}
    if kind_of(intent) is Kind.AUTHORIZE:
        intent |= {"status": "requires_capture", "amount_capturable": amount}
        call.store.save(charge)
        call.store.save(intent)
        call.store.set_timer(call.store.setting("hold"), "expire_hold", intent["id"])
        emit(call, "charge.succeeded", charge)
        emit(call, "payment_intent.amount_capturable_updated", intent)
        return
    take(call, intent, charge, amount)
    emit(call, "charge.succeeded", charge)
    emit(call, "payment_intent.succeeded", intent)


def take(call: Call, intent: Json, charge: Json, amount: int) -> None:
    """Write the capture of an intent's money into its objects."""
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    fee = balance.processing_fee(call, amount, charge["currency"])
    booked = balance.book(call, "charge", charge, amount, fee=fee)
    charge |= {"captured": True, "amount_captured": amount, "balance_transaction": booked["id"]}
    if amount < charge["amount"]:
        release(call, charge, charge["amount"] - amount)
    if intent["capture_method"] == "automatic_async" and (pause := call.store.setting("balance_after")):
        charge["balance_transaction"] = None
        call.store.set_timer(pause, "show_balance", charge["id"])
    call.store.save(charge)
    call.store.save(intent)
    if CARDS[charge["payment_method"]].dispute:
        call.store.set_timer(call.store.setting("late_after"), "open_dispute", charge["id"])


def release(call: Call, charge: Json, amount: int) -> None:
    """Return held money to the customer. Stripe's documents call that a release; some users saw a refund object."""
    if not call.store.setting("release_as_refund"):
        return
    refund = objects.refund(charge, amount, {}) | {"status": "succeeded"}
    call.store.add(refund, parent=charge["payment_intent"])
    charge["amount_refunded"] += amount
    charge["_"] = {"released": amount}
    emit(call, "refund.created", refund)


def hand_capture_in(call: Call, intent: Json, charge: Json, amount: int, gateway_key: str) -> Answer:
    """Ask the bank to take held money."""
    request = request_for(intent, Kind.CAPTURE, gateway_key, amount)
    outcome = outcome_of(call, CARDS[charge["payment_method"]], request)
    plan = plan_of(call.fault, outcome)
    operation = call.ledger.write(request, plan, charge["id"])
    if plan.lookups is not None:
        _processing(call, intent, operation)
    else:
        _finish_capture(call, intent, charge, plan.actual_outcome)
    lost = outcome.first_reply == "no_answer"
    if isinstance(plan.actual_outcome, Declined) and plan.lookups is None:
        return Answer(402, card_error(intent, intent["last_payment_error"]), lost)
    return Answer(200, ok(call, intent).body, lost)


def _finish_capture(call: Call, intent: Json, charge: Json, outcome: Approved | Declined) -> None:
    if isinstance(outcome, Declined):
        # The money is held as before; `last_payment_error` has the reason.
        intent |= {"status": "requires_capture", "last_payment_error": error_of(charge, outcome)}
        call.store.save(intent)
        emit(call, "payment_intent.payment_failed", intent)
        return
    take(call, intent, charge, to_minor(outcome.amount, intent["currency"]))
    emit(call, "charge.captured", charge)
    emit(call, "payment_intent.succeeded", intent)


def _settled(call: Call, intent: Json, charge: Json, outcome: Approved | Declined) -> Answer:
    settle(call, intent, charge, outcome)
    if isinstance(outcome, Declined):
        return Answer(402, card_error(intent, intent["last_payment_error"]))
    return ok(call, intent)


def _decline(call: Call, intent: Json, charge: Json, declined: Declined) -> None:
    error = error_of(charge, declined)
    charge |= {
        "status": "failed",
        "failure_code": error["code"],
        "failure_message": declined.message,
        "outcome": network_outcome("issuer_declined", error["decline_code"]),
    }
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": error,
    }
    call.store.save(charge)
    call.store.save(intent)
    emit(call, "charge.failed", charge)
    emit(call, "payment_intent.payment_failed", intent)


def fail_authentication(call: Call, intent: Json) -> None:
    """Fail the customer's authentication: the intent needs another payment method."""
    error = authentication_error(intent)
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": error,
    }
    call.store.save(intent)
    emit(call, "payment_intent.payment_failed", intent)


def _new_charge(call: Call, intent: Json, card: Card) -> Json:
    code = authorization_code_of(key_of(intent))
    until = moment() + int(call.store.setting("hold")) if kind_of(intent) is Kind.AUTHORIZE else None
    charge = call.store.add(objects.charge(intent, card, code, until), parent=intent["id"], key=key_of(intent))
    intent["latest_charge"] = charge["id"]
    return charge


def _require_action(call: Call, intent: Json) -> Answer:
    page = f"{call.base_url}/3ds/{intent['id']}"
    if intent["_"].get("return_url"):
        action = {"type": "redirect_to_url", "redirect_to_url": {"return_url": intent["_"]["return_url"], "url": page}}
    else:
        sdk = {"source": new_id("payatt"), "stripe_js": page, "type": "three_d_secure_redirect"}
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": sdk}
    intent |= {"status": "requires_action", "next_action": action}
    call.store.save(intent)
    emit(call, "payment_intent.requires_action", intent)
    return ok(call, intent)
