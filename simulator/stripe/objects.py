"""Stripe's new objects: every field that the API shows, mostly empty."""

import hashlib

from simulator.stripe.store import Json, moment
from simulator.stripe.tokens import CARDS, Card

_EVIDENCE = """
    access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal
    customer_communication customer_email_address customer_name customer_purchase_ip customer_signature
    duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt
    refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation
    shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number uncategorized_file
    uncategorized_text
"""
NO_ADDRESS: Json = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
BILLING: Json = {"address": NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}


def intent(amount: int, currency: str, form: Json, object_id: str, secret: str) -> Json:
    """Return an unconfirmed payment intent."""
    return {
        "id": object_id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": None, "application_fee_amount": None,
        "automatic_payment_methods": _automatic(form), "canceled_at": None, "cancellation_reason": None,
        "capture_method": form.get("capture_method") or "automatic_async", "client_secret": secret,
        "confirmation_method": form.get("confirmation_method") or "automatic", "created": moment(),
        "currency": currency, "customer": form.get("customer"), "description": form.get("description"),
        "last_payment_error": None, "latest_charge": None, "livemode": False, "metadata": form.get("metadata", {}),
        "next_action": None, "on_behalf_of": None, "payment_method": form.get("payment_method"),
        "payment_method_options": {
            "card": {"installments": None, "mandate_options": None, "network": None,
                     "request_three_d_secure": "automatic"}
        },
        "payment_method_types": ["card"], "processing": None, "receipt_email": form.get("receipt_email"),
        "review": None, "setup_future_usage": form.get("setup_future_usage"), "shipping": None,
        "statement_descriptor": None, "statement_descriptor_suffix": form.get("statement_descriptor_suffix"),
        "status": "requires_confirmation" if form.get("payment_method") else "requires_payment_method",
        "transfer_data": None, "transfer_group": form.get("transfer_group"),
    }  # fmt: skip


def _automatic(form: Json) -> Json | None:
    if form.get("allowed_payment_method_types"):
        return None
    wanted: Json = form.get("automatic_payment_methods") or {"enabled": True}
    return {"allow_redirects": "always", **wanted} if wanted.get("enabled") else None


def charge(of: Json, card: Card, authorization_code: str | None, capture_before: int | None) -> Json:
    """Return an attempt at an intent's card, before its outcome is known."""
    descriptor = f"SIMULATOR* {of['statement_descriptor_suffix']}" if of["statement_descriptor_suffix"] else "SIMULATOR"
    return {
        "object": "charge", "amount": of["amount"], "amount_captured": 0, "amount_refunded": 0, "application": None,
        "application_fee": None, "application_fee_amount": None, "balance_transaction": None,
        "billing_details": BILLING, "calculated_statement_descriptor": descriptor[:22], "captured": False,
        "created": moment(), "currency": of["currency"], "customer": of["customer"], "description": of["description"],
        "disputed": False, "failure_balance_transaction": None, "failure_code": None, "failure_message": None,
        "fraud_details": {}, "livemode": False, "metadata": dict(of["metadata"]), "on_behalf_of": None,
        "outcome": None, "paid": False, "payment_intent": of["id"], "payment_method": of["payment_method"],
        "payment_method_details": {"card": card_details(of, card, authorization_code, capture_before), "type": "card"},
        "radar_options": {}, "receipt_email": of["receipt_email"], "receipt_number": None, "receipt_url": None,
        "refunded": False, "review": None, "shipping": None, "source_transfer": None, "statement_descriptor": None,
        "statement_descriptor_suffix": of["statement_descriptor_suffix"], "status": "pending", "transfer_data": None,
        "transfer_group": of["transfer_group"],
    }  # fmt: skip


def card_details(of: Json, card: Card, authorization_code: str | None, capture_before: int | None) -> Json:
    """Return `payment_method_details.card` of a charge."""
    details: Json = {
        **_card(card), "amount_authorized": of["amount"], "authorization_code": authorization_code,
        "extended_authorization": {"status": "disabled"}, "incremental_authorization": {"status": "unavailable"},
        "installments": None, "mandate": None, "multicapture": {"status": "unavailable"},
        "network": card.brand, "network_token": {"used": False}, "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": of["amount"], "status": "unavailable"},
        "regulated_status": "unregulated", "three_d_secure": None, "wallet": None,
    }  # fmt: skip
    return details if capture_before is None else details | {"capture_before": capture_before}


def payment_method(token: str) -> Json:
    """Return the payment method behind a token."""
    card = _card(CARDS[token]) | {
        "display_brand": CARDS[token].brand, "generated_from": None, "networks": {"available": [CARDS[token].brand],
        "preferred": None}, "three_d_secure_usage": {"supported": True}, "wallet": None,
    }  # fmt: skip
    return {
        "id": token, "object": "payment_method", "allow_redisplay": "unspecified", "billing_details": BILLING,
        "card": card, "created": 1_700_000_000, "customer": None, "livemode": False, "metadata": {}, "type": "card",
    }  # fmt: skip


def _card(card: Card) -> Json:
    checks = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
    fingerprint = hashlib.sha256(card.last4.encode()).hexdigest()[:16]
    return {
        "brand": card.brand, "checks": checks, "country": "US", "exp_month": 12, "exp_year": 2034,
        "fingerprint": fingerprint, "funding": "credit", "last4": card.last4,
    }  # fmt: skip


def refund(of: Json, amount: int, form: Json) -> Json:
    """Return a new refund of a charge."""
    return {
        "object": "refund", "amount": amount, "balance_transaction": None, "charge": of["id"], "created": moment(),
        "currency": of["currency"],
        "destination_details": {"card": {"reference_status": "pending", "reference_type": "acquirer_reference_number",
                                         "type": "refund"}, "type": "card"},
        "metadata": form.get("metadata", {}), "payment_intent": of["payment_intent"], "reason": form.get("reason"),
        "receipt_number": None, "source_transfer_reversal": None, "status": "pending", "transfer_reversal": None,
    }  # fmt: skip


def dispute(of: Json, amount: int, reason: str, status: str) -> Json:
    """Return a new dispute of a charge."""
    return {
        "object": "dispute", "amount": amount, "balance_transactions": [], "charge": of["id"], "created": moment(),
        "currency": of["currency"], "enhanced_eligibility_types": [], "evidence": dict.fromkeys(_EVIDENCE.split()),
        "evidence_details": {"due_by": moment() + 9 * 86400, "enhanced_eligibility": {}, "has_evidence": False,
                             "past_due": False, "submission_count": 0},
        "is_charge_refundable": status.startswith("warning"), "livemode": False, "metadata": {},
        "payment_intent": of["payment_intent"], "reason": reason, "status": status,
        "payment_method_details": {"card": {"brand": of["payment_method_details"]["card"]["brand"],
                                            "case_type": "chargeback", "network_reason_code": "83"}, "type": "card"},
    }  # fmt: skip
