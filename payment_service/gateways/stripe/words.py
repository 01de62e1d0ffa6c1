"""Translates Stripe's objects and errors to the port's results: pure functions of a request and a reply.

The HTTP status, the error's type and code, and above all the object in the reply decide. Neither the library's class of
an error nor the text of a message decides anything. An unreadable reply is `Unknown`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from payment_service.domain.operations import Action, Kind
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    Pending,
    Refused,
    Registered,
    RegisterResult,
    Unknown,
)
from payment_service.gateways.minor import STRIPE
from payment_service.gateways.protocol import UnreadableReplyError, one_line
from payment_service.gateways.stripe.replies import (
    CAPTURE_KEY,
    NOT_FOUND,
    StripeReply,
    mapping,
    text,
    undecided,
    word,
)

CANCELED = "CANCELED"
"""The code of a payment that was cancelled without an earlier refusal."""

_INSUFFICIENT_FUNDS = "insufficient_funds"
# A token, a client secret, an address: Stripe's messages may quote them, but callers must not see them.
_SECRETS = re.compile(r"\b(?:pm|tok|src|ctoken)_\w{8,}|\w+_secret_\w+|https?://\S+")

Object = Mapping[str, Any]


def registered(request: GatewayRequest, reply: StripeReply, *, live: bool) -> RegisterResult:
    """Return the result of the creation of an unconfirmed intent. Nothing has moved, so every refusal is final."""
    problem = undecided(reply)
    if problem is None and reply.is_success:
        try:
            return Registered(text(_checked(reply.intent, live), "id"))
        except UnreadableReplyError as fault:
            return Unknown(str(fault))
    # Not found means the payment method; another request under the key concerns only this attempt's key.
    if problem is None or (isinstance(problem, Contradiction) and reply.status == NOT_FOUND):
        return refusal(request, reply)
    return Unknown(problem.reason) if isinstance(problem, Contradiction) else problem


def refusal(request: GatewayRequest, reply: StripeReply) -> Declined:
    """Return the decline in an error."""
    return Declined(*_why(request, reply.error))


def of_intent(request: GatewayRequest, intent: Object | None, *, live: bool) -> GatewayResult:
    """Return the result of an operation, as its own intent or the intent of its parent shows it."""
    try:
        found = _checked(intent, live)
        match request.kind:
            case Kind.CAPTURE:
                result = _captured(request, found)
            case Kind.VOID:
                result = _voided(found)
            case _:
                result = _paid(request, found)
        own = request.kind in (Kind.CHARGE, Kind.AUTHORIZE)
        if text(found, "id") != (request.reference if own else request.parent_reference):
            return Unknown("Stripe speaks of another payment intent")
    except UnreadableReplyError as fault:
        return Unknown(str(fault))
    return result or Unknown("Stripe shows the payment intent in a state that nobody asked for")


def of_refund(request: GatewayRequest, refund: Object) -> GatewayResult:
    """Return the result of a refund, as its object shows it."""
    result: GatewayResult | None = None
    try:
        reference, status = text(refund, "id"), refund.get("status")
        match status:
            case "succeeded":
                result = _approved(refund, "amount", reference)
            case "pending" | "requires_action":
                why = refund.get("pending_reason")
                result = Pending(reference, word(why) if isinstance(why, str) else None)
            case "failed" | "canceled":
                why = f"The refund {status}: {word(refund.get('failure_reason'))}"
                result = Declined(f"REFUND_{status}".upper(), why, reference)
    except UnreadableReplyError as fault:
        return Unknown(str(fault))
    if result is None or refund.get("object") != "refund" or refund.get("payment_intent") != request.parent_reference:
        return Unknown("Stripe shows no readable refund of this payment")
    return result


def _paid(request: GatewayRequest, intent: Object) -> GatewayResult | None:
    """Return the result of a charge or an authorization."""
    reference, status = text(intent, "id"), intent.get("status")
    result: GatewayResult | None = None
    if status in {"succeeded", "requires_capture"}:
        result = _taken_or_held(request, intent, reference)
    elif status == "requires_action":
        action = _action(intent)
        result = Pending(reference) if action is None else ActionRequired(reference, action)
    elif status == "processing":
        result = Pending(reference)
    elif status == "requires_payment_method":
        result = Refused(*_why(request, mapping(intent, "last_payment_error")), reference)
    elif status == "canceled":
        last = mapping(intent, "last_payment_error")
        told = _why(request, last) if last else (CANCELED, "The payment was cancelled")
        result = Declined(*told, reference)
    elif status == "requires_confirmation":
        result = NotFound()
    return result


def _taken_or_held(request: GatewayRequest, intent: Object, reference: str) -> GatewayResult:
    is_held, to_hold = intent.get("status") == "requires_capture", request.kind is Kind.AUTHORIZE
    if is_held and not to_hold:
        return Contradiction("Stripe holds money that was to be charged")
    if is_held:
        return _approved(intent, "amount_capturable", reference)
    # A captured hold was at first a hold of the whole amount.
    return _approved(intent, "amount" if to_hold else "amount_received", reference)


def _captured(request: GatewayRequest, intent: Object) -> GatewayResult | None:
    result: GatewayResult | None = None
    match intent.get("status"):
        case "succeeded" if mapping(intent, "metadata").get(CAPTURE_KEY, request.gateway_key) != request.gateway_key:
            result = Declined("ALREADY_CAPTURED", "Another capture took this hold")
        case "succeeded":
            latest = intent.get("latest_charge")
            charge = latest if isinstance(latest, dict) else {"id": latest}
            result = _approved(intent, "amount_received", text(charge, "id"))
        case "requires_capture":
            result = NotFound()
        case "processing":
            result = Pending()
        case "canceled":
            result = Declined(CANCELED, "The hold has ended")
    return result


def _voided(intent: Object) -> GatewayResult | None:
    result: GatewayResult | None = None
    match intent.get("status"):
        case "canceled":
            result = _approved(intent, "amount", text(intent, "id"))
        case "requires_capture":
            result = NotFound()
        case "processing":
            result = Pending()
        case "succeeded":
            result = Declined("ALREADY_CAPTURED", "The hold was captured")
    return result


def _approved(found: Object, name: str, reference: str) -> Approved:
    number, currency = found.get(name), text(found, "currency").upper()
    if type(number) is not int or number < 0 or not re.fullmatch("[A-Z]{3}", currency):
        raise UnreadableReplyError(f"Stripe shows no readable {name}")
    charge = mapping(found, "latest_charge")
    code = charge.get("authorization_code")
    return Approved(
        STRIPE.to_major(number, currency),
        currency,
        reference,
        one_line(code) or None if isinstance(code, str) else None,
        _capture_before(charge) if found.get("status") == "requires_capture" else None,
    )


def _capture_before(charge: Object) -> datetime | None:
    moment = mapping(mapping(charge, "payment_method_details"), "card").get("capture_before")
    return datetime.fromtimestamp(moment, UTC) if type(moment) is int and 0 < moment < 2**33 else None


def _action(intent: Object) -> Action | None:
    """Return the customer's next action: open an address, or continue with Stripe's own script."""
    url = mapping(mapping(intent, "next_action"), "redirect_to_url").get("url")
    if isinstance(url, str) and url:
        return Action("redirect", url=url)
    secret = intent.get("client_secret")
    return Action("sdk", client_secret=secret) if isinstance(secret, str) and secret else None


def _why(request: GatewayRequest, error: Object) -> tuple[str, str]:
    """Return the code and message of an error. Of the issuer's reasons the customer may see only insufficient funds."""
    code = error.get("code") or error.get("type") or "card_declined"
    if error.get("decline_code") == _INSUFFICIENT_FUNDS:
        code = _INSUFFICIENT_FUNDS
    message = error.get("message")
    told = message if isinstance(message, str) else ""
    for secret in (request.terms.token, request.terms.return_url):
        told = told.replace(secret, "…") if secret else told
    return word(code).upper(), one_line(_SECRETS.sub("…", told)) or "The payment was declined"


def _checked(intent: Object | None, live: bool) -> Object:
    if intent is None:
        raise UnreadableReplyError("Stripe shows no payment intent")
    if intent.get("livemode") is not live:
        raise UnreadableReplyError("Stripe shows an object of the other mode")
    return intent
