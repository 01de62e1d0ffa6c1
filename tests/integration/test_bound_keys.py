from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from payment_service.domain.callers import Caller
from payment_service.domain.errors import KeyMismatch
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer
from payment_service.models import idempotency_keys
from payment_service.services import payments, retention
from payment_service.services.requests import Labels, NewPayment, Request
from payment_service.services.runtime import Runtime
from tests.support.gateways import LedgerGateway


def charge(runtime: Runtime, key: str, amount: str = "5.00") -> Answer:
    """Charge the one payable that may be paid only once."""
    asked = Request("trips", Caller(), "POST:/payments", {"amount": amount}, "charge", key=key)
    new = NewPayment("7", Decimal(amount), "INR", "CARD", lambda digest, _: Labels(digest[:8]), payable_is_unique=True)
    return payments.charge(runtime, asked, new)


def forget_the_answers(runtime: Runtime) -> None:
    with runtime.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(expires_at=datetime.now(UTC) - timedelta(days=1)))
    assert sum(retention.purge(runtime)) > 0


def test_a_purged_key_gets_the_payment_it_made_though_its_payable_is_paid(
    runtime: Runtime, gateway: LedgerGateway
) -> None:
    first = charge(runtime, "one")
    forget_the_answers(runtime)
    again = charge(runtime, "one")
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)
    assert gateway.count(Kind.CHARGE) == 1


def test_another_key_is_still_refused(runtime: Runtime, gateway: LedgerGateway) -> None:
    charge(runtime, "one")
    forget_the_answers(runtime)
    assert charge(runtime, "two").status == 400
    assert gateway.count(Kind.CHARGE) == 1


def test_a_purged_key_is_still_no_key_for_something_else(runtime: Runtime) -> None:
    charge(runtime, "one")
    forget_the_answers(runtime)
    with pytest.raises(KeyMismatch):
        charge(runtime, "one", amount="6.00")
