"""A charge writes few rows, by PostgreSQL's own counters: how many, and where their new versions go."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of
from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip
from tests.support.gateways import LedgerGateway
from tests.support.postgres import Postgres
from tests.support.tokens import SECRET
from tests.support.waiting import wait_until

DATABASE = "counted_rows"
CHARGES, THREADS = 300, 8

Pay = Callable[[Flask, int], Any]
PAY: dict[str, Pay] = {
    "trips": lambda app, n: pay_trip(app.test_client(), idempotency_key=f"t{n}", trip_id=n),
    "bills": lambda app, n: pay_bill(app.test_client(), key=f"b{n}", bill_id=n),
    "orders": lambda app, n: orders.charge_order(app.test_client(), key=f"o{n}", order_id=n),
    "checkout": lambda app, n: checkouts.process(app.test_client(), key=f"c{n}"),
    "bookings": lambda app, n: Booker(app, "ada").paid(booking_id=f"B{n}"),
}


@pytest.fixture
def app(lent: Callable[[str], str]) -> Iterator[Flask]:
    """Yield a service without sinks on a database that no other test uses."""
    settings = Settings(database_url=lent(DATABASE), log_level="ERROR", jwt_secret_key=SECRET)
    app = create_app(settings, gateway=LedgerGateway(latency=0.02))
    yield app
    dependencies_of(app).database.engine.dispose()


class Counters:
    """PostgreSQL's counters of one database, exact once every session of the service has ended."""

    def __init__(self, postgres: Postgres, app: Flask) -> None:
        self._postgres, self._app = postgres, app

    def read(self, column: str) -> dict[str, int]:
        """Return a counter of every table."""
        dependencies_of(self._app).database.engine.dispose()
        with closing(self._postgres.connect(DATABASE)) as connection, connection.cursor() as cursor:

            def alone() -> bool:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
                return bool(cursor.fetchone() == (1,))

            wait_until(alone)
            cursor.execute(f"SELECT relname, {column} FROM pg_stat_user_tables WHERE {column} > 0")  # noqa: S608 - ours
            return dict(cursor.fetchall())


@pytest.fixture
def counters(postgres: Postgres, app: Flask) -> Counters:
    return Counters(postgres, app)


def more(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: number - before.get(name, 0) for name, number in after.items() if number != before.get(name, 0)}


@pytest.mark.parametrize(("channel", "reservations"), [("bills", 0), ("trips", 1), ("checkout", 1), ("orders", 2)])
def test_charge_writes_four_rows_its_reservations_and_two_updates(
    app: Flask, counters: Counters, channel: str, reservations: int
) -> None:
    PAY[channel](app, 1)
    inserted, updated = counters.read("n_tup_ins"), counters.read("n_tup_upd")
    PAY[channel](app, 2)

    expected = {"idempotency_keys": 1, "payments": 1, "transactions": 2, "reservations": reservations}
    assert more(inserted, counters.read("n_tup_ins")) == {name: count for name, count in expected.items() if count}
    assert more(updated, counters.read("n_tup_upd")) == {"idempotency_keys": 1, "payments": 1}


def test_booking_created_and_processed_writes_rows_for_two_keys(app: Flask, counters: Counters) -> None:
    PAY["bookings"](app, 1)
    inserted, updated = counters.read("n_tup_ins"), counters.read("n_tup_upd")
    PAY["bookings"](app, 2)

    expected = {"idempotency_keys": 2, "payments": 1, "transactions": 3, "reservations": 1, "timers": 1}
    assert more(inserted, counters.read("n_tup_ins")) == expected
    assert more(updated, counters.read("n_tup_upd")) == {"idempotency_keys": 3, "payments": 2}


def test_rows_are_updated_in_place(app: Flask, counters: Counters) -> None:
    pay = list(PAY.values())
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda number: pay[number % len(pay)](app, number + 1), range(CHARGES)))
    all_updates, in_place = counters.read("n_tup_upd"), counters.read("n_tup_hot_upd")

    shares = {name: in_place.get(name, 0) / all_updates[name] for name in ("payments", "idempotency_keys")}
    assert min(shares.values()) >= 0.9, shares
