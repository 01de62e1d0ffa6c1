"""Production refuses each open edge by name. Release 1.0.0 started with connections that others can read."""

from pathlib import Path

import pytest

from payment_service import create_app
from payment_service.config import ConfigurationError, Settings
from payment_service.config_production import overrides_in_use
from tests.conftest import Lines
from tests.unit.test_config_production import PRODUCTION, faults_of

RANDOM = "8Jq2vXn7RkLw4TzB6yHdS9cGfM3pA1eU"

OPEN = {
    "ALLOW_PLAIN_GATEWAY": {"GATEWAY_URL": "http://gateway.test"},
    "ALLOW_GATEWAY_WITHOUT_TOKEN": {"GATEWAY_TOKEN": ""},
    "ALLOW_PLAIN_SERVICES": {"TRIP_SERVICE_URL": "http://trips.test"},
    "ALLOW_UNSIGNED_WEBHOOKS": {"ORDER_SERVICE_URL": "https://orders.test"},
    "ALLOW_PLAIN_DATABASE": {"DATABASE_URL": "postgresql://payments:Qm7sd0qk1@db/payments?sslmode=disable"},
    "ALLOW_PLAIN_BROKERS": {"RABBITMQ_ENABLED": "true", "RABBITMQ_PASSWORD": RANDOM},
    "ALLOW_ANY_AUDIENCE": {"JWT_AUDIENCE": ""},
    "ALLOW_SQLITE": {"DATABASE_URL": "sqlite:///x.db"},
    "ALLOW_SIMULATED_GATEWAY": {"GATEWAY_URL": ""},
    "ALLOW_STRIPE_TEST_MODE": {
        "STRIPE_API_KEY": "sk_test_" + "x" * 24,
        "GUNICORN_TIMEOUT": "52",
        "NGINX_TIMEOUT": "55",
        "LEASE_SECONDS": "60",
    },
    "ALLOW_MOLLIE_TEST_MODE": {"MOLLIE_API_KEY": "test_" + "x" * 24},
}
"""The effect of each override."""


@pytest.mark.parametrize("override", OPEN)
def test_s7_open_edge_is_refused_by_name_and_allowed_by_its_override(override: str) -> None:
    (fault,) = faults_of(PRODUCTION | OPEN[override])

    assert f"({override}=true overrides)." in fault
    settings = Settings.from_env(PRODUCTION | OPEN[override] | {override: "true"})
    assert overrides_in_use(settings) == [override]


def test_s7_every_override_of_the_settings_is_tried() -> None:
    assert {name.upper() for name in vars(Settings(database_url="sqlite://")) if name.startswith("allow_")} == {*OPEN}


def test_s7_override_without_an_effect_is_not_reported() -> None:
    assert overrides_in_use(Settings.from_env(PRODUCTION | dict.fromkeys(OPEN, "true"))) == []


def test_s7_start_warns_once_of_each_override(tmp_path: Path, lines: Lines) -> None:
    allowed = {"ALLOW_SQLITE": "true", "ALLOW_SIMULATED_GATEWAY": "true", "ALLOW_PLAIN_SERVICES": "true"}
    database = {"DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "GATEWAY_URL": ""}
    create_app(Settings.from_env(PRODUCTION | allowed | database))

    warned = [line["setting"] for line in lines() if line["event"] == "production.override"]
    assert warned == ["ALLOW_SIMULATED_GATEWAY", "ALLOW_SQLITE"]


@pytest.mark.parametrize(
    "change",
    [
        {"DATABASE_URL": "postgresql://payments:Qm7sd0qk1@/payments?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql://payments:Qm7sd0qk1@db/payments?sslmode=require"},
        {"RABBITMQ_ENABLED": "true", "RABBITMQ_URL": f"amqps://payments:{RANDOM}@broker/"},
        {"ORDER_SERVICE_URL": "https://orders.test", "ORDER_WEBHOOK_SECRET": RANDOM},
        {"ORDER_SERVICE_URL": "https://orders.test", "WEBHOOK_SECRET": RANDOM},
    ],
)
def test_s7_closed_edge_is_accepted(change: dict[str, str]) -> None:
    assert overrides_in_use(Settings.from_env(PRODUCTION | change)) == []


def test_s7_kafka_without_tls_is_refused() -> None:
    environ = PRODUCTION | {"KAFKA_BROKERS": "broker:9092", "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}
    named = environ | {"KAFKA_SASL_USERNAME": "payments", "KAFKA_SASL_PASSWORD": RANDOM}

    assert any("ALLOW_PLAIN_BROKERS" in fault for fault in faults_of(named))
    assert not any("ALLOW_PLAIN" in fault for fault in _faults(named | {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}))


def _faults(environ: dict[str, str]) -> list[str]:
    try:
        Settings.from_env(environ)
    except ConfigurationError as error:
        return list(error.faults)
    return []
