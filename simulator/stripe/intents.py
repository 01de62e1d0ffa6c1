"""PaymentIntents: create, retrieve, update, confirm and list."""

from dataclasses import replace

from simulator.stripe import objects
from simulator.stripe.attempts import UNDECIDED, attempt, key_of, kind_of, look_again
from simulator.stripe.call import Aim, Answer, Call, Endpoint, ok, shown
from simulator.stripe.currencies import asked_for, check_amount, check_currency
from simulator.stripe.errors import StripeError, invalid, malformed
from simulator.stripe.events import emit
from simulator.stripe.forms import (
    EXPAND,
    PAGE,
    Spec,
    anything,
    boolean,
    choice,
    integer,
    metadata,
    nested,
    text,
    texts,
    window,
)
from simulator.stripe.lists import listing
from simulator.stripe.store import Json, new_id
from simulator.stripe.tokens import CARDS

CAPTURE_METHODS = choice("automatic", "automatic_async", "manual")


def _off_session(value: object, name: str) -> bool:
    return True if value in {"one_off", "recurring"} else boolean(value, name)


CONFIRMED: Spec = {
    "payment_method": text,
    "return_url": text,
    "off_session": _off_session,
    "error_on_requires_action": boolean,
    "capture_method": CAPTURE_METHODS,
    "receipt_email": text,
    "setup_future_usage": choice("off_session", "on_session"),
    "payment_method_options": anything,
    "mandate_data": anything,
    "radar_options": anything,
    "shipping": anything,
    "use_stripe_sdk": boolean,
    **EXPAND,
}
CREATED: Spec = {
    **CONFIRMED,
    "amount": integer,
    "currency": text,
    "confirm": boolean,
    "confirmation_method": choice("automatic", "manual"),
    "automatic_payment_methods": nested(enabled=boolean, allow_redirects=choice("always", "never")),
    "allowed_payment_method_types": texts,
    "customer": text,
    "description": text,
    "metadata": metadata,
    "statement_descriptor": text,
    "statement_descriptor_suffix": text,
    "transfer_group": text,
}
ONLY_WHEN_CONFIRMED = ("return_url", "off_session", "error_on_requires_action")


def unexpected_state(intent: Json, what: str) -> StripeError:
    """Return the error for a forbidden status: 400 with the intent."""
    message = f"{what} because it has a status of {intent['status']}."
    return invalid(message, code="payment_intent_unexpected_state", payment_intent=shown(intent))


def _create(call: Call) -> Answer:
    form = call.form
    check_currency(form["currency"])
    check_amount(form["amount"], form["currency"])
    check_suffix(form.get("statement_descriptor_suffix"))
    if form.get("statement_descriptor"):
        message = "A card payment has no `statement_descriptor`; use `statement_descriptor_suffix` instead."
        raise invalid(message, param="statement_descriptor")
    if not form.get("confirm"):
        for name in ONLY_WHEN_CONFIRMED:
            if form.get(name) not in {None, False}:
                raise malformed(f"The parameter `{name}` can only be used with confirm=true.", param=name)
    _check_method(form.get("payment_method"))
    object_id = new_id("pi")
    intent = objects.intent(form["amount"], form["currency"], form, object_id, f"{object_id}_secret_{new_id('')[1:]}")
    intent["_"] = {}
    intent["metadata"] = {name: value for name, value in intent["metadata"].items() if value}
    call.store.add(intent, key=key_of(intent))
    emit(call, "payment_intent.created", intent)
    return _confirm_intent(call, intent) if form.get("confirm") else ok(call, intent)


def check_suffix(suffix: str | None) -> None:
    """Raise StripeError for a suffix that no card statement can show."""
    if suffix is None:
        return
    if len(suffix) > 22 or set(suffix) & set("<>\\'\"*") or not any(each.isalpha() for each in suffix):
        message = "The statement descriptor suffix has at most 22 characters, a letter, and none of <>\\'\"*."
        raise invalid(message, param="statement_descriptor_suffix")


def _check_method(token: str | None) -> None:
    if token is not None and token not in CARDS:
        message = f"No such PaymentMethod: '{token}'"
        raise invalid(message, code="resource_missing", param="payment_method")


def _retrieve(call: Call) -> Answer:
    return ok(call, look_again(call, call.subject("payment_intent", "intent")))


def _update(call: Call) -> Answer:
    intent = call.subject("payment_intent", "intent")
    given = intent["metadata"] | call.form.get("metadata", {})
    intent["metadata"] = {name: value for name, value in given.items() if value}
    call.store.save(intent)
    return ok(call, intent)


def _confirm(call: Call) -> Answer:
    intent = call.subject("payment_intent", "intent")
    if intent["status"] not in UNDECIDED:
        raise unexpected_state(intent, "This PaymentIntent could not be confirmed")
    _check_method(call.form.get("payment_method"))
    return _confirm_intent(call, intent)


def _confirm_intent(call: Call, intent: Json) -> Answer:
    form = call.form
    for name in ("payment_method", "capture_method", "receipt_email", "setup_future_usage"):
        intent[name] = form.get(name) or intent[name]
    if intent["payment_method"] is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent "
            "with a payment method and then confirm it again."
        )
        raise invalid(message, code="payment_intent_unexpected_state", payment_intent=shown(intent))
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and not form.get("return_url"):
        message = (
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. "
            "If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never`."
        )
        raise invalid(message, param="return_url")
    intent["_"] |= {"return_url": form.get("return_url")}
    may_act = not (form.get("off_session") or form.get("error_on_requires_action"))
    return attempt(call, intent, may_act=may_act)


def _list(call: Call) -> Answer:
    customer = call.form.get("customer")
    conditions = [("json_extract(body, '$.customer') = ?", customer)] if customer else []
    return listing(call, "payment_intent", "/v1/payment_intents", conditions)


def _aim_at_new(call: Call) -> Aim:
    intent = {"metadata": call.form.get("metadata", {}), "id": "", "capture_method": call.form.get("capture_method")}
    asked = asked_for(call.form.get("amount"), call.form.get("currency"))
    return Aim("send" if call.form.get("confirm") else "register", [key_of(intent)], kind_of(intent), asked)


def _aim_at_known(call: Call) -> Aim:
    intent = call.store.find(call.object_id, "payment_intent")
    if intent is None:
        return Aim("send")
    known = {**intent, "capture_method": call.form.get("capture_method") or intent["capture_method"]}
    return Aim("send", [key_of(intent)], kind_of(known), asked_for(intent["amount"], intent["currency"]))


def _aim_at_update(call: Call) -> Aim:
    return replace(_aim_at_known(call), on="register")


def aim_at_read(call: Call) -> Aim:
    """Return the aim of an intent's look-up: its own key and those of its captures, refunds and void."""
    rows = call.store.db.execute("SELECT gateway_key FROM operations WHERE parent_key = (SELECT gateway_key FROM"
                                 " stripe_objects WHERE id = ?)", (call.object_id,))  # fmt: skip
    intent = call.store.find(call.object_id, "payment_intent")
    own = [key_of(intent)] if intent else []
    return Aim("lookup", [*own, *(row["gateway_key"] for row in rows)])


ENDPOINTS = [
    Endpoint("POST", "/v1/payment_intents", _create, CREATED, needs=("amount", "currency"), aim=_aim_at_new),
    Endpoint("GET", "/v1/payment_intents", _list, {"created": window, "customer": text, **PAGE}),
    Endpoint("GET", "/v1/payment_intents/<object_id>", _retrieve, {"client_secret": text, **EXPAND}, aim=aim_at_read),
    Endpoint("POST", "/v1/payment_intents/<object_id>", _update, {"metadata": metadata, **EXPAND}, aim=_aim_at_update),
    Endpoint("POST", "/v1/payment_intents/<object_id>/confirm", _confirm, CONFIRMED, aim=_aim_at_known),
]
