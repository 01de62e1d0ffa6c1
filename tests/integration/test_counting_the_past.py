"""The migration counts the audit trail of a database that was in use before any tally existed."""

import importlib.util
from types import ModuleType

from flask.testing import FlaskClient
from sqlalchemy import delete, text

from payment_service.gateways.base import Declined, Unknown
from payment_service.models import tallies
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.conftest import here
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway


def migration() -> ModuleType:
    path = here("migrations/versions/0004_tallies.py")
    specification = importlib.util.spec_from_file_location("tallies_migration", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_migration_counts_earlier_changes_like_new_ones(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([gateway.approve, Declined("NO", "no"), Unknown("time-out")])
    number = trip_id_of(pay_trip(client, idempotency_key="paid", amount="150.10"))
    pay_trip(client, idempotency_key="declined", method="upi")
    pay_trip(client, idempotency_key="unknown")
    pay_bill(client, "a", method="credit-card", amount="0.05")
    pay_bill(client, "b", method="whatever the cashier wrote")
    refund_trip(client, number, amount=50)
    counted = {tally.key: tally for tally in business_metrics.current(deps).totals.tallies}
    while business_metrics.aggregate(deps):
        pass

    with deps.database.atomic("test") as connection:
        connection.execute(delete(tallies))
        connection.execute(text(migration().SO_FAR))
    recounted = {tally.key: tally for tally in business_metrics.current(deps).totals.tallies}

    assert recounted == counted
    assert {key.method for key in recounted} == {"CARD", "UPI", "CREDIT_CARD", "OTHER"}
