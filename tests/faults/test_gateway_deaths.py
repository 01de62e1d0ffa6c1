"""The outcome stays correct when the gateway or this process dies in the middle of an operation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from payment_service import clock
from payment_service.domain.errors import GatewayUnavailable
from payment_service.failpoints import FailpointHit, arm
from payment_service.gateways.base import Approved, NotFound, NotSent, Unknown
from payment_service.gateways.remote import RemoteGateway
from tests.support.at_remote import bank, gateway, simulator
from tests.support.instructions import instruct
from tests.support.simulator import Simulator

__all__ = ["bank", "gateway", "simulator"]


@pytest.fixture
def disarmed() -> Iterator[None]:
    yield
    arm("")


def test_refused_connection_is_tried_twice_and_counts_as_not_sent(
    simulator: Simulator, gateway: RemoteGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(clock, "sleep", pauses.append)
    simulator.kill()
    assert isinstance(gateway.send(instruct()), NotSent)
    assert isinstance(gateway.lookup(instruct()), NotSent)
    assert len(pauses) == 1
    assert 0 <= pauses[0] <= 0.2


def test_second_try_reaches_a_bank_that_has_just_returned(
    simulator: Simulator, gateway: RemoteGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.kill()
    monkeypatch.setattr(clock, "sleep", lambda seconds: simulator.start())
    instruction = instruct()
    assert isinstance(gateway.send(instruction), Approved)
    assert simulator.count()[instruction.gateway_key] == 1


def test_ledger_that_breaks_off_raises(simulator: Simulator, gateway: RemoteGateway) -> None:
    simulator.kill()
    with pytest.raises(GatewayUnavailable):
        list(gateway.ledger(None, None))


@pytest.mark.usefixtures("disarmed")
def test_death_between_sending_and_the_answer_keeps_the_effect(simulator: Simulator, gateway: RemoteGateway) -> None:
    instruction = instruct()
    arm("gateway.sent=raise")
    with pytest.raises(FailpointHit):
        gateway.send(instruction)
    simulator.wait_for(instruction.gateway_key)
    assert isinstance(gateway.lookup(instruction), Approved), "a look-up passes no failpoint"


@pytest.mark.usefixtures("disarmed")
def test_failpoint_after_sending_is_not_reached_without_a_connection(
    simulator: Simulator, gateway: RemoteGateway
) -> None:
    arm("gateway.sent=raise")
    simulator.kill()
    assert isinstance(gateway.send(instruct()), NotSent)


@pytest.mark.usefixtures("disarmed")
def test_death_after_the_answer_keeps_the_effect(simulator: Simulator, gateway: RemoteGateway) -> None:
    instruction = instruct()
    arm("gateway.answered=raise")
    with pytest.raises(FailpointHit):
        gateway.send(instruction)
    assert simulator.count()[instruction.gateway_key] == 1
    assert isinstance(gateway.lookup(instruction), Approved)


def test_killed_bank_keeps_the_effects_it_made(simulator: Simulator, gateway: RemoteGateway) -> None:
    instruction = instruct()
    simulator.arm("sleep_then_answer", ms=30_000)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.send, instruction)
        simulator.wait_for(instruction.gateway_key)
        simulator.kill()
        assert isinstance(answer.result(), Unknown)
    simulator.start()
    found = gateway.lookup(instruction)
    assert isinstance(found, Approved)
    assert gateway.send(instruction) == found
    assert simulator.count()[instruction.gateway_key] == 1


def test_killed_bank_has_no_effect_that_it_did_not_make(simulator: Simulator, gateway: RemoteGateway) -> None:
    instruction = instruct()
    simulator.arm("slow", ms=30_000, times=1)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.send, instruction)
        simulator.wait_until_struck()
        simulator.kill()
        assert isinstance(answer.result(), Unknown)
    simulator.start()
    assert isinstance(gateway.lookup(instruction), NotFound)
