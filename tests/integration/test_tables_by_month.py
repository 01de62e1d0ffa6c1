"""The tables of history can be divided into months under the running service, which does not notice."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import time_machine
from flask import Flask
from flask_migrate import upgrade

from payment_service.db import db
from payment_service.delivery.base import Delivered
from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest
from payment_service.models import idempotency_keys, outbox_deliveries, transactions
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of, here
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import rows
from tests.support.first_rows import CHARGE_KEY, ROWS, fill
from tests.support.gateways import LedgerGateway
from tests.support.postgres import Postgres
from tests.support.relays import ScriptedSink, running, wait_until_settled
from tests.support.waiting import wait_until

DATABASE = "payments_by_month"
HISTORY = (transactions, outbox_deliveries)
NAME = "trip_notification"
SINK = {"trip_notification_service_url": "http://127.0.0.1:9"}

pytestmark = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # SQLite has no partitions


@pytest.fixture
def app(lent: Callable[[str], str], make_app: MakeApp) -> Flask:
    return make_app(database_url=lent(DATABASE), **SINK)


@pytest.fixture
def first() -> datetime:
    """Return the beginning of the month after the next one."""
    this = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (this + timedelta(days=70)).replace(day=1)


@pytest.fixture
def divide(postgres: Postgres, first: datetime) -> Callable[..., None]:
    """Run the deployed script, or an older one."""

    def run(script: str = "deploy/postgresql/by_month.sql") -> None:
        text = here(script).read_text().replace(":'first'", f"'{first:%Y-%m-%d}'")
        checks, change = text.split("\nBEGIN;\n")
        with closing(postgres.connect(DATABASE)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'transactions'")
            cursor.execute("SET ROLE {}".format(*cursor.fetchall()[0]))
            for statement in re.findall(r"^ALTER .*;$", checks, re.MULTILINE):  # each alone, as psql has it
                cursor.execute(statement)
            cursor.execute(f"BEGIN;\n{change}")

    return run


@pytest.fixture
def sizes(postgres: Postgres) -> Callable[[str], dict[str, int]]:
    """Return how many rows lie in each part of a table."""

    def look(whole: str) -> dict[str, int]:
        with closing(postgres.connect(DATABASE)) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT tableoid::regclass::text, count(*) FROM {whole} GROUP BY 1")  # noqa: S608 - ours
            return dict(cursor.fetchall())

    return look


def deliver_all(app: Flask) -> ScriptedSink:
    """Have the relay send what waits."""
    sink = ScriptedSink(lambda _: Delivered(), NAME)
    database = dependencies_of(app).database
    with running(database, sink):
        wait_until_settled(database, NAME)
    return sink


def use(app: Flask, name: str) -> None:
    """Charge, repeat, refund, deliver, verify."""
    client = app.test_client()
    paid = pay_trip(client, idempotency_key=name, amount=150.0)
    again = pay_trip(client, idempotency_key=name, amount=150.0)
    refunded = refund_trip(client, trip_id_of(paid), idempotency_key=f"{name}-refund", amount=50.0)
    assert (paid.status_code, again.data, refunded.status_code) == (200, paid.data, 200)
    assert deliver_all(app).offered
    assert list(verify(dependencies_of(app))) == []


def test_service_works_before_and_after_the_division_and_in_later_months(
    app: Flask, postgres: Postgres, divide: Callable[[], None], sizes: Callable[[str], dict[str, int]], first: datetime
) -> None:
    use(app, "before")
    known = {table.name: len(rows(dependencies_of(app), table)) for table in HISTORY}
    divide()
    with closing(postgres.connect(DATABASE)) as listener, listener.cursor() as cursor:
        cursor.execute("LISTEN outbox_deliveries")
        use(app, "after")
        wait_until(lambda: listener.poll() or bool(listener.notifies), lambda: "no relay was woken")
    assert {whole.name: set(sizes(whole.name)) for whole in HISTORY} == {t.name: {f"{t.name}_before"} for t in HISTORY}
    with time_machine.travel(first + timedelta(days=1)):
        use(app, "later")
    lies = {name: sizes(name) for name in known}
    months = {name: {f"{name}_before", f"{name}_{first:%Y_%m}"} for name in known}
    assert {name: set(parts) for name, parts in lies.items()} == months
    assert {name: parts[f"{name}_before"] for name, parts in lies.items()} == {name: 2 * n for name, n in known.items()}
    assert len({row["gateway_key"] for row in rows(dependencies_of(app), idempotency_keys)}) == 6


def test_tables_that_release_1_0_0_divided_are_migrated(
    postgres: Postgres, make_app: MakeApp, divide: Callable[..., None], sizes: Callable[[str], dict[str, int]]
) -> None:
    gateway = LedgerGateway()
    gateway.ledger[CHARGE_KEY] = GatewayRequest(CHARGE_KEY, Kind.CHARGE, "trips", Decimal(150), "INR", "CARD", None)
    app = make_app(database_url=postgres.create_database(DATABASE), gateway=gateway, **SINK)
    with app.app_context():
        upgrade(revision="0006")
        fill(db.engine)
        divide("tests/fixtures/release_1_0_0/by_month.sql")
        upgrade()
    with closing(postgres.connect(DATABASE)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT history_month((SELECT max(created_at) + interval '3 years' FROM payments)::date)")
        cursor.execute(
            "SELECT count(*) FROM pg_indexes WHERE tablename ~ '^outbox' AND right(indexdef, 10) = '(event_id)'"
        )
        assert cursor.fetchone() == (0,)
    assert sizes("transactions") == {"transactions_before": len(ROWS["transactions"])}
    use(app, "after")

    dependencies_of(app).database.engine.dispose()
    postgres.drop_database(DATABASE)


def test_charges_succeed_during_the_division_of_the_tables(
    app: Flask, divide: Callable[[], None], sizes: Callable[[str], dict[str, int]]
) -> None:
    statuses: list[int] = []
    divided = threading.Event()

    def charge(number: int) -> None:
        client = app.test_client()
        while not divided.is_set():
            statuses.append(pay_trip(client, idempotency_key=f"{number}-{len(statuses)}-{uuid4()}").status_code)

    with ThreadPoolExecutor(8) as threads:
        charging = [threads.submit(charge, number) for number in range(8)]
        try:
            wait_until(lambda: len(statuses) > 50)
            divide()
            before = len(statuses)
            wait_until(lambda: len(statuses) > before + 50)
        finally:
            divided.set()
        for each in charging:
            each.result()
    assert set(statuses) == {200}
    assert set(sizes("transactions")) == {"transactions_before"}
    assert list(verify(dependencies_of(app))) == []
