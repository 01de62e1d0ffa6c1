"""Declines in Stripe's format: on the intent, on the charge, and in the body of the 402."""

from payment_service.gateways.base import Declined
from simulator.stripe import objects
from simulator.stripe.call import shown
from simulator.stripe.store import Json
from simulator.stripe.tokens import AUTHENTICATION_FAILED, code_of, decline_code_of


def error_of(charge: Json, declined: Declined) -> Json:
    """Return a decline as `last_payment_error`."""
    decline_code = decline_code_of(declined)
    code = code_of(decline_code)
    return {
        "charge": charge["id"],
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": declined.message,
        "payment_method": objects.payment_method(charge["payment_method"]),
        "type": "card_error",
    }


def card_error(intent: Json, error: Json) -> Json:
    """Return the body of a 402: the error with its intent as it is now."""
    return {"error": error | {"payment_intent": shown(intent)}}


def authentication_error(intent: Json) -> Json:
    """Return the `last_payment_error` of an intent after a failed authentication of the customer."""
    return {
        "code": "payment_intent_authentication_failure",
        "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
        "message": AUTHENTICATION_FAILED,
        "payment_method": objects.payment_method(intent["payment_method"]),
        "type": "card_error",
    }


def network_outcome(network: str, reason: str | None) -> Json:
    """Return the `outcome` of a charge."""
    authorized = reason is None
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if authorized else "declined_by_network",
        "reason": reason,
        "risk_level": "normal",
        "seller_message": "Payment complete." if authorized else "The bank did not return any further details.",
        "type": network,
    }
