"""S21: `verify` finds sums that are not those of their rows, and refunds that are taken back on one side only."""

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Table, update

from payment_service.models import disputes, idempotency_keys, payment_refunds, payments, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.verification import money_of, verify
from tests.support import checkouts
from tests.support.changing import ChangingGateway
from tests.support.database import rows
from tests.support.postgres import as_owner


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


@pytest.fixture
def reversed_and_disputed(client: FlaskClient, deps: Dependencies, gateway: ChangingGateway) -> None:
    transaction = checkouts.paid(client)
    checkouts.refund(client, transaction, 30)
    look_again(deps, deps.gateways.default, gateway_key=gateway.fail_refund())
    look_again(deps, deps.gateways.default, reference=gateway.show("dp_1", amount="20"))
    look_again(deps, deps.gateways.default, reference=gateway.show("dp_2", "lost", amount="10"))


def falsify(deps: Dependencies, table: Table, where: Any, **values: Any) -> set[str]:
    """Return the invariants that `verify` finds broken after a change of a table."""
    assert list(verify(deps)) == []
    with deps.database.atomic("test") as connection:
        as_owner(connection)
        assert connection.execute(update(table).where(where).values(**values)).rowcount == 1
    return {each.invariant for each in money_of(deps)}


@pytest.mark.usefixtures("reversed_and_disputed")
@pytest.mark.parametrize(
    ("table", "where", "values"),
    [
        (payments, payments.c.payment_id > 0, {"disputed_amount": Decimal(21)}),
        (payments, payments.c.payment_id > 0, {"charged_back_amount": Decimal(0)}),
        (disputes, disputes.c.reference == "dp_1", {"status": "WON"}),
        (disputes, disputes.c.reference == "dp_2", {"amount": Decimal(11)}),
        (payment_refunds, payment_refunds.c.refund_id > 0, {"status": "REFUNDED"}),
        (idempotency_keys, idempotency_keys.c.operation_status == "REVERSED", {"operation_status": "FAILED"}),
        (transactions, transactions.c.move == "refunds_all_reversed", {"amount": Decimal(29)}),
    ],
    ids=["disputed", "charged back", "dispute's status", "dispute's amount", "refund", "operation", "journal"],
)
def test_sum_that_differs_from_its_rows_is_reported(
    deps: Dependencies, table: Table, where: Any, values: dict[str, Any]
) -> None:
    assert "S21" in falsify(deps, table, where, **values)


@pytest.mark.usefixtures("reversed_and_disputed")
def test_refund_reversed_here_and_made_at_the_gateway_is_reported(deps: Dependencies, gateway: ChangingGateway) -> None:
    gateway.taken_back.clear()

    assert {each.invariant for each in money_of(deps)} == {"S3"}


@pytest.mark.usefixtures("reversed_and_disputed")
def test_dispute_in_another_currency_is_no_violation(deps: Dependencies, gateway: ChangingGateway) -> None:
    look_again(deps, deps.gateways.default, reference=gateway.show("dp_3", currency="EUR"))

    assert len(rows(deps, disputes)) == 3
    assert list(verify(deps)) == []
