"""The reference that a booking service gives with a status is kept. Release 1.0.0 answered 200 and dropped it."""

import pytest
from flask import Flask

from payment_service.models import transactions
from payment_service.services.dependencies import Dependencies
from tests.support.bookers import Booker, payment_of
from tests.support.database import rows


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_c8_reference_of_a_status_change_is_stored_and_shown(app: Flask, deps: Dependencies, status: str) -> None:
    desk = Booker(app, "desk", scope="payments:service")
    payment_id = desk.made()

    changed = payment_of(desk.patch(payment_id, status=status, transaction_ref="bank-4711"))

    assert changed["caller_reference"] == "bank-4711"
    assert payment_of(desk.show(payment_id))["caller_reference"] == "bank-4711"
    assert "bank-4711" in {row["caller_note"] for row in rows(deps, transactions)}


def test_c8_payment_without_a_reference_has_no_new_field(app: Flask) -> None:
    ada = Booker(app, "ada")
    assert "caller_reference" not in payment_of(ada.show(ada.paid()))
