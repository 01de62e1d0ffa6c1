"""The service through a real PgBouncer in transaction mode, with fewer server connections than it has of its own."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from payment_service.config_fields import CHANNELS
from payment_service.delivery.base import Delivered, Outcome
from payment_service.domain.deliveries import Delivery
from payment_service.logs import flush_logs
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.retention import purge
from payment_service.services.verification import verify
from tests.conftest import dependencies_of, fresh_database
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import count, expire_answers, recover_all, rows
from tests.support.every_channel import MOVES, use_every_channel
from tests.support.gateways import LedgerGateway
from tests.support.pgbouncer import PgBouncer, limit_role
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import flask
from tests.support.relays import ScriptedSink, running, wait_until_settled
from tests.support.waiting import wait_until

DATABASE = "pooled"
THREADS = 16

OF_ONE_TRANSACTION = re.compile(
    r"(BEGIN|COMMIT|ROLLBACK|SET TRANSACTION|SET LOCAL|SELECT|INSERT|UPDATE|DELETE|WITH|SHOW) *", re.IGNORECASE
)
"""Beginnings of statements that leave nothing behind on the connection: no SET, LISTEN, PREPARE, DECLARE or similar."""
OF_A_SESSION = re.compile(r"pg_(try_)?advisory_lock|set_config|WITH HOLD|\bTEMP", re.IGNORECASE)


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayPostgres]:
    """Start a server of our own: tests read its log, and stop it in the middle of requests."""
    with closing(ThrowawayPostgres()) as server:
        server.create_database(DATABASE)
        with closing(server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {DATABASE} SET log_statement = 'all'")
        limit_role(server, DATABASE)
        yield server


@pytest.fixture(scope="module")
def pooler(server: ThrowawayPostgres) -> Iterator[PgBouncer]:
    with closing(PgBouncer(server, DATABASE).start()) as pooler:
        flask("db", "upgrade", settings={"DATABASE_URL": pooler.url})
        yield pooler


@pytest.fixture(scope="module")
def gateway() -> LedgerGateway:
    return LedgerGateway(latency=0.005)


@pytest.fixture
def build(gateway: LedgerGateway) -> Iterator[Callable[..., Flask]]:
    """Make an app with these settings; close its connections at the end."""
    with ExitStack() as stack:

        def build(**settings: object) -> Flask:
            own: dict[str, object] = {"log_level": "WARNING", "jwt_secret_key": "a-test-secret-of-32-bytes-or-more!!"}
            own |= {"db_pool_size": THREADS, "rabbitmq_enabled": True, "rabbitmq_channels": frozenset(CHANNELS)}
            own |= settings
            app = create_app(Settings(**own), gateway=gateway)  # type: ignore[arg-type]
            stack.callback(dependencies_of(app).database.engine.dispose)
            return app

        yield build


@pytest.fixture
def app(build: Callable[..., Flask], pooler: PgBouncer) -> Flask:
    return build(database_url=pooler.url)


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


def said(server: ThrowawayPostgres, since: int) -> list[str]:
    """Return every statement that the server has logged since its log was so long."""
    log = server.log()[since:]
    return [statement.strip() for statement in re.findall(r"LOG:  (?:statement|execute \w+): (.+)", log)]


def test_every_channel_works_with_many_threads_on_few_connections(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, server: ThrowawayPostgres
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda number: use_every_channel(app, number), range(1, THREADS + 1)))
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (DATABASE,))
        (connections,) = cursor.fetchone() or (0,)

    assert connections <= 3, "they shared"
    assert len(gateway.sent) == len(gateway.ledger) == THREADS * MOVES
    assert not list(verify(deps))


def test_requests_at_once_with_one_key_charge_once(app: Flask, deps: Dependencies, gateway: LedgerGateway) -> None:
    before, sent = count(deps, payments), len(gateway.sent)
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda _: pay_trip(app.test_client(), idempotency_key="all"), range(THREADS)))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.data for answer in answers if answer.status_code == 200}) == 1
    assert count(deps, payments) == before + 1
    assert len(gateway.sent) == sent + 1


def test_session_state_ends_with_its_transaction(app: Flask, deps: Dependencies, server: ThrowawayPostgres) -> None:
    before = len(server.log())
    use_every_channel(app, 100)
    recover_all(deps)
    expire_answers(deps)
    assert sum(purge(deps)) > 0
    assert not list(verify(deps))
    assert [app.test_client().get(path).status_code for path in ("/metrics", "/payments", "/v1/metrics")] == [200] * 3
    with running(deps.database, ScriptedSink(lambda _: Delivered(), "rabbitmq")):
        wait_until_settled(deps.database, "rabbitmq")
    statements = said(server, before)

    staying = [each for each in statements if not OF_ONE_TRANSACTION.match(each) or OF_A_SESSION.search(each)]

    assert len(statements) > 100
    assert staying == []


@pytest.mark.parametrize("way", ["through the pooler", "directly"])
def test_relay_listens_only_where_it_is_alone_on_its_connection(
    way: str, build: Callable[..., Flask], server: ThrowawayPostgres, pooler: PgBouncer
) -> None:
    app = build(database_url=server.url(DATABASE) if way == "directly" else pooler.url)
    before = len(server.log())
    heard: list[float] = []

    def hear(_delivery: Delivery) -> Outcome:
        heard.append(time.monotonic())
        return Delivered()

    sink = ScriptedSink(hear, "rabbitmq")
    with running(dependencies_of(app).database, sink):
        wait_until_settled(dependencies_of(app).database, "rabbitmq")
        heard.clear()
        pay_trip(app.test_client(), idempotency_key=f"rings {way}")
        answered = time.monotonic()
        wait_until(lambda: len(heard) == 2, patience=10)

    assert heard[0] - answered < 0.9, "it does not wait for a bell that nobody rings"
    assert ("LISTEN outbox_deliveries" in said(server, before)) is (way == "directly")


def test_limits_of_the_role_apply(app: Flask, server: ThrowawayPostgres, capfd: pytest.CaptureFixture[str]) -> None:
    payment_id = trip_id_of(pay_trip(app.test_client(), idempotency_key="held"))
    other = psycopg2.connect(server.url(DATABASE).replace("+psycopg2", ""))
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT payment_id FROM payments FOR UPDATE")
        began = time.monotonic()
        refused = refund_trip(app.test_client(), payment_id, amount=1)
        took = time.monotonic() - began

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert 2.5 < took < 10
    flush_logs()
    assert "database.without_limits" not in capfd.readouterr().err


def test_service_without_limits_of_the_role_warns_and_works(
    build: Callable[..., Flask], server: ThrowawayPostgres, capfd: pytest.CaptureFixture[str]
) -> None:
    fresh_database(server, "unlimited")
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER DATABASE unlimited SET timezone = 'Asia/Kolkata'")
    with closing(PgBouncer(server, "unlimited").start()) as pooler:
        app = build(database_url=pooler.url)
        use_every_channel(app, 1)
        (paid, *_) = rows(dependencies_of(app), payments)

    flush_logs()
    assert "database.without_limits" in capfd.readouterr().err
    assert abs(datetime.now(UTC) - paid["created_at"]) < timedelta(minutes=1)


def test_loss_of_the_server_behind_the_pooler_answers_503_in_time_and_recovers(
    app: Flask, server: ThrowawayPostgres
) -> None:
    client = app.test_client()
    first = pay_trip(client, idempotency_key="before the loss")
    server.stop("immediate")
    began = time.monotonic()
    refused = [pay_trip(app.test_client(), idempotency_key=f"while lost {number}") for number in range(2)]
    took = time.monotonic() - began
    server.start()
    wait_until(lambda: pay_trip(client, idempotency_key="while lost 0").status_code == 200, patience=15)

    assert {answer.status_code for answer in refused} == {503}
    assert took < 2 * 10
    assert pay_trip(client, idempotency_key="before the loss").data == first.data


def test_restarted_pooler_is_used_again(app: Flask, pooler: PgBouncer) -> None:
    client = app.test_client()
    first = pay_trip(client, idempotency_key="before its restart")
    pooler.stop()
    refused = pay_trip(client, idempotency_key="while it was away")
    threading.Thread(target=pooler.start).start()
    wait_until(lambda: pay_trip(client, idempotency_key="while it was away").status_code == 200, patience=15)

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert pay_trip(client, idempotency_key="before its restart").data == first.data
