"""PostgreSQL gives a transaction up (40001, 40P01), at a statement or at COMMIT: it runs again, money moves once."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from zlib import crc32

import psycopg2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import create_app
from payment_service.config import Settings
from payment_service.config_fields import CHANNELS
from payment_service.delivery.base import Delivered
from payment_service.delivery.relay import Relay
from payment_service.gateways.base import GatewayRequest, SendResult
from payment_service.models import users
from payment_service.services import business_metrics
from payment_service.services.deliveries import replay, replayable
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.retention import purge
from payment_service.services.verification import verify
from tests.conftest import dependencies_of, fresh_database
from tests.support import orders
from tests.support.bookers import Booker
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import count, expire_answers, expire_leases
from tests.support.gateways import LedgerGateway
from tests.support.given_up import GIVE_UP, Trouble, told
from tests.support.operations import MOVEMENTS, Movement
from tests.support.postgres import ThrowawayPostgres
from tests.support.relays import ScriptedSink, drain
from tests.support.waiting import wait_until

DATABASE = "given_up"
DEADLOCK_TIMEOUT = "700ms"
"""Until a deadlock is looked for: less than the service waits for a lock, more than it takes to tie one."""
at_either_moment = pytest.mark.parametrize(
    ("when", "sqlstate"), [("statement", "40P01"), ("COMMIT", "40001")], ids=["at a statement", "at COMMIT"]
)


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayPostgres]:
    """Yield a server of our own: its log is read."""
    with closing(ThrowawayPostgres()) as server:
        fresh_database(server, DATABASE)
        told(server, DATABASE, GIVE_UP)
        told(server, DATABASE, f"ALTER DATABASE {DATABASE} SET deadlock_timeout = '{DEADLOCK_TIMEOUT}'")
        yield server


@pytest.fixture(scope="module")
def gateway() -> LedgerGateway:
    return LedgerGateway()


@pytest.fixture(scope="module")
def app(server: ThrowawayPostgres, gateway: LedgerGateway) -> Iterator[Flask]:
    settings = Settings(
        database_url=server.url(DATABASE),
        log_level="CRITICAL",
        jwt_secret_key="a-test-secret-of-32-bytes-or-more!!",
        rabbitmq_enabled=True,
        rabbitmq_channels=frozenset(CHANNELS),
    )
    app = create_app(settings, gateway=gateway)
    yield app
    dependencies_of(app).database.engine.dispose()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """Return a key no other test uses."""
    return str(request.node.name)


@pytest.fixture
def trouble(server: ThrowawayPostgres, when: str, sqlstate: str) -> Trouble:
    return Trouble(server, DATABASE, when, sqlstate)


@pytest.fixture
def deps(app: Flask) -> Iterator[Dependencies]:
    """Yield the engine, which has to be in order when the test is over."""
    yield dependencies_of(app)
    assert list(verify(dependencies_of(app))) == []


@pytest.fixture
def client(app: Flask, deps: Dependencies) -> FlaskClient:
    return app.test_client()


@at_either_moment
@pytest.mark.parametrize("phase", ["INSERT", "UPDATE"], ids=["claim", "finish"])
@pytest.mark.parametrize("movement", list(MOVEMENTS.values()), ids=list(MOVEMENTS))
def test_operation_with_serialization_failures_succeeds_unnoticed(
    client: FlaskClient, gateway: LedgerGateway, trouble: Trouble, movement: Movement, phase: str, key: str
) -> None:
    ask = movement.prepare(client, key)
    sent = len(gateway.sent)
    with trouble.at(phase, "idempotency_keys"):
        answer = ask()

    assert answer.status_code == movement.done[0], answer.text
    assert "Idempotent-Replayed" not in answer.headers
    assert len(gateway.sent) == sent + 1, "the gateway is not asked because a transaction was given up"
    assert ask().data == answer.data


@at_either_moment
@pytest.mark.parametrize("table", ["idempotency_keys", "payments", "reservations", "transactions", "outbox_deliveries"])
def test_charge_with_a_failure_at_any_table_succeeds(
    client: FlaskClient, gateway: LedgerGateway, trouble: Trouble, table: str, key: str
) -> None:
    sent = len(gateway.sent)
    with trouble.at("INSERT OR UPDATE", table):
        assert pay_trip(client, idempotency_key=key).status_code == 200
    assert len(gateway.sent) == sent + 1


@at_either_moment
def test_change_without_money_survives_serialization_failures(
    app: Flask, client: FlaskClient, trouble: Trouble, key: str
) -> None:
    order = crc32(key.encode())
    with trouble.at("INSERT", "payments"):
        made = orders.paid(orders.create_order(client, order_id=order))
    with trouble.at("UPDATE", "payments"):
        assert orders.cancel_order(client, made["payment_id"]).status_code == 200
    known = count(dependencies_of(app), users)
    with trouble.at("INSERT", "users"):
        assert Booker(app, key).create().status_code == 201
    assert count(dependencies_of(app), users) == known + 1


@at_either_moment
def test_repeated_failures_after_the_answer_of_the_gateway_answer_503_and_lose_nothing(
    client: FlaskClient, gateway: LedgerGateway, trouble: Trouble, key: str
) -> None:
    sent = len(gateway.sent)
    with trouble.at("UPDATE", "idempotency_keys", times=1000):
        refused = pay_trip(client, idempotency_key=key)
    expire_leases(dependencies_of(client.application))
    again = pay_trip(client, idempotency_key=key)

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert refused.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert (again.status_code, again.get_json()["status"]) == (200, "SUCCESS")
    assert len(gateway.sent) == sent + 1, "it was looked up"


@at_either_moment
def test_unknown_outcome_is_stored_and_recovered(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, trouble: Trouble, key: str
) -> None:
    gateway.script.append(gateway.lose_answer)
    sent = len(gateway.sent)
    with trouble.at("INSERT", "timers"):
        assert pay_trip(client, idempotency_key=key).status_code == 202
    expire_leases(deps)
    with trouble.at("UPDATE OF fence", "idempotency_keys"):
        assert dict(recover(deps)) == {"finished": 1}

    assert len(gateway.sent) == sent + 1
    assert pay_trip(client, idempotency_key=key).get_json()["status"] == "SUCCESS"


@at_either_moment
@pytest.mark.parametrize("column", ["owner", "delivered_at"], ids=["claim", "mark"])
def test_relay_with_serialization_failures_sends_each_event_once(
    client: FlaskClient, deps: Dependencies, trouble: Trouble, column: str, key: str
) -> None:
    sink = ScriptedSink(lambda _: Delivered(), "rabbitmq")
    drain(Relay(deps.database, sink))
    sink.offered.clear()
    assert pay_trip(client, idempotency_key=key).status_code == 200
    with trouble.at(f"UPDATE OF {column}", "outbox_deliveries"):
        drain(Relay(deps.database, sink))
    assert [each.version for each in sink.offered] == [1, 2]
    with trouble.at("UPDATE OF status", "outbox_deliveries"):
        ids = replayable(deps, sink="rabbitmq", status=None, since=None)[-2:]
        assert list(replay(deps, ids, "ann")) == [(2, 2)]


@at_either_moment
def test_purge_and_aggregation_survive_serialization_failures(
    client: FlaskClient, deps: Dependencies, trouble: Trouble, key: str
) -> None:
    assert pay_trip(client, idempotency_key=key).status_code == 200
    before = business_metrics.current(deps).totals.created
    with trouble.at("INSERT OR UPDATE", "tallies"):
        assert business_metrics.aggregate(deps) > 0
    expire_answers(deps)
    with trouble.at("UPDATE OF response_data", "idempotency_keys"):
        assert sum(purge(deps)) > 0

    assert business_metrics.current(deps).totals.created == before
    assert pay_trip(client, idempotency_key=key).headers["Idempotent-Replayed"] == "true"


def test_loser_of_a_deadlock_tries_again(
    client: FlaskClient, gateway: LedgerGateway, server: ThrowawayPostgres, key: str
) -> None:
    payment_id = trip_id_of(pay_trip(client, idempotency_key=key))
    with entangled(server, gateway, payment_id):
        answer = refund_trip(client, payment_id, idempotency_key=f"{key} back", amount=1)

    assert answer.status_code == 200, answer.text
    assert refund_trip(client, payment_id, idempotency_key=f"{key} back", amount=1).data == answer.data
    assert server.log().count("deadlock detected") >= 1, "twice where we were back before the other was awake"


@contextmanager
def entangled(server: ThrowawayPostgres, gateway: LedgerGateway, payment_id: int) -> Iterator[None]:
    """Let another session lock the payment during the gateway request; once we wait for it, it wants our key."""
    other = psycopg2.connect(server.url(DATABASE).replace("+psycopg2", ""))
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def cross() -> None:
        wait_until(lambda: told(server, DATABASE, waits), patience=10)
        with closing(other), other.cursor() as cursor:
            cursor.execute("SELECT key_id FROM idempotency_keys WHERE payment_id = %s FOR UPDATE", (payment_id,))

    crossing = threading.Thread(target=cross)

    def lock_meanwhile(instruction: GatewayRequest) -> SendResult:
        with other.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '1min'")  # it is us who are to lose
            cursor.execute("SELECT payment_id FROM payments WHERE payment_id = %s FOR UPDATE", (payment_id,))
        crossing.start()
        return gateway.approve(instruction)

    gateway.script.append(lock_meanwhile)
    yield
    crossing.join(timeout=20)
    assert not crossing.is_alive()
