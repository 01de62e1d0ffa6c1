"""A database that is busy: locks held for too long, a pool that is used up, and what a charge costs on the wire."""

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg2.errors import LockNotAvailable
from werkzeug.test import TestResponse

from payment_service import create_app
from payment_service.config import Settings
from payment_service.domain.operations import Kind
from payment_service.domain.records import Operation
from payment_service.gateways.base import GatewayRequest, GatewayResult, SendResult
from payment_service.models import payments
from payment_service.services import undecided
from payment_service.services.recovery import recover
from tests.conftest import MakeApp, dependencies_of
from tests.crash.proxy import commit_proxy
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.operations import MOVEMENTS
from tests.support.postgres import plainly
from tests.support.spread import lock_rows


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, make_app: MakeApp) -> FlaskClient:
    """Return a service that gives up on locks after a tenth of the time."""
    module: Any = sys.modules["payment_service.db"]
    options = module.POSTGRESQL_OPTIONS.replace("lock_timeout=1000", "lock_timeout=100")
    pragmas = tuple(pragma.replace("busy_timeout=5000", "busy_timeout=500") for pragma in module.SQLITE_PRAGMAS)
    monkeypatch.setattr(module, "POSTGRESQL_OPTIONS", options)
    monkeypatch.setattr(module, "SQLITE_PRAGMAS", pragmas)
    return make_app().test_client()


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the locks in another session: of every payment's row, on SQLite of the whole file."""
    other: Any
    if url.startswith("sqlite"):
        other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
    else:
        other = plainly(url)
        lock_rows(other, "payments")
    with closing(other):
        yield


def test_lock_that_is_held_too_long_answers_503_and_changes_nothing(
    impatient: FlaskClient, database_url: str, gateway: LedgerGateway
) -> None:
    payment_id = trip_id_of(pay_trip(impatient))
    with locked(database_url):
        began = time.monotonic()
        refused = refund_trip(impatient, payment_id, amount=10)
        took = time.monotonic() - began

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert took < 10
    assert gateway.count(Kind.REFUND) == 0
    assert refund_trip(impatient, payment_id, amount=10).status_code == 200


def test_lock_after_the_answer_of_the_gateway_loses_nothing(
    impatient: FlaskClient, database_url: str, gateway: LedgerGateway
) -> None:
    with ExitStack() as stack:

        def lock_meanwhile(instruction: GatewayRequest) -> SendResult:
            stack.enter_context(locked(database_url))
            return gateway.approve(instruction)

        gateway.script.append(lock_meanwhile)
        assert pay_trip(impatient).status_code == 503
    deps = dependencies_of(impatient.application)
    expire_leases(deps)

    assert dict(recover(deps)) == {"finished": 1}
    assert [row["status"] for row in rows(deps, payments)] == ["CAPTURED"]
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)  # on SQLite the file is
def test_payment_is_locked_while_it_is_completed(
    client: FlaskClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []
    review = undecided.review_reason

    def try_to_lock(operation: Operation, finding: GatewayResult) -> str | None:
        for table in ("idempotency_keys", "payments"):
            with closing(plainly(database_url)) as other, suppress(LockNotAvailable):
                lock_rows(other, table, "FOR NO KEY UPDATE NOWAIT")
                taken.append(table)
        return review(operation, finding)

    monkeypatch.setattr(undecided, "review_reason", try_to_lock)
    assert pay_trip(client).status_code == 200
    assert taken == []


def test_exhausted_pool_answers_503_until_a_connection_returns(make_app: MakeApp) -> None:
    app = make_app(db_pool_size=1)
    with dependencies_of(app).database.engine.connect():
        began = time.monotonic()
        refused = pay_trip(app.test_client())
        took = time.monotonic() - began

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert took < 10
    assert pay_trip(app.test_client()).status_code == 200


def test_operation_stays_within_its_round_trips_to_the_database(lent: Callable[[str], str]) -> None:
    with commit_proxy(lent("counted")) as proxy:
        app = create_app(Settings(database_url=proxy.url_through, log_level="ERROR"), gateway=LedgerGateway())
        client = app.test_client()
        payment_id = trip_id_of(pay_trip(client, idempotency_key="warms up"))
        refund_trip(client, payment_id, idempotency_key="warms up, too", amount=1)

        def cost(ask: Callable[[], TestResponse]) -> tuple[int, int]:
            """Return the status of an answer, and how many queries it took."""
            proxy.queries.clear()
            return ask().status_code, len(proxy.queries)

        charge, repeat = cost(lambda: pay_trip(client)), cost(lambda: pay_trip(client))
        refund = cost(lambda: refund_trip(client, payment_id, amount=1))
        for name, movement in MOVEMENTS.items():
            movement.prepare(client, f"warms up {name}")()
        movements = {name: cost(movement.prepare(client, name)) for name, movement in MOVEMENTS.items()}
        dependencies_of(app).database.engine.dispose()
    assert [status for status, _ in (charge, repeat, refund)] == [200, 200, 200]
    assert (0 < charge[1] <= 4, 0 < repeat[1] <= 2, 0 < refund[1] <= 6) == (True, True, True), (charge, repeat, refund)
    assert {name: status for name, (status, _) in movements.items()} == {
        name: movement.done[0] for name, movement in MOVEMENTS.items()
    }
    assert {name: queries for name, (_, queries) in movements.items() if not 0 < queries <= 8} == {}
