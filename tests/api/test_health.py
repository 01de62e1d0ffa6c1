import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from payment_service import clock
from payment_service.models import schema_information
from payment_service.services import readiness
from payment_service.services.readiness import PATIENCE
from tests.conftest import MakeApp, dependencies_of, migrate
from tests.support.postgres import plainly

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
NOWHERE = "postgresql+psycopg2://nobody:nothing@127.0.0.1:9/none"
WHO = {"service": "payment-service", "version": "1.0.0"}


@pytest.fixture
def listening() -> Iterator[int]:
    """Open a port that accepts connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(("path", "word"), [("/health", "healthy"), ("/health/live", "alive")])
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_liveness_of_a_running_process_answers_200(client: FlaskClient, prefix: str, path: str, word: str) -> None:
    answer = client.get(prefix + path)
    body = answer.get_json()
    assert answer.status_code == 200
    assert MOMENT.fullmatch(body.pop("timestamp"))
    assert body == {"status": word, **WHO}
    assert list(answer.get_json())[:3] == ["status", "service", "version"]


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_readiness_shows_every_check(client: FlaskClient, prefix: str) -> None:
    answer = client.get(f"{prefix}/health/ready")
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "ready"
    assert answer.get_json()["checks"] == {"database": True, "migrations": True, "rabbitmq": True, "kafka": True}


def test_health_is_served_below_an_own_prefix_too(make_app: MakeApp) -> None:
    client = make_app(api_prefix="/rides").test_client()
    paths = ("/health", "/rides/health", "/v1/health", "/rides/health/live", "/rides/health/ready")
    assert {path: client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)


def test_process_that_can_start_no_thread_is_not_ready_at_once(client: FlaskClient) -> None:
    began = clock.monotonic()
    with patch.object(readiness, "Thread") as thread:
        thread.return_value.start.side_effect = RuntimeError("can't start new thread")
        answer = client.get("/health/ready")
    assert (answer.status_code, answer.get_json()["checks"]["database"]) == (503, False)
    assert clock.monotonic() - began < PATIENCE
    assert client.get("/health/ready").status_code == 200


def test_process_without_a_database_is_live_and_not_ready(make_app: MakeApp) -> None:
    client = make_app(database_url=NOWHERE).test_client()
    ready = client.get("/health/ready")
    assert client.get("/health").status_code == client.get("/health/live").status_code == 200
    assert ready.status_code == 503
    assert ready.get_json()["status"] == "not_ready"
    assert ready.get_json()["checks"] == {"database": False, "migrations": False, "rabbitmq": True, "kafka": True}


def test_service_is_not_ready_without_tables(make_app: MakeApp, tmp_path: Path) -> None:
    answer = make_app(database_url=f"sqlite:///{tmp_path}/empty.db").test_client().get("/health/ready")
    assert answer.status_code == 503
    assert answer.get_json()["checks"]["database"] is True
    assert answer.get_json()["checks"]["migrations"] is False


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_service_is_ready_while_a_migration_locks_the_payments(client: FlaskClient, database_url: str) -> None:
    with closing(plainly(database_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        assert client.get("/health/ready").get_json()["checks"]["database"]


def test_service_is_not_ready_while_an_enabled_broker_is_down(make_app: MakeApp, listening: int) -> None:
    on = {"rabbitmq_enabled": True, "rabbitmq_host": "127.0.0.1", "rabbitmq_port": listening}
    well = make_app(**on, kafka_brokers=f"127.0.0.1:9,127.0.0.1:{listening}").test_client().get("/health/ready")
    ill = make_app(**{**on, "rabbitmq_port": 9}, kafka_brokers="127.0.0.1:9").test_client().get("/health/ready")
    assert (well.status_code, well.get_json()["checks"]["rabbitmq"], well.get_json()["checks"]["kafka"]) == (
        200,
        True,
        True,
    )
    assert (ill.status_code, ill.get_json()["checks"]["rabbitmq"], ill.get_json()["checks"]["kafka"]) == (
        503,
        False,
        False,
    )


def test_service_is_ready_without_a_broker_when_the_request_leaves_brokers_out(make_app: MakeApp) -> None:
    client = make_app(rabbitmq_enabled=True, rabbitmq_host="127.0.0.1", rabbitmq_port=9).test_client()
    spared = client.get("/health/ready?without=brokers")
    assert (spared.status_code, spared.get_json()["status"]) == (200, "ready")
    assert spared.get_json()["checks"] == {"database": True, "migrations": True, "rabbitmq": None, "kafka": True}
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/ready?without=database").status_code == 422
    away = make_app(database_url=NOWHERE).test_client()
    assert away.get("/health/ready?without=brokers").status_code == 503


MANY_BROKERS = {
    "rabbitmq_enabled": True,
    "rabbitmq_host": "rabbit.invalid",
    "kafka_brokers": ",".join(f"kafka-{number}.invalid:9092" for number in range(5)),
}


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Make connections hang, as to brokers that drop packets; return the hosts that were asked for."""
    asked: list[str] = []
    end = threading.Event()

    def hang(address: tuple[str, int], _timeout: float) -> socket.socket:
        asked.append(address[0])
        end.wait(3)
        raise TimeoutError

    monkeypatch.setattr("payment_service.services.readiness.socket.create_connection", hang)
    yield asked
    end.set()


def test_broker_that_the_request_leaves_out_is_not_checked(make_app: MakeApp, silence: list[str]) -> None:
    """The checks ran one after the other: five silent brokers outlasted the probe, and pods fell out of service."""
    answer = make_app(**MANY_BROKERS).test_client().get("/health/ready?without=brokers")

    assert (answer.status_code, silence) == (200, [])
    assert (answer.get_json()["checks"]["rabbitmq"], answer.get_json()["checks"]["kafka"]) == (None, None)


def test_check_of_all_brokers_takes_at_most_one_second(make_app: MakeApp, silence: list[str]) -> None:
    client = make_app(**MANY_BROKERS).test_client()
    begun = clock.monotonic()
    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert (answer.get_json()["checks"]["rabbitmq"], answer.get_json()["checks"]["kafka"]) == (False, False)
    assert clock.monotonic() - begun < 2 * PATIENCE
    assert len(silence) == 6


def test_silent_broker_holds_one_thread_at_any_number_of_readiness_requests(
    make_app: MakeApp, silence: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_service.services.readiness.PATIENCE", 0.01)
    client = make_app(**MANY_BROKERS).test_client()
    before = threading.active_count()
    assert [client.get("/health/ready").status_code for _ in range(5)] == [503] * 5
    assert threading.active_count() - before <= 6
    assert sorted(silence) == sorted({*silence})


def test_service_is_ready_again_when_the_broker_returns(
    make_app: MakeApp, listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(kafka_brokers=f"127.0.0.1:{listening}").test_client()
    with monkeypatch.context() as away:
        away.setattr("payment_service.services.readiness.socket.create_connection", _refuse)
        assert client.get("/health/ready").status_code == 503

    assert client.get("/health/ready").status_code == 200


def _refuse(*_: object) -> socket.socket:
    raise ConnectionRefusedError


def test_broker_with_an_impossible_name_counts_as_down(make_app: MakeApp) -> None:
    """Such a name is an error of spelling, not of the network, and was answered 500."""
    answer = make_app(rabbitmq_enabled=True, rabbitmq_host="rabbit..mq").test_client().get("/health/ready")

    assert (answer.status_code, answer.get_json()["checks"]["rabbitmq"]) == (503, False)


@pytest.mark.parametrize(
    ("version", "min_code", "status"),
    [("0001", "0001", 503), ("9999", "0008", 200), ("9999", "9998", 503), ("another", "0008", 503)],
)
def test_service_is_ready_with_newer_compatible_tables_and_not_with_older_ones(
    make_app: MakeApp, tmp_path: Path, version: str, min_code: str, status: int
) -> None:
    migrate(url := f"sqlite:///{tmp_path}/other.db")
    app = make_app(database_url=url)
    with app.app_context(), dependencies_of(app).database.atomic("test") as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
        connection.execute(schema_information.update().values(min_code=min_code))
    answer = app.test_client().get("/health/ready")
    assert answer.status_code == status
    assert answer.get_json()["checks"]["migrations"] is (status == 200)


def test_readiness_shows_downstream_services_without_secrets(make_app: MakeApp) -> None:
    app = make_app(
        driver_service_url="http://localhost:8083", rider_service_url="http://u5er:pa55word@localhost:8084/base"
    )
    answer = app.test_client().get("/health/ready")
    assert answer.get_json()["services"]["driver"] == "http://localhost:8083"
    assert answer.get_json()["services"]["rider"] == "http://localhost:8084/base"
    assert answer.get_json()["services"]["trip"] is None
    assert "pa55word" not in answer.text


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("https://trips.internal:8443/base?api_key=s3cret#s3cret", "https://trips.internal:8443/base"),
        ("https://s3cret@trips.internal/base", "https://trips.internal/base"),
        ("https://u:s3cret@s3cret@[::1]:8443?s3cret", "https://[::1]:8443"),
    ],
)
def test_readiness_shows_an_address_without_credentials_and_query(make_app: MakeApp, told: str, shown: str) -> None:
    answer = make_app(trip_service_url=told).test_client().get("/health/ready")

    assert answer.get_json()["services"]["trip"] == shown
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/v1/health"])
def test_health_answers_200_without_a_token_and_with_a_bad_one(make_app: MakeApp, path: str) -> None:
    client = make_app(auth_open_channels=frozenset()).test_client()
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"Authorization": "Bearer nonsense"}).status_code == 200


def test_health_shows_the_service_name_of_the_settings(make_app: MakeApp) -> None:
    body = make_app(service_name="payments-eu", service_version="2.1.0").test_client().get("/health").get_json()
    assert (body["service"], body["version"]) == ("payments-eu", "2.1.0")


def test_health_is_never_cached(client: FlaskClient) -> None:
    assert client.get("/health").headers["Cache-Control"] == "no-store"
