"""Test payment methods: the card behind each `pm_card_…`, and its issuer's decision."""

from dataclasses import dataclass
from typing import Literal

from payment_service.gateways.base import Declined

GENERIC = Declined("generic_decline", "Your card was declined.")
AUTHENTICATION_FAILED = (
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod "
    "to attempt to fulfill this PaymentIntent again."
)
AUTHENTICATION_REQUIRED = Declined(
    "authentication_required", "Your card was declined. This transaction requires authentication."
)


@dataclass(frozen=True)
class Card:
    """A card and its behaviour; `drawn` if magic amounts and drawn odds decide about it."""

    brand: str = "visa"
    last4: str = "4242"
    drawn: bool = False
    declined: Declined | None = None
    authenticates: bool = False
    dispute: str | None = None
    refunds: Literal["at_once", "fail_later", "succeed_later"] = "at_once"


def _declined(code: str, message: str, last4: str) -> Card:
    return Card(last4=last4, declined=Declined(code, message))


_FUNDS = ("insufficient_funds", "Your card has insufficient funds.")

CARDS: dict[str, Card] = {
    "pm_card_visa": Card(drawn=True),
    "pm_card_visa_debit": Card(last4="5556"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_amex": Card("amex", "8431"),
    "pm_card_discover": Card("discover", "9424"),
    "pm_card_chargeDeclined": Card(last4="0002", declined=GENERIC),
    "pm_card_visa_chargeDeclined": Card(last4="0002", declined=GENERIC),
    "pm_card_chargeCustomerFail": Card(last4="0341", declined=GENERIC),
    "pm_card_chargeDeclinedInsufficientFunds": _declined(*_FUNDS, "9995"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": _declined(*_FUNDS, "9995"),
    "pm_card_chargeDeclinedLostCard": _declined("lost_card", "Your card was declined.", "9987"),
    "pm_card_chargeDeclinedStolenCard": _declined("stolen_card", "Your card was declined.", "9979"),
    "pm_card_chargeDeclinedFraudulent": _declined("fraudulent", "Your card was declined.", "0019"),
    "pm_card_chargeDeclinedExpiredCard": _declined("expired_card", "Your card has expired.", "0069"),
    "pm_card_chargeDeclinedIncorrectCvc": _declined("incorrect_cvc", "Your card's security code is incorrect.", "0127"),
    "pm_card_chargeDeclinedProcessingError": _declined(
        "processing_error", "An error occurred while processing your card. Try again in a little bit.", "0119"
    ),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": _declined(
        "card_velocity_exceeded", "Your card was declined for making repeated attempts too frequently.", "6975"
    ),
    "pm_card_authenticationRequired": Card(last4="3184", authenticates=True),
    "pm_card_threeDSecureRequired": Card(last4="3063", authenticates=True),
    "pm_card_threeDSecure2Required": Card(last4="3220", authenticates=True),
    "pm_card_threeDSecureRequiredChargeDeclined": Card(last4="1629", authenticates=True, declined=GENERIC),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        last4="3178", authenticates=True, declined=Declined(*_FUNDS)
    ),
    "pm_card_createDispute": Card(last4="0259", dispute="fraudulent"),
    "pm_card_createDisputeProductNotReceived": Card(last4="2685", dispute="product_not_received"),
    "pm_card_createDisputeInquiry": Card(last4="1976", dispute="inquiry"),
    "pm_card_refundFail": Card(last4="5126", refunds="fail_later"),
    "pm_card_pendingRefund": Card(last4="7726", refunds="succeed_later"),
}
"""All tokens; any other one is a payment method that does not exist."""

CODES = {"expired_card", "incorrect_cvc", "processing_error", "authentication_required"}
"""Decline codes that are the error's `code` as well; for all others that is `card_declined`."""


def decline_code_of(declined: Declined) -> str:
    """Return the bank's decline as Stripe's code: `INSUFFICIENT_FUNDS` is `insufficient_funds`."""
    ours = {"CARD_DECLINED": "generic_decline", "GATEWAY_ERROR": "processing_error"}
    return ours.get(declined.code, declined.code.lower())


def code_of(decline_code: str) -> str:
    """Return the error's code that goes with a decline code."""
    return decline_code if decline_code in CODES else "card_declined"


REFUND_FAILURES = {
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "CARD_DECLINED": "declined",
    "EXPIRED_CARD": "expired_or_canceled_card",
}
"""A decline of the bank as the `failure_reason` of a refund; any other is `unknown`."""
