"""The adapter maps each reply of Stripe to a gateway result; each server replies exactly as Stripe would."""

from typing import Any

import pytest

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    NotFound,
    NotSent,
    Pending,
    Refused,
    Spent,
    Unknown,
)
from payment_service.gateways.stripe import StripeGateway
from tests.support.stripe_replies import (
    INTENT,
    KEY,
    REPLAYED,
    TOKEN,
    Sent,
    asked,
    card_error,
    error,
    http,
    intent,
    listed,
    refund,
    stripe_that_says,
)

DECLINED = card_error(decline_code="insufficient_funds", message="Insufficient funds.")
REFUSED_INTENT = intent("requires_payment_method", last_payment_error=DECLINED["error"])
CANCELED_INTENT = intent("canceled", last_payment_error=DECLINED["error"])


def unexpected(shown: dict[str, Any]) -> dict[str, Any]:
    """Return the error of a request that an intent's state does not allow; it carries the intent."""
    return error("payment_intent_unexpected_state", payment_intent=shown)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("0.49", "USD", "AMOUNT_TOO_SMALL"),
        ("1000000.00", "USD", "AMOUNT_TOO_LARGE"),
        ("1.234", "KWD", "AMOUNT_TOO_PRECISE"),
        ("5.50", "MGA", "AMOUNT_TOO_PRECISE"),
    ],
)
def test_amount_that_stripe_cannot_charge_is_declined_without_a_call(amount: str, currency: str, code: str) -> None:
    with stripe_that_says(b"") as (gateway, server):
        found = gateway.register(asked(amount=amount, currency=currency, reference=None))
        assert isinstance(found, Declined)
        assert found.code == code
    assert server.received == []


def test_charge_without_a_payment_method_is_declined_without_a_call() -> None:
    with stripe_that_says(b"") as (gateway, server):
        assert isinstance(gateway.register(asked(terms=Terms(), reference=None)), Declined)
    assert server.received == []


def test_declined_card_is_refused_until_its_cancel() -> None:
    """A caller with the client secret may confirm the intent once more."""
    decline = DECLINED | {"error": DECLINED["error"] | {"payment_intent": REFUSED_INTENT}}
    with stripe_that_says(http(402, decline), http(200, CANCELED_INTENT)) as (gateway, server):
        assert gateway.send(asked()) == Refused("INSUFFICIENT_FUNDS", "Insufficient funds.", INTENT)
        assert gateway.cancel(asked()) == Declined("INSUFFICIENT_FUNDS", "Insufficient funds.", INTENT)
    assert [Sent(each).line.rpartition("/")[2] for each in server.received] == ["confirm", "cancel"]


def test_decline_without_an_intent_fetches_the_intent() -> None:
    with stripe_that_says(http(402, DECLINED), http(200, REFUSED_INTENT)) as (gateway, server):
        assert isinstance(gateway.send(asked()), Refused)
    assert [Sent(each).line.split()[0] for each in server.received] == ["POST", "GET"]


def test_confirmation_refused_without_an_attempt_is_refused() -> None:
    """Stripe would refuse the same request again; only a cancel makes the result final."""
    with stripe_that_says(http(400, error("parameter_invalid_string")), http(200, intent())) as (gateway, _):
        found = gateway.send(asked())
    assert found == Refused("PARAMETER_INVALID_STRING", "It went wrong.", INTENT)


def test_confirmations_of_two_owners_at_once_charge_once() -> None:
    """The second request gets the state: an intent succeeds once."""
    with stripe_that_says(http(400, unexpected(intent("succeeded")))) as (gateway, _):
        assert isinstance(gateway.send(asked()), Approved)
    with stripe_that_says(http(409, error("idempotency_key_in_use", "idempotency_error"))) as (gateway, _):
        assert type(gateway.send(asked())) is Unknown


def test_repeat_asks_for_the_authentication_again() -> None:
    with stripe_that_says(http(400, unexpected(intent("requires_action")))) as (gateway, _):
        assert isinstance(gateway.send(asked()), ActionRequired)


def test_other_request_under_the_key_of_a_confirmation_needs_a_person() -> None:
    with stripe_that_says(http(400, error(None, "idempotency_error"))) as (gateway, _):
        assert isinstance(gateway.send(asked()), Contradiction)


@pytest.mark.parametrize("kind", list(Kind))
def test_object_unknown_to_stripe_needs_a_person(kind: Kind) -> None:
    """The look-up finds the other mode's intent, the other account's, or a wrong row: nothing is sent again."""
    with stripe_that_says(http(404, error("resource_missing", param="intent"))) as (gateway, _):
        assert isinstance(gateway.send(asked(kind, "15.00")), Contradiction)
        assert isinstance(gateway.lookup(asked(kind, "15.00")), Contradiction)


def test_error_of_stripe_is_unknown_without_a_further_call() -> None:
    with stripe_that_says(http(500, error(None, "api_error"))) as (gateway, server):
        assert type(gateway.send(asked())) is Unknown
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("kind", "shown", "expected"),
    [
        (Kind.CHARGE, intent(), Spent),
        (Kind.CHARGE, intent("succeeded"), Approved),
        (Kind.CHARGE, intent("requires_action"), ActionRequired),
        (Kind.AUTHORIZE, intent("requires_capture"), Approved),
        (Kind.CAPTURE, intent("requires_capture"), Spent),
        (Kind.CAPTURE, intent("succeeded", latest_charge="ch_7"), Approved),
        (Kind.REFUND, listed(), Spent),
        (Kind.REFUND, listed(refund(metadata={"gateway_key": "v1-key"})), Approved),
    ],
)
def test_replayed_failure_uses_up_its_key_only_without_an_effect(
    kind: Kind, shown: dict[str, Any], expected: type
) -> None:
    """Stripe replays the answer for the life of the key, though the money may have moved."""
    replies = http(500, error(None, "api_error"), **REPLAYED), http(200, shown)
    with stripe_that_says(*replies) as (gateway, _):
        assert type(gateway.send(asked(kind, gateway_key="v1-key"))) is expected


def test_replayed_failure_stays_unknown_while_stripe_cannot_be_asked() -> None:
    replies = http(500, error(None, "api_error"), **REPLAYED), http(429, error("rate_limit"))
    with stripe_that_says(*replies) as (gateway, _):
        assert type(gateway.send(asked())) is Unknown


def test_replayed_answer_is_checked_against_the_current_object() -> None:
    """The stored answer may ask for an action that the customer took an hour ago."""
    replies = http(200, intent("requires_action"), **REPLAYED), http(200, intent("succeeded"))
    with stripe_that_says(*replies) as (gateway, _):
        assert isinstance(gateway.send(asked()), Approved)


def test_success_without_an_effect_is_unknown() -> None:
    with stripe_that_says(http(200, intent())) as (gateway, _):
        assert type(gateway.send(asked())) is Unknown


@pytest.mark.parametrize("kind", Kind)
def test_answer_401_of_stripe_declines_nothing(kind: Kind) -> None:
    with stripe_that_says(http(401, error(None))) as (gateway, _):
        assert isinstance(gateway.send(asked(kind)), NotSent)


def test_void_with_an_unknown_mark_is_not_sent() -> None:
    with stripe_that_says(http(500, error(None, "api_error"))) as (gateway, server):
        assert isinstance(gateway.send(asked(Kind.VOID)), NotSent)
    assert len(server.received) == 1


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.REFUND])
def test_later_operation_that_stripe_refuses_is_declined(kind: Kind) -> None:
    shown = listed() if kind is Kind.REFUND else intent("requires_capture")
    with stripe_that_says(http(400, error("charge_disputed")), http(200, shown)) as (gateway, _):
        assert gateway.send(asked(kind)) == Declined("CHARGE_DISPUTED", "It went wrong.")


def test_charge_without_a_reference_is_not_found_and_not_sent() -> None:
    with stripe_that_says(b"") as (gateway, server):
        assert gateway.lookup(asked(reference=None)) == NotFound()
        assert gateway.cancel(asked(reference=None)) == NotFound()
        assert isinstance(gateway.send(asked(reference=None)), NotSent)
    assert server.received == []


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
def test_operation_without_a_reference_of_its_parent_is_a_contradiction(kind: Kind) -> None:
    with stripe_that_says(b"") as (gateway, server):
        assert isinstance(gateway.send(asked(kind, parent_reference=None)), Contradiction)
        assert isinstance(gateway.lookup(asked(kind, parent_reference=None)), Contradiction)
    assert server.received == []


@pytest.mark.parametrize(
    ("kind", "reply", "expected"),
    [
        (Kind.CHARGE, http(200, intent("canceled")), Declined),
        (Kind.CHARGE, http(400, unexpected(intent("canceled"))), Declined),
        (Kind.CHARGE, http(400, unexpected(intent("succeeded"))), Approved),
        (Kind.CHARGE, http(400, unexpected(intent("processing"))), Pending),
        (Kind.CHARGE, http(400, unexpected(intent("requires_action"))), Unknown),
        (Kind.CHARGE, http(400, unexpected(REFUSED_INTENT)), Unknown),
        (Kind.CHARGE, http(400, unexpected(intent())), Unknown),
        (Kind.AUTHORIZE, http(400, unexpected(intent("requires_capture"))), Unknown),
        (Kind.AUTHORIZE, http(200, intent("canceled")), Declined),
        (Kind.CHARGE, http(500, error(None, "api_error")), Unknown),
        (Kind.CHARGE, http(429, error("rate_limit")), NotSent),
        (Kind.CHARGE, http(404, error("resource_missing")), Contradiction),
        (Kind.CHARGE, b"", Unknown),
    ],
)
def test_cancel_is_a_decline_only_when_stripe_shows_it(kind: Kind, reply: bytes, expected: type) -> None:
    """A hold with a pending cancel is not reported as a hold: the next cancel may still end it."""
    with stripe_that_says(reply) as (gateway, _):
        assert type(gateway.cancel(asked(kind))) is expected


@pytest.mark.parametrize(
    ("key", "livemode"), [("sk_live_7", True), ("rk_live_7", True), (KEY, False), ("rk_test_7", False)]
)
@pytest.mark.parametrize("shown", [True, False])
def test_object_of_the_other_mode_is_unknown(key: str, livemode: bool, shown: bool) -> None:
    with stripe_that_says(http(200, intent("succeeded", livemode=shown)), key=key) as (gateway, _):
        assert isinstance(gateway.lookup(asked()), Approved if shown is livemode else Unknown)


def test_adapter_declares_the_guarantees_of_stripe() -> None:
    promises = StripeGateway.capabilities
    assert promises.registers == {Kind.CHARGE, Kind.AUTHORIZE}
    assert promises.key_retention == 82800 < 24 * 3600
    assert promises.max_in_flight >= 80
    assert promises.cancels
    assert promises.needs_token
    assert promises.shows_reference
    assert promises.lists
    assert promises.idempotent_by_key


def test_token_is_only_in_the_request() -> None:
    reply = http(404, error("resource_missing", message=f"No such PaymentMethod: '{TOKEN}'"))
    with stripe_that_says(reply) as (gateway, _):
        found = gateway.register(asked(reference=None))
    assert isinstance(found, Declined)
    assert TOKEN not in f"{found} {asked()}"
