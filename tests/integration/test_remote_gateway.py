"""The HTTP gateway distinguishes requests not sent, decided, and unknown."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, NotFound, Pending, SendResult, Unknown
from payment_service.gateways.remote import LEDGER_PAGE, RemoteGateway
from payment_service.gateways.transport import BODY_LIMIT
from tests.support.at_remote import bank, gateway, simulator
from tests.support.instructions import gateway_at, instruct
from tests.support.simulator import Simulator

__all__ = ["bank", "gateway", "simulator"]

IMPATIENT = 0.3
"""Seconds for answers that are not meant to come in time."""


@pytest.fixture
def impatient(simulator: Simulator) -> Iterator[RemoteGateway]:
    with closing(gateway_at(simulator.url, read_timeout=IMPATIENT)) as gateway:
        yield gateway


TIMED = {"slow", "sleep_then_answer", "drip"}


class Case(NamedTuple):
    """A fault, what the sender may conclude from it, how often the money moved, and what a look-up finds."""

    fault: str
    scope: dict[str, Any]
    answer: type
    effects: int
    finding: type


FAULTS = [
    Case("decline", {"code": "EXPIRED_CARD", "message": "Card has expired"}, Declined, 0, Declined),
    Case("pending", {}, Pending, 0, Approved),
    Case("pending", {"code": "CARD_DECLINED"}, Pending, 0, Declined),
    Case("pending", {"lookups": 2}, Pending, 0, Pending),
    Case("sleep_then_answer", {"ms": 1000}, Unknown, 1, Approved),
    Case("drip", {"ms": 20}, Unknown, 1, Approved),
    Case("drop_before_effect", {}, Unknown, 0, NotFound),
    Case("drop_after_effect", {}, Unknown, 1, Approved),
    Case("error_before_effect", {"status": 503}, Unknown, 0, NotFound),
    Case("error_before_effect", {"status": 404}, Unknown, 0, NotFound),
    Case("error_after_effect", {"status": 500}, Unknown, 1, Approved),
    Case("error_after_effect", {"status": 402}, Unknown, 1, Approved),
    Case("garbage", {}, Unknown, 1, Approved),
    Case("empty", {}, Unknown, 1, Approved),
    Case("truncated", {}, Unknown, 1, Approved),
    Case("duplicate", {}, Approved, 1, Approved),
    Case("answer", {"status": 302, "location": "http://169.254.169.254/"}, Unknown, 1, Approved),
    Case("answer", {"status": 200, "body": '{"status": "approved", "amount": "150.00"}'}, Unknown, 1, Approved),
    Case("answer", {"status": 402, "body": '{"error": "declined"}'}, Unknown, 1, Approved),
    Case("answer", {"status": 200, "body": " " * (BODY_LIMIT + 1)}, Unknown, 1, Approved),
]


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.REFUND])
@pytest.mark.parametrize("case", FAULTS, ids=[f"{number}-{case.fault}" for number, case in enumerate(FAULTS)])
def test_each_fault_has_its_outcome(
    simulator: Simulator, gateway: RemoteGateway, impatient: RemoteGateway, case: Case, kind: Kind
) -> None:
    parent = instruct()
    assert isinstance(gateway.send(parent), Approved)
    instruction = instruct(kind, parent_key=parent.gateway_key)
    simulator.arm(case.fault, kind=kind.value, **case.scope)
    assert isinstance((impatient if case.fault in TIMED else gateway).send(instruction), case.answer)
    if case.effects:
        simulator.wait_for(instruction.gateway_key)
    assert simulator.count()[instruction.gateway_key] == case.effects
    assert isinstance(gateway.lookup(instruction), case.finding)


def test_wrong_amount_is_returned_as_the_gateway_sent_it(simulator: Simulator, gateway: RemoteGateway) -> None:
    simulator.arm("wrong_amount", amount="15.00", currency="EUR")
    instruction = instruct(amount="150.00", currency="USD")
    answer = gateway.send(instruction)
    assert isinstance(answer, Approved)
    assert (answer.amount, answer.currency) == (Decimal("15.00"), "EUR")
    assert gateway.lookup(instruction) == answer


def test_slow_bank_may_move_money_after_the_time_out(
    simulator: Simulator, gateway: RemoteGateway, impatient: RemoteGateway
) -> None:
    simulator.arm("slow", ms=1000)
    instruction = instruct()
    assert isinstance(impatient.send(instruction), Unknown)
    assert isinstance(gateway.lookup(instruction), NotFound)
    simulator.wait_for(instruction.gateway_key)
    assert isinstance(gateway.lookup(instruction), Approved)


def test_operation_at_a_bank_that_is_down_is_unknown(simulator: Simulator, gateway: RemoteGateway) -> None:
    simulator.arm("down")
    instruction = instruct()
    assert isinstance(gateway.send(instruction), Unknown)
    assert isinstance(gateway.lookup(instruction), Unknown)
    simulator.disarm()
    assert isinstance(gateway.lookup(instruction), NotFound)


@pytest.mark.parametrize("fault", ["drop_after_effect", "error_after_effect", "drop_before_effect"])
def test_second_send_after_an_unknown_outcome_moves_money_once(
    simulator: Simulator, gateway: RemoteGateway, fault: str
) -> None:
    simulator.arm(fault, times=1)
    instruction = instruct()
    assert isinstance(gateway.send(instruction), Unknown)
    assert isinstance(gateway.send(instruction), Approved)
    assert simulator.count()[instruction.gateway_key] == 1


@pytest.mark.parametrize("fault", ["error_before_effect", "garbage", "empty", "truncated", "drop_after_effect", "drip"])
def test_failed_look_up_decides_nothing(
    simulator: Simulator, gateway: RemoteGateway, impatient: RemoteGateway, fault: str
) -> None:
    instruction = instruct()
    assert isinstance(gateway.send(instruction), Approved)
    simulator.arm(fault, on="lookup", ms=20)
    assert isinstance((impatient if fault in TIMED else gateway).lookup(instruction), Unknown)


def test_doubled_answer_on_a_connection_is_never_the_answer_of_the_next_operation(
    simulator: Simulator, gateway: RemoteGateway
) -> None:
    simulator.arm("duplicate")
    instructions = [instruct(amount=f"{number}.50") for number in range(1, 20)]
    answers = [gateway.send(instruction) for instruction in instructions]
    # The second answer may meet the next request on its way: then that one's outcome is unknown, and never wrong.
    assert {type(answer) for answer in answers} <= {Unknown, Approved}
    assert [
        (asked.amount, answer)
        for asked, answer in zip(instructions, answers, strict=True)
        if isinstance(answer, Approved) and answer.amount != asked.amount
    ] == []


def test_same_key_with_another_content_moves_no_money(simulator: Simulator, gateway: RemoteGateway) -> None:
    instruction = instruct(amount="150.00")
    assert isinstance(gateway.send(instruction), Approved)
    assert isinstance(gateway.send(replace(instruction, amount=Decimal("151.00"))), Unknown)
    assert simulator.count()[instruction.gateway_key] == 1


def test_64_slow_answers_are_awaited_in_parallel(simulator: Simulator) -> None:
    simulator.arm("sleep_then_answer", ms=500)
    instructions = [instruct() for _ in range(64)]
    begun = time.monotonic()
    with closing(gateway_at(simulator.url)) as gateway, ThreadPoolExecutor(64) as pool:
        answers: list[SendResult] = list(pool.map(gateway.send, instructions))
    assert all(isinstance(answer, Approved) for answer in answers)
    assert time.monotonic() - begun < 64 * 0.5 / 4
    counts = simulator.count()
    assert [counts[each.gateway_key] for each in instructions] == [1] * 64


def test_ledger_is_listed_over_all_its_pages(gateway: RemoteGateway) -> None:
    before = len(list(gateway.ledger(None, None)))
    instructions = [instruct(amount=f"{n}.25") for n in range(1, 2 * LEDGER_PAGE + 12)]
    assert {type(gateway.send(each)) for each in instructions} == {Approved}
    listed = [(effect.gateway_key, effect.amount) for effect in gateway.ledger(None, None)]
    assert listed[before:] == [(each.gateway_key, each.amount) for each in instructions]
