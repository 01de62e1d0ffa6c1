"""Docker Compose starts brokers only on request."""

from typing import Any

import pytest
import yaml

from payment_service.config import Settings
from tests.conftest import here

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(here("docker-compose.yml").read_text())["services"]
BROKERS = ("rabbitmq", "kafka")


def test_brokers_start_only_with_their_profile() -> None:
    assert {name for name, service in SERVICES.items() if service.get("profiles")} == set(BROKERS)
    assert all(SERVICES[name]["profiles"] == ["brokers"] for name in BROKERS)


@pytest.mark.parametrize("name", BROKERS)
def test_broker_has_a_health_check_and_a_volume(name: str) -> None:
    service = SERVICES[name]

    assert service["healthcheck"]["test"][0] == "CMD"
    assert [volume.partition(":")[0] for volume in service["volumes"]] == [name]


def test_rabbitmq_finds_its_data_in_a_new_container() -> None:
    assert SERVICES["rabbitmq"]["hostname"] == "rabbitmq"


def test_kafka_runs_without_zookeeper_under_its_advertised_name() -> None:
    environment = SERVICES["kafka"]["environment"]

    assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
    advertised = environment["KAFKA_ADVERTISED_LISTENERS"].removeprefix("PLAINTEXT://")
    assert Settings.from_env({"KAFKA_BROKERS": advertised}).kafka_brokers == advertised == "kafka:9092"
    assert environment["KAFKA_LOG_DIRS"] == SERVICES["kafka"]["volumes"][0].partition(":")[2]


def test_worker_starts_without_waiting_for_a_broker() -> None:
    worker = SERVICES["worker"]

    assert "worker" in worker["command"]
    assert not set(BROKERS) & worker["depends_on"].keys()
    assert {"RABBITMQ_ENABLED", "KAFKA_BROKERS", "WEBHOOK_SECRET"} <= worker["environment"].keys()


def test_health_check_of_the_worker_calls_its_own_port() -> None:
    worker = SERVICES["worker"]

    _, _, port = worker["command"][worker["command"].index("--metrics") + 1].rpartition(":")
    assert worker["healthcheck"]["test"][:3] == ["CMD", "python", "-c"]
    assert f"'http://127.0.0.1:{port}/metrics'" in worker["healthcheck"]["test"][3]
