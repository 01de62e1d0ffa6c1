"""The way in from outside has the limits that deploy/nginx has, and lets in what callers need and nothing else."""

import re
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from payment_service import create_app
from payment_service.config import Settings
from tests.support import manifests
from tests.support.manifests import let_in, resource
from tests.support.processes import ROOT


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return create_app(Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('none')}/none.db", log_level="ERROR"))


def is_let_in(path: str) -> bool:
    whole = [each["path"] for each in let_in() if each["pathType"] == "Exact"]
    begun = [each["path"] for each in let_in() if each["pathType"] == "Prefix"]
    return path in whole or any(f"{path}/".startswith(f"{prefix}/") for prefix in begun)


def test_callers_reach_every_route_and_nobody_outside_the_figures(app: Any) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    for_callers = {rule for rule in rules if re.search(r"payments|keys|health", rule) and not rule.startswith("/ops")}

    assert {rule for rule in for_callers if not is_let_in(rule)} == set()
    assert [path for path in ("/metrics", "/v1/metrics", "/ops") if is_let_in(path)] == []


def test_every_path_that_is_let_in_leads_somewhere(app: Any) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()}

    assert [path["path"] for path in let_in() if not any(rule.startswith(path["path"]) for rule in rules)] == []
    with pytest.raises(NotFound):
        app.url_map.bind("localhost").match("/")


def nginx(directive: str) -> str:
    """The value that deploy/nginx has for a directive."""
    text = "".join(path.read_text() for path in sorted((ROOT / "deploy" / "nginx").rglob("*.*")))
    return str(min(re.findall(rf"^ *{directive} (.+);$", text, re.MULTILINE)))


def test_the_ingress_has_the_limits_of_nginx() -> None:
    notes = {name.partition("/")[2]: value for name, value in resource("Ingress")["metadata"]["annotations"].items()}
    zone = nginx("limit_req_zone")
    same = ("client-max-body-size", "client-body-buffer-size", "proxy-connect-timeout", "proxy-send-timeout")

    for name in (*same, "proxy-next-upstream", "proxy-max-temp-file-size"):
        assert notes[name] == nginx(name.replace("-", "_")), name
    assert f"rate={notes['limit-req-rate']}" in zone
    assert notes["limit-req-key"].strip("${}") in zone
    assert nginx("limit_req") == f"zone=requests burst={notes['limit-req-burst']} nodelay"
    assert notes["limit-req-reject-code"] == nginx("limit_req_status")
    assert notes["proxy-read-timeout"] == f"{manifests.settings()['NGINX_TIMEOUT']}s"


def test_the_controller_is_told_the_rest_of_them() -> None:
    (told,) = manifests.documents(manifests.FOLDER / "controller" / "nginx-config.yaml")
    lines = [line for name in told["data"] if "snippets" in name for line in told["data"][name].splitlines()]

    for directive, value in (line.rstrip(";").split(" ", 1) for line in lines):
        assert value == nginx(directive), directive
    assert told["data"]["keepalive-timeout"] == nginx("keepalive_timeout")
