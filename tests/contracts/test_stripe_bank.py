"""Stripe's adapter against a faulty simulator: requests are lost, refused or waiting for the customer."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
import requests

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
    Registered,
    Spent,
    Unknown,
)
from payment_service.gateways.stripe import StripeGateway
from tests.support.contract_banks import Bank, before_stripe
from tests.support.instructions import instruct
from tests.support.simulator import PATIENCE, Simulator, running_simulator

CHALLENGED = "pm_card_threeDSecure2Required"
SHOP = "http://127.0.0.1/shop"


@dataclass(frozen=True)
class Stripe:
    """The adapter, its simulator, and changes behind the adapter's back."""

    bank: Bank
    simulator: Simulator

    def behind(self, path: str, **body: Any) -> Any:
        """Post to the simulator's own paths."""
        answer = requests.post(f"{self.simulator.url}/_simulator/stripe/{path}", json=body, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stripe]:
    with running_simulator(tmp_path_factory.mktemp("stripe")) as simulator, ExitStack() as stack:
        own = before_stripe(stack, "stripe", simulator.url, declined="pm_card_chargeDeclined")
        yield Stripe(own, simulator)


@pytest.fixture
def at(running: Stripe) -> Iterator[Stripe]:
    yield running
    running.simulator.disarm()


@pytest.mark.parametrize("fault", ["drop_after_effect", "error_after_effect"])
@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.AUTHORIZE])
def test_confirmation_with_a_lost_answer_is_found_by_its_id(at: Stripe, kind: Kind, fault: str) -> None:
    """A 500 is stored and replayed for the key's life, although the money moved."""
    at.simulator.arm(fault, on="send", times=1)
    request = at.bank.asked(kind)
    assert type(at.bank.send(request)) is Unknown
    found = at.bank.gateway.lookup(request)
    assert isinstance(found, Approved)
    assert at.bank.send(request) == found
    assert at.bank.moved(request) == [1]


def test_confirmation_is_found_after_its_key_is_forgotten(at: Stripe) -> None:
    """A replay under a forgotten key charges twice; one with other parameters stays undecided."""
    at.simulator.arm("drop_after_effect", on="send", times=1)
    request = at.bank.asked()
    assert type(at.bank.send(request)) is Unknown
    at.behind("forget")
    late = replace(request, terms=Terms("pm_card_visa", SHOP))
    assert isinstance(at.bank.gateway.lookup(late), Approved)
    assert isinstance(at.bank.send(late), Approved)
    assert at.bank.moved(request) == [1]


def test_lost_confirmation_is_sent_again(at: Stripe) -> None:
    at.simulator.arm("drop_before_effect", on="send", times=1)
    request = at.bank.asked()
    assert type(at.bank.send(request)) is Unknown
    assert at.bank.gateway.lookup(request) == NotFound()
    assert isinstance(at.bank.send(request), Approved)
    assert at.bank.moved(request) == [1]


def test_failure_before_the_effect_uses_up_the_key_and_the_next_one_charges(at: Stripe) -> None:
    at.simulator.arm("error_before_effect", on="send", times=1)
    request = at.bank.asked()
    assert type(at.bank.send(request)) is Unknown
    assert at.bank.gateway.lookup(request) == NotFound()
    assert isinstance(at.bank.send(request), Spent)
    assert isinstance(at.bank.send(replace(request, resend=1)), Approved)
    assert at.bank.moved(request) == [1]


def test_failed_registration_is_repeated_under_a_new_key(at: Stripe) -> None:
    at.simulator.arm("error_before_effect", on="register", times=1)
    request = instruct(terms=Terms("pm_card_visa"))
    registering = at.bank.registering
    assert type(registering.register(request)) is Unknown
    assert type(registering.register(request)) is Unknown
    registered = registering.register(replace(request, attempt=2))
    assert isinstance(registered, Registered)
    at.bank.done(replace(request, reference=registered.reference, attempt=2))
    assert at.bank.moved(request) == [1]


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
@pytest.mark.parametrize("fault", ["drop_after_effect", "error_after_effect", "drop_before_effect"])
def test_later_operation_with_a_lost_answer_is_found_at_its_parent(at: Stripe, kind: Kind, fault: str) -> None:
    parent = at.bank.done(at.bank.asked(Kind.CHARGE if kind is Kind.REFUND else Kind.AUTHORIZE))
    request = at.bank.child(parent, kind, "150.00")
    at.simulator.arm(fault, on="send", kind=kind.value, times=1)
    assert type(at.bank.send(request)) is Unknown
    found = at.bank.gateway.lookup(request)
    assert isinstance(found, NotFound if fault == "drop_before_effect" else Approved)
    done = at.bank.send(request)
    assert isinstance(done, Approved)
    assert at.bank.moved(request) == [1]


@pytest.mark.parametrize(
    ("amount", "code"), [("402.01", "INSUFFICIENT_FUNDS"), ("402.02", "CARD_DECLINED"), ("402.03", "EXPIRED_CARD")]
)
def test_decline_has_its_code_before_and_after_the_cancel(at: Stripe, amount: str, code: str) -> None:
    request = at.bank.asked(amount=amount)
    told = at.bank.send(request)
    assert isinstance(told, Refused)
    assert told.code == code
    assert at.bank.registering.cancel(request) == Declined(told.code, told.message, told.reference)


def test_unknown_token_is_declined_without_an_echo(at: Stripe) -> None:
    found = at.bank.registering.register(instruct(terms=Terms("pm_card_of_nobody")))
    assert isinstance(found, Declined)
    assert found.code == "RESOURCE_MISSING"
    assert "pm_card_of_nobody" not in found.message


def test_authentication_without_a_return_url_is_refused(at: Stripe) -> None:
    request = at.bank.asked(terms=Terms(CHALLENGED))
    told = at.bank.send(request)
    assert isinstance(told, Refused)
    assert told.code == "AUTHENTICATION_REQUIRED"


@pytest.mark.parametrize(("success", "expected"), [(True, Approved), (False, Refused)])
def test_look_up_after_authentication_finds_the_outcome(at: Stripe, success: bool, expected: type) -> None:
    request = at.bank.asked(terms=Terms(CHALLENGED, SHOP))
    asked = at.bank.send(request)
    assert isinstance(asked, ActionRequired)
    assert asked.action.type == "redirect"
    assert at.bank.gateway.lookup(request) == asked
    assert at.bank.moved(request) == [0]
    at.behind(f"payment_intents/{request.reference}/authenticate", success=success)
    assert isinstance(at.bank.gateway.lookup(request), expected)
    assert isinstance(at.bank.send(request), expected)


def test_unfinished_authentication_ends_with_a_cancel(at: Stripe) -> None:
    request = at.bank.asked(terms=Terms(CHALLENGED, SHOP))
    assert isinstance(at.bank.send(request), ActionRequired)
    assert isinstance(at.bank.registering.cancel(request), Declined)
    assert isinstance(at.bank.gateway.lookup(request), Declined)


@pytest.mark.parametrize(("amount", "expected"), [("202.03", Approved), ("202.04", Refused)])
def test_processing_charge_is_decided_later(at: Stripe, amount: str, expected: type) -> None:
    request = at.bank.asked(amount=amount)
    assert isinstance(at.bank.send(request), Pending)
    assert isinstance(at.bank.gateway.lookup(request), expected)


def test_hold_has_an_expiry_and_is_gone_after_it(at: Stripe) -> None:
    hold = at.bank.asked(Kind.AUTHORIZE)
    held = at.bank.send(hold)
    assert isinstance(held, Approved)
    assert held.capture_before is not None
    at.behind(f"payment_intents/{hold.reference}/expire")
    assert isinstance(at.bank.send(at.bank.child(hold, Kind.CAPTURE, "150.00")), Declined)
    assert isinstance(at.bank.gateway.lookup(hold), Declined)
    assert at.bank.moved(hold) == [1]


def test_refund_fails_after_its_success(at: Stripe) -> None:
    charge = at.bank.done(at.bank.asked())
    request = at.bank.child(charge, Kind.REFUND, "50.00")
    done = at.bank.send(request)
    assert isinstance(done, Approved)
    at.behind(f"refunds/{done.reference}/fail", failure_reason="expired_or_canceled_card")
    found = at.bank.gateway.lookup(request)
    assert isinstance(found, Declined)
    assert found.code == "REFUND_FAILED"
    assert at.bank.moved(request) == [0]


def test_refund_is_found_behind_a_full_page_of_others(at: Stripe) -> None:
    """The list is newest first: ours is the last of 101."""
    charge = at.bank.done(at.bank.asked())
    first, *others = (at.bank.child(charge, Kind.REFUND, "1.00") for _ in range(101))
    done = at.bank.send(first)
    for other in others:
        at.bank.done(other)
    assert at.bank.gateway.lookup(first) == done


@pytest.mark.parametrize("status", [429, 401, 403])
def test_rejected_request_counts_as_not_sent(at: Stripe, status: int) -> None:
    at.simulator.arm("error_before_effect", on="send", times=1, status=status)
    request = at.bank.asked()
    assert isinstance(at.bank.send(request), NotSent)
    assert isinstance(at.bank.send(request), Approved)


def test_key_of_another_request_is_a_contradiction(at: Stripe) -> None:
    request, other = at.bank.asked(), at.bank.asked()
    at.bank.done(request)
    stolen = replace(other, gateway_key=request.gateway_key)
    assert isinstance(at.bank.send(stolen), Contradiction)
    assert at.bank.gateway.lookup(other) == NotFound()


def test_unknown_reference_is_a_contradiction(at: Stripe) -> None:
    assert isinstance(at.bank.gateway.lookup(replace(at.bank.asked(), reference="pi_of_nobody")), Contradiction)


def test_stored_id_is_enough_after_a_restart(at: Stripe) -> None:
    request = at.bank.done(at.bank.asked())
    anew = StripeGateway("sk_test_simulator", base=at.simulator.url)
    found = anew.lookup(replace(instruct(), gateway_key=request.gateway_key, reference=request.reference))
    assert isinstance(found, Approved)
    assert found.amount == Decimal("150.00")
    anew.close()
