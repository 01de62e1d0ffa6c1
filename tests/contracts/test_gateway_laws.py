"""Every gateway keeps the same promises to the engine: one set of tests for all implementations."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Declined,
    NotFound,
    Refused,
    Unknown,
)
from tests.support.contract_banks import ALL, REGISTERING, REMEMBERING, Bank, bank


@pytest.fixture(scope="module", params=ALL)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with bank(request.param, tmp_path_factory.mktemp("bank")) as made:
        yield made


remembering = pytest.mark.parametrize("one", REMEMBERING, indirect=True, scope="module")
registering = pytest.mark.parametrize("one", REGISTERING, indirect=True, scope="module")


def test_each_law_is_tested_on_every_gateway_that_promises_it(one: Bank) -> None:
    able = one.gateway.capabilities
    assert able.remembers == able.lists == (one.name in REMEMBERING)
    assert bool(able.registers) == able.cancels == (one.name in REGISTERING)


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
@pytest.mark.parametrize(
    ("amount", "currency"),
    [("150.00", "USD"), ("0.50", "EUR"), ("500", "JPY"), ("1.230", "KWD"), ("5", "UGX"), ("999999.99", "USD")],
)
def test_charge_or_hold_has_its_exact_amount(one: Bank, kind: Kind, amount: str, currency: str) -> None:
    request = one.asked(kind, amount, currency=currency)
    answer = one.send(request)
    assert isinstance(answer, Approved)
    assert (answer.amount, answer.currency) == (Decimal(amount), currency)
    assert answer.reference
    assert one.gateway.lookup(request) == answer


@registering
def test_registration_moves_no_money(one: Bank) -> None:
    request = one.asked()
    assert isinstance(one.gateway.lookup(request), NotFound | ActionRequired)
    assert one.gateway.lookup(replace(request, reference=None)) == NotFound()
    assert one.moved(request) == [0]


@registering
def test_second_registration_makes_another_object_and_one_is_charged(one: Bank) -> None:
    """An owner without the result of its registration makes another one: the first object moves no money."""
    first = one.asked()
    second = one.registering.register(replace(first, attempt=2))
    assert one.registering.register(replace(first, attempt=2)) == second
    assert second != one.registering.register(replace(first, attempt=1))
    one.done(first)
    assert one.moved(first) == [1]


@pytest.mark.parametrize("amount", ["30.00", "100.00"])
def test_capture_takes_a_hold_in_whole_or_in_part(one: Bank, amount: str) -> None:
    hold = one.done(one.asked(Kind.AUTHORIZE, "100.00"))
    capture = one.child(hold, Kind.CAPTURE, amount)
    if one.gateway.capabilities.remembers:
        assert one.gateway.lookup(capture) == NotFound()
    answer = one.send(capture)
    assert isinstance(answer, Approved)
    assert (answer.amount, answer.currency) == (Decimal(amount), "USD")
    assert one.gateway.lookup(capture) == answer
    assert one.send(capture) == answer


def test_void_releases_a_hold(one: Bank) -> None:
    hold = one.done(one.asked(Kind.AUTHORIZE, "100.00"))
    void = one.child(hold, Kind.VOID, "100.00")
    if one.gateway.capabilities.remembers:
        assert one.gateway.lookup(void) == NotFound()
    answer = one.send(void)
    assert isinstance(answer, Approved)
    assert (answer.amount, answer.currency) == (Decimal("100.00"), "USD")
    assert one.gateway.lookup(void) == answer
    assert one.send(void) == answer


@remembering
def test_capture_of_a_released_hold_is_declined(one: Bank) -> None:
    hold = one.done(one.asked(Kind.AUTHORIZE, "100.00"))
    one.done(one.child(hold, Kind.VOID, "100.00"))
    capture = one.child(hold, Kind.CAPTURE, "100.00")
    assert isinstance(one.send(capture), Declined)


def test_partial_refunds_of_a_charge_happen_once_each(one: Bank) -> None:
    charge = one.done(one.asked(amount="80.00", currency="GBP"))
    first, second = (one.child(charge, Kind.REFUND, "30.00") for _ in range(2))
    answers = [one.send(refund) for refund in (first, second, first, second)]
    assert [type(answer) for answer in answers] == [Approved] * 4
    assert answers[:2] == answers[2:] == [one.gateway.lookup(first), one.gateway.lookup(second)]
    assert {(each.amount, each.currency) for each in answers if isinstance(each, Approved)} == {(Decimal(30), "GBP")}


@remembering
def test_refund_above_the_payment_is_declined(one: Bank) -> None:
    charge = one.done(one.asked(amount="80.00"))
    one.done(one.child(charge, Kind.REFUND, "50.00"))
    refund = one.child(charge, Kind.REFUND, "50.00")
    assert isinstance(one.send(refund), Declined)
    assert not isinstance(one.gateway.lookup(refund), Approved)


@remembering
def test_unsent_refund_is_not_found(one: Bank) -> None:
    charge = one.done(one.asked())
    assert one.gateway.lookup(one.child(charge, Kind.REFUND, "150.00")) == NotFound()


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_second_send_gets_the_first_answer(one: Bank, kind: Kind) -> None:
    request = one.asked(kind)
    first = one.send(request)
    assert one.send(request) == first
    assert one.gateway.lookup(request) == first


def test_amount_without_trailing_zeros_is_the_same_request(one: Bank) -> None:
    request = one.asked(amount="150.00")
    first = one.send(request)
    again = one.send(replace(request, amount=Decimal(150)))
    assert isinstance(first, Approved)
    assert again == first


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_decline_is_final(one: Bank, kind: Kind) -> None:
    """If the gateway may still change its mind, a cancel comes first."""
    request = one.refused(kind)
    told = one.send(request)
    assert isinstance(told, Declined | Refused)
    if isinstance(told, Refused):
        assert one.registering.cancel(request) == Declined(told.code, told.message, told.reference)
        told = Declined(told.code, told.message, told.reference)
    assert one.gateway.lookup(request) == told
    assert one.send(request) == told
    if one.gateway.capabilities.lists:
        assert one.moved(request) == [0]


@registering
@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_charge_cancelled_before_its_send_is_never_made(one: Bank, kind: Kind) -> None:
    request = one.asked(kind)
    ended = one.registering.cancel(request)
    assert isinstance(ended, Declined)
    assert one.registering.cancel(request) == ended
    assert one.send(request) == ended
    assert one.moved(request) == [0]


@registering
def test_late_cancel_returns_the_outcome(one: Bank) -> None:
    charge = one.asked()
    paid = one.send(charge)
    assert isinstance(paid, Approved)
    assert one.registering.cancel(charge) == paid
    assert one.moved(charge) == [1]


@registering
def test_cancelled_hold_is_over(one: Bank) -> None:
    """A hold with a pending cancel is never reported as a hold."""
    hold = one.done(one.asked(Kind.AUTHORIZE))
    assert isinstance(one.registering.cancel(hold), Declined)
    assert isinstance(one.gateway.lookup(hold), Declined)
    assert isinstance(one.send(one.child(hold, Kind.CAPTURE, "150.00")), Declined)


def test_two_operations_never_share_a_reference(one: Bank) -> None:
    answers = [one.send(one.asked()) for _ in range(10)]
    assert len({answer.reference for answer in answers if isinstance(answer, Approved)}) == 10


def test_sends_at_once_are_one_operation(one: Bank) -> None:
    """Some answers may be unknown; all others equal the look-up, and the gateway moves the money once."""
    request = one.asked()
    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: one.send(request), range(32)))
    found = one.gateway.lookup(request)
    assert isinstance(found, Approved)
    assert found in answers
    assert all(answer == found or type(answer) is Unknown for answer in answers)
    if one.gateway.capabilities.lists:
        assert one.moved(request) == [1]


@remembering
def test_ledger_has_each_operation_once(one: Bank) -> None:
    charge, hold, other = one.asked(), one.asked(Kind.AUTHORIZE), one.asked(Kind.AUTHORIZE)
    children = (
        one.child(charge, Kind.REFUND, "50.00"),
        one.child(hold, Kind.CAPTURE, "60.00"),
        one.child(other, Kind.VOID, "150.00"),
    )
    refused = one.refused()
    for request in (charge, hold, other) * 2 + children * 2:
        one.done(request)
    one.send(refused)
    done = (charge, hold, other, *children)
    assert one.moved(*done, refused) == [1, 1, 1, 1, 1, 1, 0]
    found = {
        effect.gateway_key: (effect.kind, effect.amount, effect.currency) for effect in one.gateway.ledger(None, None)
    }
    assert [found[request.gateway_key] for request in done] == [
        (request.kind, request.amount, "USD") for request in done
    ]
