"""S5: of all that runs, the proxy's port alone can be reached from other machines.

Release 1.0.0 published the database and five more.
"""

import re
from itertools import chain
from typing import Any

import yaml

from tests.conftest import here
from tests.support.manifests import resource, resources
from tests.support.nginx import rendered

OWN = "127.0.0.1"


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(here("docker-compose.yml").read_text())["services"]
    return services


def published() -> dict[str, list[tuple[str, str]]]:
    """Return the addresses and inner ports that each service publishes."""
    ports = {name: service.get("ports", []) for name, service in compose().items()}
    return {name: [parts(port) for port in of] for name, of in ports.items() if of}


def parts(port: str) -> tuple[str, str]:
    """Return the address and the inner port; a variable by its name, with a dollar sign."""
    address, _, inner = re.sub(r"\$\{(\w+):-[^}]*\}", r"$\1", port).split(":")
    return address, inner


def test_s5_compose_publishes_only_the_port_of_the_proxy() -> None:
    """In release 1.0.0 PUBLISH_ADDRESS published PostgreSQL, and five ports without TLS."""
    outward = {name: [port for address, port in ports if address != OWN] for name, ports in published().items()}

    assert {name for name, ports in outward.items() if ports} == {"nginx"}
    assert set(outward["nginx"]) == {"8082", "8443"}
    assert {address for address, _ in chain(*published().values())} == {"$PUBLISH_ADDRESS", OWN}
    assert "${PUBLISH_ADDRESS:-127.0.0.1}:" in compose()["nginx"]["ports"][0]


def test_s5_database_stays_on_this_machine() -> None:
    """In release 1.0.0 it was published with its superuser."""
    assert published()["database"] == [(OWN, "5432")]


def test_s5_no_container_shares_the_hosts_network() -> None:
    """None did in release 1.0.0."""
    assert [name for name, service in compose().items() if {"network_mode", "privileged", "pid"} & service.keys()] == []


def test_s5_every_published_port_with_a_certificate_serves_tls_or_redirects_to_it() -> None:
    """Release 1.0.0 spoke plain HTTP on all of them."""
    listen = compose()["nginx"]["environment"]["LISTEN"]
    given = {"LISTEN": listen, "TLS_CERTIFICATE": "/run/tls/certificate.pem", "TLS_CERTIFICATE_KEY": "/run/tls/key.pem"}
    text = rendered(given)

    assert text.count(f"{listen}; listen 8443 ssl;") == 2
    assert 'map "on:$told_scheme:$scheme:$uri" $is_sent_to_https' in text
    assert "if ($is_sent_to_https)" in text


def test_s5_compose_gives_nginx_what_the_variants_need() -> None:
    """Release 1.0.0 had no variants."""
    nginx = compose()["nginx"]
    variants = {"TLS_CERTIFICATE", "TLS_CERTIFICATE_KEY", "TLS_PORT", "NGINX_TRUSTED_PROXIES"}

    assert variants <= nginx["environment"].keys()
    assert "./deploy/nginx/variants.envsh:/docker-entrypoint.d/16-variants.envsh:ro" in nginx["volumes"]
    assert here("deploy/nginx/variants.envsh").stat().st_mode & 0o111, "the image skips what is not executable"
    inside = {volume.rsplit(":", 2)[1] for volume in nginx["volumes"]}
    assert {"/run/tls/certificate.pem", "/run/tls/key.pem"} <= inside


def test_s5_kubernetes_publishes_only_the_ingress() -> None:
    """It was so in release 1.0.0."""
    assert resource("Service")["spec"].get("type", "ClusterIP") == "ClusterIP"
    callers = resources("NetworkPolicy")[1]["spec"]["ingress"]
    assert all(rule.get("from") for each in resources("NetworkPolicy") for rule in each["spec"]["ingress"])
    assert [port["port"] for rule in callers for port in rule["ports"]] == ["http"]
