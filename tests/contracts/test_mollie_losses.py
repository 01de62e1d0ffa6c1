"""Mollie's adapter after lost requests and answers: it finds each existing object, and makes none twice."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import Approved, NotFound, NotSent, Pending, Registered, Unknown
from tests.support.at_mollie import Mollie
from tests.support.contract_banks import before_mollie
from tests.support.instructions import instruct
from tests.support.mollie_bank import mollie_bank

BACK = Terms(return_url="https://shop.example.com/back")
PARTS = {Kind.CAPTURE: "captures", Kind.REFUND: "refunds"}


@pytest.fixture
def at() -> Iterator[Mollie]:
    with mollie_bank() as bank, ExitStack() as stack:
        yield Mollie(before_mollie(stack, bank), bank)


@pytest.mark.parametrize("fault", ["drop_after", "tell_after", "drop_before", "tell_before"])
def test_lost_registration_leaves_at_most_a_payment_that_cannot_be_paid(at: Mollie, fault: str) -> None:
    """Its checkout address reached no customer; another payment takes its place."""
    at.bank.arm(fault, "POST /v2/payments")
    request = instruct(terms=BACK)
    assert type(at.own.registering.register(request)) is Unknown
    registered = at.own.registering.register(replace(request, attempt=2))
    assert isinstance(registered, Registered)
    at.own.done(replace(request, reference=registered.reference, attempt=2))
    assert at.own.moved(request) == [1]
    others = {each for each in at.bank.payments if each != registered.reference}
    assert len(others) == (1 if fault.endswith("after") else 0)
    assert {at.bank.payments[each]["status"] for each in others} <= {"open"}


@pytest.mark.parametrize("kind", list(PARTS))
@pytest.mark.parametrize("fault", ["drop_after", "tell_after"])
@pytest.mark.parametrize("hours", [0, 2])
def test_capture_or_refund_with_a_lost_answer_is_made_once(at: Mollie, kind: Kind, fault: str, hours: float) -> None:
    """The same holds if the key is forgotten, or was never kept: a repeat alone would take or give the money twice."""
    request = at.own.child(at.parent(kind), kind, "40.00")
    at.bank.arm(fault, f"POST /v2/payments/{request.parent_reference}/{PARTS[kind]}")
    assert type(at.send(request)) is Unknown
    at.bank.hours = hours
    assert isinstance(at.lookup(request), Pending)
    assert isinstance(at.own.send(request), Approved)
    assert at.own.moved(request) == [1]
    assert len(at.bank.parts[PARTS[kind]]) == 1


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
def test_operation_is_not_sent_when_its_look_up_fails(at: Mollie, kind: Kind) -> None:
    request = at.own.child(at.parent(kind), kind, "40.00")
    at.bank.arm("drop_before", f"GET /v2/payments/{request.parent_reference}/{PARTS.get(kind)}")
    at.bank.arm("drop_before", f"PATCH /v2/payments/{request.parent_reference}")
    at.bank.log.clear()
    assert isinstance(at.send(request), NotSent)
    assert not [each for each in at.bank.log if each.startswith("POST")]


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
def test_lost_request_is_not_found_and_sent_again(at: Mollie, kind: Kind) -> None:
    request = at.own.child(at.parent(kind), kind, "150.00")
    path = PARTS.get(kind, "release-authorization")
    at.bank.arm("drop_before", f"POST /v2/payments/{request.parent_reference}/{path}")
    assert type(at.send(request)) is Unknown
    assert at.lookup(request) == NotFound()
    assert isinstance(at.own.send(request), Approved)
    assert at.own.moved(request) == [1]


def test_release_with_a_lost_answer_is_found_at_the_hold(at: Mollie) -> None:
    request = at.own.child(at.parent(Kind.VOID), Kind.VOID, "150.00")
    at.bank.arm("drop_after", "release-authorization")
    assert type(at.send(request)) is Unknown
    assert isinstance(at.lookup(request), Approved)
    assert at.own.moved(request) == [1]
