from decimal import Decimal

import pytest

from payment_service.domain.errors import KeyMismatch
from payment_service.domain.operations import Kind
from payment_service.domain.principals import Principal
from payment_service.domain.records import StoredResponse
from payment_service.services.commands import ChargePayment, NewPayment, PaymentReferences, Request
from payment_service.services.dependencies import Dependencies
from payment_service.services.engine import execute
from tests.support.database import purge_answers
from tests.support.gateways import LedgerGateway


def charge(deps: Dependencies, key: str, amount: str = "5.00") -> StoredResponse:
    """Charge the one payable that may be paid only once."""
    asked = Request("trips", Principal(), "POST:/payments", {"amount": amount}, "charge", key=key)
    new = NewPayment("7", Decimal(amount), "INR", "CARD", (PaymentReferences(key),), payable_is_unique=True)
    return execute(deps, asked, ChargePayment(new))


def test_repeat_of_a_purged_key_gets_its_payment_although_the_payable_is_paid(
    deps: Dependencies, gateway: LedgerGateway
) -> None:
    first = charge(deps, "one")
    purge_answers(deps)
    again = charge(deps, "one")
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert gateway.count(Kind.CHARGE) == 1


def test_other_key_for_a_paid_payable_is_refused(deps: Dependencies, gateway: LedgerGateway) -> None:
    charge(deps, "one")
    purge_answers(deps)
    assert charge(deps, "two").status == 400
    assert gateway.count(Kind.CHARGE) == 1


def test_purged_key_of_another_request_answers_422(deps: Dependencies) -> None:
    charge(deps, "one")
    purge_answers(deps)
    with pytest.raises(KeyMismatch):
        charge(deps, "one", amount="6.00")
