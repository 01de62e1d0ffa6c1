"""The manifests are prepared for slow gateways, new releases and full databases."""

import ipaddress
import re
import secrets
from typing import Any

import pytest

from payment_service.config import Settings
from payment_service.services.readiness import DATABASE_PATIENCE, PATIENCE
from tests.support import manifests
from tests.support.manifests import PRODUCTION, Manifest, before, container, kustomization, resource, resources
from tests.support.processes import ROOT

SECRETS = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "DB_PASS", "WEBHOOK_SECRET", "GATEWAY_TOKEN")}
WORKERS = ("payment-service-relay", "payment-service-recover")
PODS = dict(manifests.pods())


@pytest.fixture
def told() -> Settings:
    return Settings.from_env(manifests.settings() | SECRETS)


def test_slow_gateway_fails_neither_liveness_nor_readiness() -> None:
    """Probes have threads of their own: tests/faults/test_frozen_database.py. They wait for database and brokers."""
    runs = container(PODS["payment-service"])

    assert runs["livenessProbe"]["tcpSocket"], "asks no thread"
    assert runs["readinessProbe"]["timeoutSeconds"] > DATABASE_PATIENCE + PATIENCE
    assert runs["readinessProbe"]["failureThreshold"] > 1


@pytest.mark.parametrize("name", WORKERS)
def test_init_container_has_the_same_image_and_rights(name: str) -> None:
    (waiting,), runs = before(PODS[name]), container(PODS[name])

    assert waiting.keys() == {"name", "command"} | {
        same for same in runs if same in waiting and waiting[same] == runs[same]
    }
    assert {"image", "envFrom", "securityContext", "resources", "volumeMounts"} <= waiting.keys()


def most_connections(told: Settings) -> int:
    """Return the connections that all pods may hold during a rollout, each scaled to its maximum plus one."""
    (patch,) = [
        each for each in kustomization(PRODUCTION)["patches"] if each["target"]["kind"].startswith("Horizontal")
    ]
    web: int = manifests.patched(patch)["spec"]["maxReplicas"]
    web += resource("Deployment")["spec"]["strategy"]["rollingUpdate"]["maxSurge"]
    workers: int = sum(resource("Deployment", name)["spec"]["replicas"] + 1 for name in WORKERS)
    jobs = len(resources("Job", "CronJob"))
    return web * told.web_workers * told.db_pool_size + workers * (told.db_pool_size + 1) + jobs


def test_manifests_state_the_number_of_database_connections(told: Settings) -> None:
    text = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text()
    granted = re.search(r"`max_connections = (\d+)`", text)

    assert f"{most_connections(told)} connections" in text
    assert granted
    assert int(granted[1]) > most_connections(told)


def allowed(address: str, port: int) -> bool:
    """Return whether a pod may open a connection to an address outside the cluster."""
    at = ipaddress.ip_address(address)
    return any(
        port in {each["port"] for each in rule["ports"]}
        and at in ipaddress.ip_network(block["cidr"])
        and not any(at in ipaddress.ip_network(each) for each in block.get("except", []))
        for rule in resource("NetworkPolicy")["spec"]["egress"]
        for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to)
    )


@pytest.mark.parametrize("address", ["10.1.2.3", "203.0.113.9", "2001:db8::9", "fd12::9"])
@pytest.mark.parametrize("port", [5432, 6432, 5671, 5672, 9092, 9093, 9094, 443])
def test_pod_reaches_databases_brokers_and_gateways_over_ipv4_and_ipv6(address: str, port: int) -> None:
    assert allowed(address, port)
    assert not allowed(address, 22)


def test_pod_reaches_the_name_server_of_its_node() -> None:
    assert allowed("169.254.20.10", 53)


@pytest.mark.parametrize("address", ["169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fe80::a9fe:a9fe"])
def test_pod_reaches_no_metadata_of_the_cloud(address: str) -> None:
    assert [port for port in (53, 80, 443, 5432) if allowed(address, port)] == []


def policy_ports() -> set[Any]:
    rules: list[Manifest] = resource("NetworkPolicy")["spec"]["egress"]
    return {each["port"] for rule in rules for each in rule.get("ports", [])}


def test_every_default_port_is_allowed_out(told: Settings) -> None:
    assert {told.rabbitmq_port, int(manifests.settings()["DB_PORT"])} <= policy_ports()
