from decimal import Decimal

import pytest

from payment_service.domain.callers import Caller
from payment_service.domain.errors import KeyMismatch
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer
from payment_service.services.commands import ChargePayment, NewPayment, PaymentReferences, Request
from payment_service.services.engine import execute
from payment_service.services.runtime import Runtime
from tests.support.database import purge_answers
from tests.support.gateways import LedgerGateway


def charge(runtime: Runtime, key: str, amount: str = "5.00") -> Answer:
    """Charge the one payable that may be paid only once."""
    asked = Request("trips", Caller(), "POST:/payments", {"amount": amount}, "charge", key=key)
    new = NewPayment("7", Decimal(amount), "INR", "CARD", (PaymentReferences(key),), payable_is_unique=True)
    return execute(runtime, asked, ChargePayment(new))


def test_a_purged_key_gets_the_payment_it_made_though_its_payable_is_paid(
    runtime: Runtime, gateway: LedgerGateway
) -> None:
    first = charge(runtime, "one")
    purge_answers(runtime)
    again = charge(runtime, "one")
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert gateway.count(Kind.CHARGE) == 1


def test_another_key_is_still_refused(runtime: Runtime, gateway: LedgerGateway) -> None:
    charge(runtime, "one")
    purge_answers(runtime)
    assert charge(runtime, "two").status == 400
    assert gateway.count(Kind.CHARGE) == 1


def test_a_purged_key_is_still_no_key_for_something_else(runtime: Runtime) -> None:
    charge(runtime, "one")
    purge_answers(runtime)
    with pytest.raises(KeyMismatch):
        charge(runtime, "one", amount="6.00")
