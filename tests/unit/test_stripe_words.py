"""Literal examples of Stripe's objects, one for each case, give the expected gateway results."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from payment_service.domain.operations import Action, Kind
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    GatewayResult,
    NotFound,
    Pending,
    Refused,
    Unknown,
)
from payment_service.gateways.stripe import words
from payment_service.gateways.stripe.replies import CAPTURE_KEY
from tests.support.stripe_replies import (
    CHARGE,
    CLIENT_SECRET,
    INTENT,
    REFUND,
    asked,
    card_error,
    charge,
    error,
    intent,
    refund,
)


def meaning(kind: Kind, status: str, **changes: Any) -> GatewayResult:
    return words.of_intent(asked(kind), intent(status) | changes, live=False)


# --- charges and holds


def test_succeeded_charge_has_the_received_amount() -> None:
    """The requested amount proves nothing: a capture may have been of less."""
    found = meaning(Kind.CHARGE, "succeeded", amount_received=14999, latest_charge=charge())
    assert found == Approved(Decimal("149.99"), "USD", INTENT, "123456")


def test_amounts_are_converted_from_minor_units() -> None:
    """UGX without decimals was a hundredth, or a hundred times, in five projects."""
    found = meaning(Kind.CHARGE, "succeeded", currency="ugx", amount_received=500)
    assert found == Approved(Decimal(5), "UGX", INTENT)


def test_hold_has_the_expiry_of_its_charge() -> None:
    found = meaning(Kind.AUTHORIZE, "requires_capture", latest_charge=charge(capture_before=1_798_761_600))
    assert found == Approved(Decimal("150.00"), "USD", INTENT, "123456", datetime(2027, 1, 1, tzinfo=UTC))


def test_partly_captured_hold_has_its_whole_amount() -> None:
    found = meaning(Kind.AUTHORIZE, "succeeded", amount_received=3000)
    assert found == Approved(Decimal("150.00"), "USD", INTENT)


def test_hold_instead_of_a_charge_is_a_contradiction() -> None:
    assert isinstance(meaning(Kind.CHARGE, "requires_capture"), Contradiction)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_succeeded_payment_without_a_balance_transaction_is_read(kind: Kind) -> None:
    """Fees come later; the result does not wait for them."""
    late = charge() | {"balance_transaction": None}
    assert isinstance(meaning(kind, "succeeded", latest_charge=late), Approved)


def test_authentication_by_redirect_needs_the_customer() -> None:
    """One project reported a payment that needed 3-D Secure as failed."""
    following = {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": "https://hooks.stripe.test/3ds", "return_url": ""},
    }
    found = meaning(Kind.CHARGE, "requires_action", next_action=following)
    assert found == ActionRequired(INTENT, Action("redirect", url="https://hooks.stripe.test/3ds"))
    assert "hooks.stripe.test" not in repr(found)


def test_authentication_by_script_needs_the_client_secret() -> None:
    found = meaning(Kind.CHARGE, "requires_action", next_action={"type": "use_stripe_sdk", "use_stripe_sdk": {}})
    assert found == ActionRequired(INTENT, Action("sdk", client_secret=CLIENT_SECRET))
    assert "secret_" not in repr(found)


def test_action_without_a_way_is_pending() -> None:
    assert meaning(Kind.CHARGE, "requires_action", client_secret=None) == Pending(INTENT)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_bank_debit_in_progress_is_pending(kind: Kind) -> None:
    assert meaning(kind, "processing") == Pending(INTENT)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_unconfirmed_intent_is_not_found(kind: Kind) -> None:
    assert meaning(kind, "requires_confirmation") == NotFound()


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_declined_intent_is_no_final_decline(kind: Kind) -> None:
    """A caller with its client secret may confirm it once more: the adapter reports the decline after a cancel."""
    last = card_error(message="Your card was declined.")["error"]
    found = meaning(kind, "requires_payment_method", last_payment_error=last)
    assert found == Refused("CARD_DECLINED", "Your card was declined.", INTENT)


def test_failed_authentication_is_refused_with_its_code() -> None:
    last = error("payment_intent_authentication_failure")["error"]
    found = meaning(Kind.CHARGE, "requires_payment_method", last_payment_error=last)
    assert isinstance(found, Refused)
    assert found.code == "PAYMENT_INTENT_AUTHENTICATION_FAILURE"


def test_cancelled_intent_is_declined_with_its_last_reason() -> None:
    last = card_error(decline_code="insufficient_funds", message="Your card has insufficient funds.")["error"]
    found = meaning(Kind.CHARGE, "canceled", last_payment_error=last)
    assert found == Declined("INSUFFICIENT_FUNDS", "Your card has insufficient funds.", INTENT)


def test_intent_cancelled_before_any_attempt_is_declined_as_cancelled() -> None:
    assert meaning(Kind.CHARGE, "canceled") == Declined("CANCELED", "The payment was cancelled", INTENT)


@pytest.mark.parametrize("decline_code", ["lost_card", "stolen_card", "fraudulent", None])
def test_suspicion_of_the_issuer_is_not_shown_to_the_customer(decline_code: str | None) -> None:
    last = card_error(decline_code=decline_code)["error"]
    found = meaning(Kind.CHARGE, "requires_payment_method", last_payment_error=last)
    assert isinstance(found, Refused)
    assert found.code == "CARD_DECLINED"


# --- captures, voids and refunds


def test_capture_has_the_received_amount_and_the_id_of_the_charge() -> None:
    found = meaning(Kind.CAPTURE, "succeeded", amount_received=3000, latest_charge=charge())
    assert found == Approved(Decimal("30.00"), "USD", CHARGE, "123456")
    assert meaning(Kind.CAPTURE, "succeeded", latest_charge=CHARGE) == Approved(Decimal("150.00"), "USD", CHARGE)


def test_capture_by_another_party_is_declined_as_already_captured() -> None:
    found = meaning(Kind.CAPTURE, "succeeded", metadata={CAPTURE_KEY: "v1-another"}, latest_charge=CHARGE)
    assert isinstance(found, Declined)
    assert found.code == "ALREADY_CAPTURED"


def test_capture_of_an_expired_hold_is_declined() -> None:
    """The merchant could still press the button."""
    assert meaning(Kind.CAPTURE, "canceled", cancellation_reason="automatic") == Declined(
        "CANCELED", "The hold has ended"
    )


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID])
def test_standing_hold_is_neither_captured_nor_released(kind: Kind) -> None:
    assert meaning(kind, "requires_capture") == NotFound()


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID])
def test_capture_or_void_in_progress_is_pending(kind: Kind) -> None:
    assert meaning(kind, "processing") == Pending()


def test_void_succeeded_when_the_intent_is_cancelled() -> None:
    assert meaning(Kind.VOID, "canceled") == Approved(Decimal("150.00"), "USD", INTENT)


def test_void_of_a_captured_hold_is_declined() -> None:
    assert meaning(Kind.VOID, "succeeded") == Declined("ALREADY_CAPTURED", "The hold was captured")


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID])
@pytest.mark.parametrize("status", ["requires_confirmation", "requires_payment_method", "requires_action"])
def test_parent_without_money_decides_nothing(kind: Kind, status: str) -> None:
    assert isinstance(meaning(kind, status), Unknown)


def refunded(status: str, **changes: Any) -> GatewayResult:
    return words.of_refund(asked(Kind.REFUND, "15.00"), refund(status, **changes))


def test_succeeded_refund_has_its_own_amount() -> None:
    assert refunded("succeeded") == Approved(Decimal("15.00"), "USD", REFUND)


@pytest.mark.parametrize("status", ["pending", "requires_action"])
def test_pending_refund_is_pending(status: str) -> None:
    """One project showed it as done, another as failed; a lack of balance in the account is ordinary."""
    assert refunded(status, pending_reason="insufficient_funds") == Pending(REFUND, "insufficient_funds")


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_failed_refund_is_declined_with_its_reason(status: str) -> None:
    found = refunded(status, failure_reason="expired_or_canceled_card")
    assert found == Declined(f"REFUND_{status.upper()}", f"The refund {status}: expired_or_canceled_card", REFUND)


def test_refund_of_another_payment_is_unknown() -> None:
    assert isinstance(refunded("succeeded", payment_intent="pi_another"), Unknown)
