"""The migration to one row for each key: it carries on the data of release 1.0.0, and cannot be reverted."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import text

from payment_service import MIGRATIONS, create_app
from payment_service.config import Settings
from payment_service.db import db
from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest
from payment_service.models import (
    idempotency_keys,
    outbox_deliveries,
    payment_refunds,
    payments,
    reservations,
    tallies,
    timers,
    transactions,
    watermarks,
)
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.retention import purge
from payment_service.services.verification import verify
from tests.conftest import dependencies_of
from tests.support.callers import pay_trip
from tests.support.database import rows
from tests.support.first_rows import CHARGE_KEY, EVENTS, REFUND_HASH, REFUND_KEY, fill
from tests.support.gateways import LedgerGateway
from tests.support.postgres import Postgres


class Deciding(LedgerGateway):
    """A gateway that has taken the money of the first rows, and remembers keys for long."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(self.capabilities, key_retention=1e12)
        self.ledger[CHARGE_KEY] = GatewayRequest(CHARGE_KEY, Kind.CHARGE, "trips", Decimal(150), "INR", "CARD", None)


@pytest.fixture
def url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield an empty database."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path}/payments.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    yield server.create_database("at_0006")
    server.drop_database("at_0006")


@pytest.fixture
def at_0006(url: str) -> Iterator[Flask]:
    """Yield a service with a database at the last revision of release 1.0.0, with rows in every table."""
    app = create_app(Settings(database_url=url, log_level="ERROR"), gateway=Deciding())
    with app.app_context():
        upgrade(revision="0006")
        fill(db.engine)
        yield app
        db.engine.dispose()


@pytest.fixture
def upgraded(at_0006: Flask) -> Dependencies:
    upgrade()
    return dependencies_of(at_0006)


def revision() -> str | None:
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def test_downgrade_is_refused_and_points_to_the_back_up(upgraded: Dependencies) -> None:
    with pytest.raises(SystemExit) as ended:
        downgrade(revision="0006")
    assert "restore the back-up that was made before the upgrade" in str(ended.value.__context__)
    assert revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head(), (
        "the steps after 0007 are taken back as well, or none"
    )


def test_every_row_is_carried_over(upgraded: Dependencies) -> None:
    charge, refund = rows(upgraded, idempotency_keys)
    assert (charge["gateway_key"], charge["operation_status"]) == (CHARGE_KEY, "SUCCEEDED")
    assert (charge["response_status"], charge["response_data"]) == (200, "{}")
    assert (refund["gateway_key"], refund["operation_status"], refund["amount"]) == (REFUND_KEY, "PENDING", 20)
    assert [row["what"] for row in rows(upgraded, timers)] == [refund["key_id"]]
    assert [row["key_hash"] for row in rows(upgraded, payment_refunds)] == [REFUND_HASH]
    assert [(row["kind"], row["value"]) for row in rows(upgraded, reservations)] == [("reference", "R1")]
    assert rows(upgraded, payments)[0]["charge_key"] == CHARGE_KEY
    assert [row["event_id"].hex for row in rows(upgraded, transactions)] == [event["event_id"] for event in EVENTS]
    assert [bool(row["body"]) for row in rows(upgraded, outbox_deliveries)] == [True] * 3
    marks = {"journal": 3, "purge": 0, "recovery": refund["key_id"]}
    assert {row["name"]: row["value"] for row in rows(upgraded, watermarks)} == marks
    assert sum(row["times"] for row in rows(upgraded, tallies)) == 3
    assert list(verify(upgraded)) == []


def test_service_continues_operations_of_the_old_release(at_0006: Flask, upgraded: Dependencies) -> None:
    assert recover(upgraded) == {"finished": 1}
    assert pay_trip(at_0006.test_client()).status_code == 200
    assert rows(upgraded, payments)[0]["status"] == "PARTIALLY_REFUNDED"
    assert sum(purge(upgraded)) == 1, "the response of the first charge has ended"
    assert list(verify(upgraded)) == []


ENDLESS = "SET leased_until = '2999-01-01 00:00:00.000000' WHERE"
LEASES = {
    "of a key": f"UPDATE idempotency_keys {ENDLESS} response_status IS NULL",
    "of a delivery": f"UPDATE outbox_deliveries {ENDLESS} status = 'PENDING'",
}


@pytest.mark.parametrize("lease", LEASES.values(), ids=LEASES)
def test_upgrade_is_refused_while_a_lease_is_alive(at_0006: Flask, lease: str) -> None:
    with db.engine.begin() as connection:
        connection.execute(text(lease))
    with pytest.raises(SystemExit) as ended:
        upgrade()
    assert "in use: stop the service and its worker" in str(ended.value.__context__)
    assert revision() == "0006"
    with db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
