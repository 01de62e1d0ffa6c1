import re
from dataclasses import replace
from decimal import Decimal

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined
from payment_service.gateways.outcomes import MAGIC_AMOUNTS, REFUSALS, Odds, decide
from tests.support.instructions import instruct

NEVER = Odds(success_rate=0.0, checkout_success_rate=0.0)
ALWAYS = Odds(success_rate=1.0, checkout_success_rate=1.0)


def test_an_ordinary_charge_is_approved_as_asked() -> None:
    outcome = decide(instruct(amount="525.00", currency="INR"), ALWAYS)
    assert outcome.first == "truth"
    assert isinstance(outcome.truth, Approved)
    assert (outcome.truth.amount, outcome.truth.currency) == (Decimal("525.00"), "INR")


def test_an_approval_carries_a_reference_and_a_code_made_of_the_key() -> None:
    instruction = instruct(gateway_key="v1-0")
    truth = decide(instruction, ALWAYS).truth
    assert isinstance(truth, Approved)
    assert re.fullmatch("SIM-[0-9A-F]{16}", truth.reference or "")
    assert re.fullmatch("[A-Z0-9]{6}", truth.authorization_code or "")
    assert decide(instruction, ALWAYS).truth == truth
    other = decide(replace(instruction, gateway_key="v1-1"), ALWAYS).truth
    assert isinstance(other, Approved)
    assert (other.reference, other.authorization_code) != (truth.reference, truth.authorization_code)


@pytest.mark.parametrize(
    ("amount", "code", "message"),
    [
        ("402.01", "INSUFFICIENT_FUNDS", "Insufficient funds in account"),
        ("402.02", "CARD_DECLINED", "Card was declined by issuer"),
        ("402.03", "EXPIRED_CARD", "Card has expired"),
        ("402.04", "GATEWAY_ERROR", "Failed to capture payment"),
    ],
)
@pytest.mark.parametrize("kind", Kind)
def test_magic_amounts_are_declined_with_the_documented_reason(
    kind: Kind, amount: str, code: str, message: str
) -> None:
    outcome = decide(instruct(kind, amount), ALWAYS)
    assert outcome.first == "truth"
    assert isinstance(outcome.truth, Declined)
    assert (outcome.truth.code, outcome.truth.message) == (code, message)


@pytest.mark.parametrize(
    ("amount", "first", "truth"),
    [
        ("202.01", "silence", Approved),
        ("202.02", "silence", Declined),
        ("202.03", "pending", Approved),
        ("202.04", "pending", Declined),
    ],
)
def test_magic_amounts_delay_the_truth(amount: str, first: str, truth: type) -> None:
    outcome = decide(instruct(amount=amount), ALWAYS)
    assert (outcome.first, type(outcome.truth)) == (first, truth)


def test_a_magic_amount_beats_the_odds() -> None:
    assert isinstance(decide(instruct(amount="202.01"), NEVER).truth, Approved)


@pytest.mark.parametrize("amount", ["402.010", "00402.01"])
def test_a_magic_amount_is_a_number_and_not_a_spelling(amount: str) -> None:
    assert isinstance(decide(instruct(amount=amount), ALWAYS).truth, Declined)


def test_no_example_of_a_callers_document_is_magic() -> None:
    examples = ["150.00", "525.00", "1500.00", "15000.00", "50.00", "2499.99", "52.66", "100", "99.99", "99.98", "1"]
    assert not MAGIC_AMOUNTS.keys() & {Decimal(example) for example in examples}


def test_a_rate_of_one_refuses_nothing_and_of_zero_everything() -> None:
    instructions = [instruct() for _ in range(500)]
    assert all(isinstance(decide(each, ALWAYS).truth, Approved) for each in instructions)
    assert all(isinstance(decide(each, NEVER).truth, Declined) for each in instructions)


def test_the_checkout_has_its_own_rate_and_about_that_many_succeed() -> None:
    odds = Odds(success_rate=1.0, checkout_success_rate=0.95)
    truths = [decide(instruct(gateway_key=f"v1-{n}", channel="checkout"), odds).truth for n in range(10_000)]
    approved = sum(isinstance(truth, Approved) for truth in truths)
    # Keys are fixed, so this is not luck; five standard deviations (22 each) is what a fair draw may differ by.
    assert abs(approved - 9_500) < 110
    assert isinstance(decide(instruct(channel="orders"), odds).truth, Approved)


def test_drawn_refusals_have_all_the_documented_reasons() -> None:
    truths = [decide(instruct(gateway_key=f"v1-{n}"), NEVER).truth for n in range(200)]
    codes = {truth.code for truth in truths if isinstance(truth, Declined)}
    assert codes == {refusal.code for refusal in REFUSALS}


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
def test_only_what_asks_the_cards_issuer_is_drawn(kind: Kind) -> None:
    assert isinstance(decide(instruct(kind), NEVER).truth, Approved)
