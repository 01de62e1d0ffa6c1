"""Mollie's adapter against a faulty simulator: requests are lost, ended, refused or waiting."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payment_service.domain.operations import Kind, Terms
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Contradiction,
    Declined,
    NotSent,
    Pending,
    Unknown,
)
from payment_service.gateways.mollie import MollieGateway
from tests.support.at_mollie import Mollie
from tests.support.contract_banks import before_mollie
from tests.support.instructions import instruct
from tests.support.mollie_bank import KEY, mollie_bank

BACK = Terms(return_url="https://shop.example.com/back")


@pytest.fixture
def at() -> Iterator[Mollie]:
    with mollie_bank() as bank, ExitStack() as stack:
        yield Mollie(before_mollie(stack, bank), bank)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_customer_is_sent_to_the_checkout_and_nothing_moves_before(at: Mollie, kind: Kind) -> None:
    request = at.own.asked(kind)
    told = at.send(request)
    assert isinstance(told, ActionRequired)
    assert (told.reference, told.action.type) == (request.reference, "redirect")
    assert told.action.url == f"https://mollie.example/checkout/{request.reference}"
    assert at.lookup(request) == at.send(request) == told
    assert at.own.moved(request) == [0]
    assert isinstance(at.acted(request, "pending"), Pending)
    assert isinstance(at.acted(request, "paid"), Approved)
    assert at.own.moved(request) == [1]


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("failed", "CARD_DECLINED"), ("expired", "PAYMENT_EXPIRED"), ("canceled", "CANCELED")],
)
def test_ended_payment_is_declined_and_does_not_decide_another(at: Mollie, outcome: str, code: str) -> None:
    """An abandoned attempt expires after the next one was paid: that one stays paid."""
    first, second = at.own.asked(), at.own.asked()
    at.own.done(second)
    ended = at.acted(first, outcome)
    assert isinstance(ended, Declined)
    assert ended.code == code
    assert at.send(first) == at.own.registering.cancel(first) == ended
    assert isinstance(at.lookup(second), Approved)
    assert at.own.moved(first, second) == [0, 1]


def test_payment_without_a_return_url_is_not_registered(at: Mollie) -> None:
    told = at.own.registering.register(instruct())
    assert isinstance(told, Declined)
    assert told.code == "RETURN_URL_REQUIRED"
    assert at.bank.log == []


def test_amount_that_mollie_refuses_is_declined_at_registration(at: Mollie) -> None:
    registering = at.own.registering
    told = registering.register(instruct(amount="10.001", terms=BACK))
    assert isinstance(told, Declined)
    assert told.code == "AMOUNT_TOO_PRECISE"
    assert at.bank.log == []
    at.bank.arm("tell_before", "POST /v2/payments", 422)
    assert isinstance(registering.register(instruct(terms=BACK)), Declined)


def test_slow_release_by_the_issuer_leaves_a_void_pending(at: Mollie) -> None:
    request = at.own.child(at.parent(Kind.VOID), Kind.VOID, "150.00")
    at.bank.is_issuer_slow = True
    assert isinstance(at.send(request), Pending)
    at.bank.is_issuer_slow, at.bank.hours = False, 2
    assert isinstance(at.send(request), Approved)


def test_capture_and_refund_are_pending_until_mollie_has_done_them(at: Mollie) -> None:
    hold = at.parent(Kind.CAPTURE)
    capture = at.own.child(hold, Kind.CAPTURE, "60.00")
    assert isinstance(at.send(capture), Pending)
    assert at.own.moved(capture) == [0]
    at.bank.settle()
    assert isinstance(at.lookup(capture), Approved)
    refund = at.own.child(hold, Kind.REFUND, "20.00")
    assert isinstance(at.send(refund), Pending)
    at.bank.settle()
    assert isinstance(at.lookup(refund), Approved)
    assert at.own.moved(hold, capture, refund) == [1, 1, 1]


def test_refund_fails_after_its_success(at: Mollie) -> None:
    refund = at.own.done(at.own.child(at.parent(Kind.REFUND), Kind.REFUND, "50.00"))
    at.bank.fail_refund()
    found = at.lookup(refund)
    assert isinstance(found, Declined)
    assert (found.code, at.own.moved(refund)) == ("REFUND_FAILED", [0])


def test_refund_is_found_behind_a_full_page_of_others(at: Mollie) -> None:
    """The list is newest first: ours is the last of 251. The next page is asked at our own address."""
    charge = at.parent(Kind.REFUND)
    refund = at.own.done(at.own.child(charge, Kind.REFUND, "1.00"))
    template = at.bank.parts["refunds"][0]
    at.bank.parts["refunds"] += [template | {"id": f"re_x{number}", "metadata": None} for number in range(250)]
    at.bank.pages = "http://elsewhere.example"
    assert isinstance(at.lookup(refund), Approved)
    assert at.own.moved(refund) == [1]


def test_payment_that_cannot_be_cancelled_stays_open_until_mollie_ends_it(at: Mollie) -> None:
    request = at.own.asked()
    at.bank.is_cancelable = False
    assert at.own.registering.cancel(request) == Pending(request.reference)
    assert not [each for each in at.bank.log if each.startswith("DELETE")]
    at.bank.act(request.reference or "", "expired")
    assert isinstance(at.own.registering.cancel(request), Declined)


def test_slowly_released_hold_is_not_reported_as_cancelled(at: Mollie) -> None:
    hold = at.parent(Kind.VOID)
    at.bank.is_issuer_slow = True
    assert at.own.registering.cancel(hold) == Pending(hold.reference)
    at.bank.is_issuer_slow = False
    assert isinstance(at.own.registering.cancel(replace(hold, attempt=2)), Declined)


def test_hold_has_an_expiry_and_is_gone_after_it(at: Mollie) -> None:
    hold = at.own.asked(Kind.AUTHORIZE)
    held = at.own.send(hold)
    assert isinstance(held, Approved)
    assert held.capture_before == datetime(2026, 12, 7, 10, tzinfo=UTC)
    at.bank.expire_hold(hold.reference or "")
    assert isinstance(at.send(at.own.child(hold, Kind.CAPTURE, "150.00")), Declined)
    assert isinstance(at.lookup(hold), Declined)
    assert isinstance(at.lookup(at.own.child(hold, Kind.VOID, "150.00")), Approved)


@pytest.mark.parametrize("status", [401, 403, 429])
def test_rejected_request_counts_as_not_sent(at: Mollie, status: int) -> None:
    at.bank.arm("tell_before", "POST /v2/payments", status)
    request = instruct(terms=BACK)
    assert isinstance(at.own.registering.register(request), NotSent)
    refund = at.own.child(at.parent(Kind.REFUND), Kind.REFUND, "10.00")
    at.bank.arm("tell_before", f"POST /v2/payments/{refund.parent_reference}/refunds", status)
    assert isinstance(at.send(refund), NotSent)
    assert isinstance(at.own.send(refund), Approved)


@pytest.mark.parametrize("status", [409, 500, 503])
def test_error_of_mollie_is_unknown(at: Mollie, status: int) -> None:
    refund = at.own.child(at.parent(Kind.REFUND), Kind.REFUND, "10.00")
    at.bank.arm("tell_before", f"POST /v2/payments/{refund.parent_reference}/refunds", status)
    assert type(at.send(refund)) is Unknown


@pytest.mark.parametrize("kind", list(Kind))
def test_payment_unknown_to_mollie_needs_a_person(at: Mollie, kind: Kind) -> None:
    """A payment of the other mode or account, or a wrong row: nothing is sent."""
    request = instruct(kind, "10.00", reference="tr_nobody", parent_reference="tr_nobody", terms=BACK)
    assert isinstance(at.lookup(request), Contradiction)
    assert isinstance(at.send(request), Contradiction)
    assert not [each for each in at.bank.log if each.startswith("POST")]


def test_payment_of_the_other_mode_is_not_accepted(at: Mollie) -> None:
    request = at.own.done(at.own.asked())
    at.bank.payments[request.reference or ""]["mode"] = "live"
    assert type(at.lookup(request)) is Unknown


def test_stored_id_is_enough_after_a_restart(at: Mollie) -> None:
    request = at.own.done(at.own.asked())
    anew = MollieGateway(KEY, base=at.bank.url)
    found = anew.lookup(replace(instruct(), gateway_key=request.gateway_key, reference=request.reference))
    assert isinstance(found, Approved)
    assert found.amount == Decimal("150.00")
    anew.close()
