"""Our own simulator's extras: any amount and key, magic amounts, and outcomes drawn by rates."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, Gateway, GatewayRequest, NotFound, Pending, Unknown
from payment_service.gateways.simulated import SimulatedGateway, SuccessRates
from tests.support.contract_banks import OURS, bank
from tests.support.instructions import instruct

MAGIC_DECLINES = {
    "402.01": ("INSUFFICIENT_FUNDS", "Insufficient funds in account"),
    "402.02": ("CARD_DECLINED", "Card was declined by issuer"),
    "402.03": ("EXPIRED_CARD", "Card has expired"),
    "402.04": ("GATEWAY_ERROR", "Failed to capture payment"),
}


@pytest.fixture(scope="module", params=OURS)
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with bank(request.param, tmp_path_factory.mktemp("bank")) as ours:
        yield ours.gateway


@pytest.fixture(scope="module", params=OURS)
def gloomy_gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    home = tmp_path_factory.mktemp("gloomy-bank")
    with bank(request.param, home, success_rate=0.0, checkout_success_rate=0.5) as ours:
        yield ours.gateway


def made(gateway: Gateway, instruction: GatewayRequest) -> GatewayRequest:
    """Return the gateway request, after the gateway approved it."""
    assert isinstance(gateway.send(instruction), Approved)
    return instruction


def child_of(parent: GatewayRequest, kind: Kind, amount: str) -> GatewayRequest:
    return instruct(kind, amount, currency=parent.currency, parent_key=parent.gateway_key)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
@pytest.mark.parametrize(
    ("amount", "currency"),
    [("150.00", "USD"), ("0.01", "EUR"), ("1", "INR"), ("500", "JPY"), ("1.234", "KWD"), ("999999999999.99", "USD")],
)
def test_charge_or_hold_has_its_exact_amount(gateway: Gateway, kind: Kind, amount: str, currency: str) -> None:
    answer = gateway.send(instruct(kind, amount, currency=currency))
    assert isinstance(answer, Approved)
    assert (answer.amount, answer.currency) == (Decimal(amount), currency)
    assert answer.reference
    assert answer.authorization_code
    assert len(answer.authorization_code) == 6


def test_hold_is_captured_and_refunded_in_parts(gateway: Gateway) -> None:
    hold = made(gateway, instruct(Kind.AUTHORIZE, "100.00"))
    made(gateway, child_of(hold, Kind.CAPTURE, "30.00"))
    made(gateway, child_of(hold, Kind.CAPTURE, "70.00"))
    made(gateway, child_of(hold, Kind.REFUND, "99.99"))
    made(gateway, child_of(hold, Kind.REFUND, "0.01"))


@pytest.mark.parametrize("amount", ["150.00", *MAGIC_DECLINES])
def test_second_send_gets_the_first_answer(gateway: Gateway, amount: str) -> None:
    instruction = instruct(amount=amount)
    assert gateway.send(instruction) == gateway.send(instruction)


@pytest.mark.parametrize("amount", ["150.00", *MAGIC_DECLINES])
def test_look_up_returns_the_answer_of_the_send(gateway: Gateway, amount: str) -> None:
    instruction = instruct(amount=amount)
    assert gateway.lookup(instruction) in (NotFound(), gateway.send(instruction))
    assert gateway.lookup(instruction) == gateway.send(instruction)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
@pytest.mark.parametrize("amount", MAGIC_DECLINES)
def test_each_documented_reason_can_be_produced(gateway: Gateway, kind: Kind, amount: str) -> None:
    answer = gateway.send(instruct(kind, amount))
    assert isinstance(answer, Declined)
    assert (answer.code, answer.message) == MAGIC_DECLINES[amount]


@pytest.mark.parametrize("kind", [Kind.REFUND, Kind.CAPTURE])
@pytest.mark.parametrize("amount", MAGIC_DECLINES)
def test_later_operation_can_be_declined(gateway: Gateway, kind: Kind, amount: str) -> None:
    parent = made(gateway, instruct(Kind.CHARGE if kind is Kind.REFUND else Kind.AUTHORIZE, "1000.00"))
    answer = gateway.send(child_of(parent, kind, amount))
    assert isinstance(answer, Declined)
    assert (answer.code, answer.message) == MAGIC_DECLINES[amount]


def test_unknown_outcome_may_prove_to_be_a_charge(gateway: Gateway) -> None:
    instruction = instruct(amount="202.01")
    assert isinstance(gateway.send(instruction), Unknown)
    found = gateway.lookup(instruction)
    assert isinstance(found, Approved)
    assert found.amount == Decimal("202.01")
    assert isinstance(gateway.send(instruction), Unknown) or gateway.send(instruction) == found
    assert gateway.lookup(instruction) == found


def test_unknown_outcome_may_prove_to_be_a_decline(gateway: Gateway) -> None:
    instruction = instruct(amount="202.02")
    assert isinstance(gateway.send(instruction), Unknown)
    found = gateway.lookup(instruction)
    assert isinstance(found, Declined)
    assert found.code == "GATEWAY_ERROR"


@pytest.mark.parametrize(("amount", "truth"), [("202.03", Approved), ("202.04", Declined)])
def test_pending_operation_is_decided_later(gateway: Gateway, amount: str, truth: type) -> None:
    instruction = instruct(amount=amount)
    assert isinstance(gateway.send(instruction), Pending)
    found = gateway.lookup(instruction)
    assert isinstance(found, truth)
    assert gateway.lookup(instruction) == found


def test_unknown_refund_may_prove_to_be_made(gateway: Gateway) -> None:
    refund = child_of(made(gateway, instruct(amount="500.00")), Kind.REFUND, "202.01")
    assert isinstance(gateway.send(refund), Unknown)
    assert isinstance(gateway.lookup(refund), Approved)


@pytest.mark.parametrize("key", ["a/b", "ключ", "a b?c=d&e#f", "%2F", "../operations", "a" * 255])
def test_operation_is_found_by_a_key_with_any_characters(gateway: Gateway, key: str) -> None:
    instruction = instruct(gateway_key=f"{key}{instruct().gateway_key}"[-255:])
    answer = gateway.send(instruction)
    assert isinstance(answer, Approved)
    assert gateway.lookup(instruction) == answer


def test_ledger_has_each_operation_once(gateway: Gateway) -> None:
    instructions = [instruct(amount=amount) for amount in ("150.00", "202.01", "402.01", "202.02")]
    for instruction in instructions * 2:
        gateway.send(instruction)
    keys = [entry.gateway_key for entry in gateway.ledger(None, None)]
    expected = [1, 1, 0, 0] if gateway.capabilities.lists else [0, 0, 0, 0]
    assert [keys.count(instruction.gateway_key) for instruction in instructions] == expected


def test_success_rate_declines_with_documented_reasons(gloomy_gateway: Gateway) -> None:
    answers = [gloomy_gateway.send(instruct(gateway_key=f"v1-gloom-{n}")) for n in range(30)]
    assert {answer.code for answer in answers if isinstance(answer, Declined)} == {
        code for code, _ in MAGIC_DECLINES.values()
    }
    assert not any(isinstance(answer, Approved) for answer in answers)


def test_every_implementation_draws_the_same_outcomes(gloomy_gateway: Gateway) -> None:
    reference = SimulatedGateway(SuccessRates(0.0, {"checkout": 0.5}))
    instructions = [instruct(gateway_key=f"v1-lot-{n}", channel="checkout") for n in range(40)]
    answers = [gloomy_gateway.send(each) for each in instructions]
    assert answers == [reference.send(each) for each in instructions]
    assert {type(answer) for answer in answers} == {Approved, Declined}
