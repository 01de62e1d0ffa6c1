import re
from dataclasses import replace
from decimal import Decimal

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined
from payment_service.gateways.simulated import MAGIC_AMOUNTS, REFUSALS, SuccessRates, decide
from tests.support.instructions import instruct

NEVER = SuccessRates(0.0)
ALWAYS = SuccessRates(1.0)


def test_ordinary_charge_is_approved() -> None:
    outcome = decide(instruct(amount="525.00", currency="INR"), ALWAYS)
    assert outcome.first_reply == "actual"
    assert isinstance(outcome.actual_outcome, Approved)
    assert (outcome.actual_outcome.amount, outcome.actual_outcome.currency) == (Decimal("525.00"), "INR")


def test_approval_has_a_reference_and_a_code_derived_from_the_key() -> None:
    instruction = instruct(gateway_key="v1-0")
    truth = decide(instruction, ALWAYS).actual_outcome
    assert isinstance(truth, Approved)
    assert re.fullmatch("SIM-[0-9A-F]{16}", truth.reference or "")
    assert re.fullmatch("[A-Z0-9]{6}", truth.authorization_code or "")
    assert decide(instruction, ALWAYS).actual_outcome == truth
    other = decide(replace(instruction, gateway_key="v1-1"), ALWAYS).actual_outcome
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
    assert outcome.first_reply == "actual"
    assert isinstance(outcome.actual_outcome, Declined)
    assert (outcome.actual_outcome.code, outcome.actual_outcome.message) == (code, message)


@pytest.mark.parametrize(
    ("amount", "first", "truth"),
    [
        ("202.01", "no_answer", Approved),
        ("202.02", "no_answer", Declined),
        ("202.03", "pending", Approved),
        ("202.04", "pending", Declined),
    ],
)
def test_magic_amount_delays_the_outcome(amount: str, first: str, truth: type) -> None:
    outcome = decide(instruct(amount=amount), ALWAYS)
    assert (outcome.first_reply, type(outcome.actual_outcome)) == (first, truth)


def test_magic_amount_has_precedence_over_the_success_rate() -> None:
    assert isinstance(decide(instruct(amount="202.01"), NEVER).actual_outcome, Approved)


@pytest.mark.parametrize("amount", ["402.010", "00402.01"])
def test_magic_amount_is_recognised_in_any_spelling(amount: str) -> None:
    assert isinstance(decide(instruct(amount=amount), ALWAYS).actual_outcome, Declined)


def test_documented_example_has_no_magic_amount() -> None:
    examples = ["150.00", "525.00", "1500.00", "15000.00", "50.00", "2499.99", "52.66", "100", "99.99", "99.98", "1"]
    assert not MAGIC_AMOUNTS.keys() & {Decimal(example) for example in examples}


def test_success_rate_of_one_declines_nothing_and_of_zero_everything() -> None:
    instructions = [instruct() for _ in range(500)]
    assert all(isinstance(decide(each, ALWAYS).actual_outcome, Approved) for each in instructions)
    assert all(isinstance(decide(each, NEVER).actual_outcome, Declined) for each in instructions)


def test_success_rate_of_a_channel_is_the_share_of_successes() -> None:
    rates = SuccessRates(1.0, {"checkout": 0.95})
    truths = [decide(instruct(gateway_key=f"v1-{n}", channel="checkout"), rates).actual_outcome for n in range(10_000)]
    approved = sum(isinstance(truth, Approved) for truth in truths)
    # The keys are fixed, so the draw is the same each time; it may differ by five standard deviations (22 each).
    assert abs(approved - 9_500) < 110
    assert isinstance(decide(instruct(channel="orders"), rates).actual_outcome, Approved)


def test_drawn_declines_have_all_documented_reasons() -> None:
    truths = [decide(instruct(gateway_key=f"v1-{n}"), NEVER).actual_outcome for n in range(200)]
    codes = {truth.code for truth in truths if isinstance(truth, Declined)}
    assert codes == {refusal.code for refusal in REFUSALS}


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
def test_only_operations_that_need_the_issuer_are_drawn(kind: Kind) -> None:
    assert isinstance(decide(instruct(kind), NEVER).actual_outcome, Approved)
