"""A claim that is committed and invisible: Citus answers a COMMIT before a server that died in it shows its rows."""

from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import text

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.connection import Connection
from payment_service.models import idempotency_keys, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import dependencies_of, fresh_database
from tests.support import checkouts
from tests.support.callers import pay_trip
from tests.support.database import recover_all, rows
from tests.support.gateways import LedgerGateway
from tests.support.paying_by_token import hold
from tests.support.postgres import ThrowawayPostgres
from tests.support.registering import RegisteringGateway
from tests.support.waiting import wait_until

SOON = 3
"""Seconds, much less than a lease."""


@pytest.fixture
def server() -> Iterator[ThrowawayPostgres]:
    """Yield a PostgreSQL that can prepare transactions."""
    with closing(ThrowawayPostgres()) as server:
        _tell(server, "ALTER SYSTEM SET max_prepared_transactions = 2")
        server.stop("fast")
        server.start()
        yield server


@pytest.fixture
def gateway() -> LedgerGateway:
    return LedgerGateway()


@pytest.fixture
def bank() -> RegisteringGateway:
    return RegisteringGateway()


@pytest.fixture
def url(server: ThrowawayPostgres) -> str:
    return fresh_database(server, "prepared")


@pytest.fixture
def app(url: str, gateway: LedgerGateway) -> Flask:
    return create_app(Settings(database_url=url), gateway=gateway)


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


@pytest.fixture
def show(server: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Prepare the next claim in place of its COMMIT. Return what shows it to all sessions."""
    commit = Connection.commit

    def prepare(connection: Connection) -> None:
        monkeypatch.setattr(Connection, "commit", commit)
        connection.execute(text("PREPARE TRANSACTION 'claim'"))

    monkeypatch.setattr(Connection, "commit", prepare)
    return lambda: _tell(server, "COMMIT PREPARED 'claim'")


def _tell(server: ThrowawayPostgres, statement: str) -> None:
    database = "prepared" if "PREPARED" in statement else "postgres"
    with closing(server.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _lease_ends(deps: Dependencies) -> bool:
    return bool(rows(deps, idempotency_keys)[0]["leased_until"] <= clock.now())


def test_approved_charge_is_completed_when_sessions_see_its_claim(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, show: Callable[[], None]
) -> None:
    told = pay_trip(app.test_client(), idempotency_key="prepared")
    assert (told.status_code, told.get_json()["code"]) == (503, "database_unavailable")
    assert rows(deps, idempotency_keys) == []

    show()
    wait_until(lambda: rows(deps, idempotency_keys)[0]["response_status"], patience=SOON)
    again = pay_trip(app.test_client(), idempotency_key="prepared")
    assert (again.status_code, again.headers["Idempotent-Replayed"], len(gateway.sent)) == (200, "true", 1)
    assert list(verify(deps)) == []


def test_approved_charge_of_a_caller_that_cannot_repeat_is_reversed_before_its_lease_ends(
    app: Flask, deps: Dependencies, show: Callable[[], None]
) -> None:
    told = checkouts.post(app.test_client(), "process", order_id="ORD-1", amount=40.0, payment_method="credit_card")
    assert told.status_code >= 400 or told.get_json()["success"] is False
    clock.sleep(1)

    show()
    wait_until(lambda: _lease_ends(deps), patience=SOON)
    recover_all(deps)
    recover_all(deps)
    (payment,) = rows(deps, payments)
    assert payment["captured_amount"] == payment["refunded_amount"] == Decimal(40)
    assert list(verify(deps)) == []


def test_registered_charge_is_continued_before_its_lease_ends(
    url: str, bank: RegisteringGateway, show: Callable[[], None]
) -> None:
    """Its owner cannot note what it has registered, sends nothing more, and lets the next owner go on."""
    app = create_app(Settings(database_url=url), gateway=bank)
    client, deps = app.test_client(), dependencies_of(app)
    told = hold(client, "prepared", capture=True)
    assert (told.status_code, len(bank.taken())) == (503, 0)
    clock.sleep(1)

    show()
    wait_until(lambda: _lease_ends(deps), patience=SOON)
    again = hold(client, "prepared", capture=True)
    assert (again.status_code, len(bank.taken())) == (200, 1)
    assert list(verify(deps)) == []
