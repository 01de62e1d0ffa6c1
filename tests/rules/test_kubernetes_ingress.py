"""The ingress has the limits of deploy/nginx, and lets in only the requests that callers need."""

import re
import secrets
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from payment_service.config import Settings
from tests.support import manifests
from tests.support.manifests import let_in, resource
from tests.support.processes import ROOT

SECRETS = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "DB_PASS", "WEBHOOK_SECRET", "GATEWAY_TOKEN")}


def is_let_in(path: str) -> bool:
    whole = [each["path"] for each in let_in() if each["pathType"] == "Exact"]
    begun = [each["path"] for each in let_in() if each["pathType"] == "Prefix"]
    return path in whole or any(f"{path}/".startswith(f"{prefix}/") for prefix in begun)


def test_ingress_admits_every_route_of_callers_and_no_route_of_operators(app: Any) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    for_operators = r"/ops(/|$)|(/v1)?/(metrics$|health/ready$|docs(/|$)|redoc$|openapi\.json$)"
    inside = {rule for rule in rules if re.match(for_operators, rule)}

    assert {"/ops", "/metrics", "/v1/metrics", "/health/ready", "/v1/health/ready", "/docs", "/openapi.json"} <= inside
    assert {rule for rule in rules if is_let_in(rule)} == rules - inside


def test_ingress_has_the_prefix_of_the_pods() -> None:
    told = Settings.from_env(manifests.settings() | SECRETS)

    assert {f"{told.api_prefix}/health", f"{told.api_prefix}/payments"} <= {path["path"] for path in let_in()}


def test_every_admitted_path_is_a_route(app: Any) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}

    assert [path["path"] for path in let_in() if not any(rule.startswith(path["path"]) for rule in rules)] == []
    with pytest.raises(NotFound):
        app.url_map.bind("localhost").match("/")


def nginx(directive: str) -> str:
    """Return the value that deploy/nginx has for a directive, the first of several."""
    return values(directive)[0]


def values(directive: str) -> list[str]:
    """Return all values that deploy/nginx has for a directive."""
    return re.findall(rf"^ *{directive} (.+);$", configured(), re.MULTILINE)


def configured() -> str:
    """Return the text of all files in deploy/nginx."""
    return "".join(path.read_text() for path in sorted((ROOT / "deploy" / "nginx").rglob("*.*")))


def plain(text: str) -> str:
    """Remove remarks, and leave one blank between words."""
    return " ".join(re.sub(r"(^|  ) *#.*$", "", text, flags=re.MULTILINE).split())


def statements(snippet: str) -> list[str]:
    """Return its directives, and its blocks as a whole: each ends with a line that is not indented."""
    ends = re.compile(r"^(?:\S.*;|\})$", re.MULTILINE)
    return [plain(part) for part in re.sub(ends, r"\g<0>\0", snippet).split("\0") if plain(part)]


def controllers() -> dict[str, str]:
    """Return the data of the controller's ConfigMap."""
    (told,) = manifests.documents(manifests.FOLDER / "controller" / "nginx-config.yaml")
    return dict(told["data"])


def test_ingress_has_the_limits_of_nginx() -> None:
    notes = {name.partition("/")[2]: value for name, value in resource("Ingress")["metadata"]["annotations"].items()}
    zone = nginx("limit_req_zone")
    same = (
        "proxy-connect-timeout", "proxy-send-timeout", "proxy-buffer-size", "proxy-buffers",
        "proxy-next-upstream", "proxy-next-upstream-tries", "proxy-max-temp-file-size",
    )  # fmt: skip
    sizes = ("client-max-body-size", "client-body-buffer-size")
    assert {name: notes[name] for name in same} == {name: nginx(name.replace("-", "_")) for name in same}
    # One Ingress has one size: that of webhooks. The service itself holds callers to theirs.
    assert {name: values(name.replace("-", "_")) for name in sizes} == {name: ["64k", notes[name]] for name in sizes}
    assert f"rate={notes['limit-req-rate']}" in zone
    assert notes["limit-req-key"].strip("${}") in zone
    assert nginx("limit_req") == f"zone=requests burst={notes['limit-req-burst']} nodelay"
    assert notes["limit-req-reject-code"] == nginx("limit_req_status")
    assert f'https "max-age={notes["hsts-max-age"]}";' in configured()
    assert (notes["hsts"], notes["ssl-redirect"]) == ("true", "true")
    assert notes["proxy-read-timeout"] == f"{manifests.settings()['NGINX_TIMEOUT']}s"


def test_controller_has_the_other_settings_of_nginx() -> None:
    told = controllers()
    snippets = statements(told["http-snippets"]) + statements(told["location-snippets"])
    same = ("keepalive-timeout", "ssl-protocols", "ssl-ciphers", "real-ip-header")
    assert [each for each in snippets if f" {each}" not in plain(configured())] == []
    assert len(snippets) == 17
    assert {name: told[name] for name in same} == {name: nginx(name.replace("-", "_")) for name in same}
    assert (told["real-ip-recursive"], nginx("real_ip_recursive")) == ("true", "on")


def test_log_format_of_the_controller_equals_that_of_nginx_without_secrets() -> None:
    told = controllers()
    # The controller puts each line in quotes, with a blank before all but the first.
    lines = "".join(f" '{line}'" for line in told["log-format"].replace("\n", "\n ").split("\n"))
    ours = plain(configured()).partition("log_format line")[2].partition(";")[0]

    assert f"escape={told['log-format-escaping']}" in ours
    assert "".join(re.findall("'([^']*)'", lines)) == "".join(re.findall("'([^']*)'", ours))
    assert "error_log /dev/null crit;" in statements(told["http-snippets"])
