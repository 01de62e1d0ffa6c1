"""A database that goes away under an operation and comes back: its living owner completes it, or lets its key go."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal

import pytest
from flask import Flask

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.connection import Connection, TransactionLost
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.gateways.base import Approved, GatewayRequest
from payment_service.models import idempotency_keys, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from payment_service.watchdog import LONGEST_WAIT
from tests.conftest import MakeApp, dependencies_of, fresh_database
from tests.support import checkouts
from tests.support.callers import pay_trip
from tests.support.database import recover_all, rows
from tests.support.gateways import LedgerGateway
from tests.support.postgres import ThrowawayPostgres
from tests.support.waiting import wait_until

AWAY = 3.0
"""Seconds of a fail-over."""


@pytest.fixture
def server() -> Iterator[ThrowawayPostgres]:
    with closing(ThrowawayPostgres()) as server:
        yield server


@pytest.fixture
def gateway() -> LedgerGateway:
    return LedgerGateway()


@pytest.fixture
def app(server: ThrowawayPostgres, gateway: LedgerGateway) -> Flask:
    return create_app(Settings(database_url=fresh_database(server, "away")), gateway=gateway)


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


@pytest.fixture
def goes_away(server: ThrowawayPostgres, gateway: LedgerGateway) -> Iterator[Callable[[], None]]:
    """Let the server die while the gateway works on the next operation, and come back after a while."""
    back: list[threading.Thread] = []

    def die(asked: GatewayRequest) -> Approved:
        server.stop("immediate")
        back.append(threading.Timer(AWAY, server.start))
        back[0].start()
        return gateway.approve(asked)

    yield lambda: gateway.script.append(die)
    for thread in back:
        thread.join()


def is_back(deps: Dependencies) -> bool:
    try:
        return bool(rows(deps, idempotency_keys))
    except DatabaseUnavailable:
        return False


def test_owner_completes_an_approved_charge_when_the_database_returns(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, goes_away: Callable[[], None]
) -> None:
    goes_away()
    told = pay_trip(app.test_client(), idempotency_key="in flight")
    assert (told.status_code, told.get_json()["code"]) == (503, "database_unavailable")

    wait_until(lambda: is_back(deps))
    began = time.monotonic()
    wait_until(lambda: rows(deps, idempotency_keys)[0]["response_status"], patience=6)

    again = pay_trip(app.test_client(), idempotency_key="in flight")
    assert (again.status_code, again.get_json()["status"], again.headers["Idempotent-Replayed"]) == (
        200,
        "SUCCESS",
        "true",
    )
    assert time.monotonic() - began < 6
    assert len(gateway.sent) == 1
    assert list(verify(deps)) == []


def test_caller_with_a_negative_answer_gets_its_money_back(
    app: Flask, deps: Dependencies, goes_away: Callable[[], None]
) -> None:
    goes_away()
    told = checkouts.post(app.test_client(), "process", order_id="ORD-1", amount=40.0, payment_method="credit_card")
    assert told.status_code >= 400 or told.get_json()["success"] is False

    wait_until(lambda: is_back(deps))
    wait_until(lambda: rows(deps, idempotency_keys)[0]["leased_until"] <= clock.now(), patience=6)
    assert rows(deps, idempotency_keys)[0]["response_status"] is None
    recover_all(deps)
    recover_all(deps)

    (payment,) = rows(deps, payments)
    assert payment["captured_amount"] == payment["refunded_amount"] == Decimal(40)
    assert list(verify(deps)) == []


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_claim_with_an_unknown_commit_is_continued_before_its_lease_ends(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    deps, commit = dependencies_of(app), Connection.commit

    def lose(connection: Connection) -> None:
        commit(connection)
        raise TransactionLost

    monkeypatch.setattr(Connection, "commit", lose)
    assert pay_trip(app.test_client(), idempotency_key="doubt").status_code == 503
    monkeypatch.setattr(Connection, "commit", commit)

    wait_until(lambda: rows(deps, idempotency_keys)[0]["leased_until"] <= clock.now(), patience=3)
    assert pay_trip(app.test_client(), idempotency_key="doubt").status_code == 200


def test_commit_behind_a_silent_standby_is_waited_for(
    app: Flask, deps: Dependencies, server: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that never repeats would hear that the charge may have failed, although the database keeps it."""
    commit, commits = Connection.commit, itertools.count(1)
    back = threading.Timer(LONGEST_WAIT + 2, tell, [server, "ALTER SYSTEM RESET synchronous_standby_names"])

    def wait_for_nobody(connection: Connection) -> None:
        if next(commits) == 2:
            tell(server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            back.start()
        commit(connection)

    monkeypatch.setattr(Connection, "commit", wait_for_nobody)
    told = checkouts.post(app.test_client(), "process", order_id="ORD-1", amount=40.0, payment_method="credit_card")
    back.join()

    assert (told.status_code, told.get_json()["success"]) == (200, True)
    (payment,) = rows(deps, payments)
    assert (payment["status"], payment["captured_amount"]) == ("CAPTURED", Decimal(40))


def test_claim_with_a_late_commit_is_continued_before_its_lease_ends(
    app: Flask, deps: Dependencies, server: ThrowawayPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is invisible at first: ending its lease finds no row."""
    monkeypatch.setattr("payment_service.connection.LONGEST_COMMIT", 1.0)
    tell(server, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    told = pay_trip(app.test_client(), idempotency_key="late")
    assert told.status_code == 503
    time.sleep(2)
    monkeypatch.undo()
    tell(server, "ALTER SYSTEM RESET synchronous_standby_names")

    # Invisible until the server has kept it.
    wait_until(lambda: any(row["leased_until"] <= clock.now() for row in rows(deps, idempotency_keys)), patience=6)
    assert pay_trip(app.test_client(), idempotency_key="late").status_code == 200
    assert list(verify(deps)) == []


def tell(server: ThrowawayPostgres, statement: str) -> None:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SELECT pg_reload_conf()")


def test_locked_row_delays_no_other_work(deps: Dependencies) -> None:
    done = threading.Event()
    until = time.monotonic() + 20

    def locked() -> None:
        raise TransactionLost

    deps.deferred.add(until, "locked", locked)
    deps.deferred.add(until, "other", done.set)

    assert done.wait(5)
