"""Programs accept the files that build, start and front the service, and the files keep their promises."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from payment_service.config import Settings
from tests.support.nginx import Nginx, nginx_program

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of the test environment on the repository."""
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return content


@pytest.fixture
def nginx() -> Iterator[Nginx]:
    proxy = Nginx("127.0.0.1:9")
    yield proxy
    proxy.close()


def test_dockerfile_has_no_known_fault() -> None:
    result = run(TOOLS / "hadolint", "Dockerfile")

    assert (result.returncode, result.stdout) == (0, "")


def test_image_runs_without_root_and_with_exec_form_commands() -> None:
    instructions = (ROOT / "Dockerfile").read_text()
    last_stage = instructions[instructions.rindex("FROM ") :]

    assert re.search(r"^USER \d+$", last_stage, re.MULTILINE)
    assert re.findall(r"^(?:CMD|ENTRYPOINT) (?!\[)|HEALTHCHECK.*\n? *CMD (?!\[)", last_stage, re.MULTILINE) == []
    assert "--require-hashes" in instructions


def test_files_that_the_image_copies_pass_the_dockerignore() -> None:
    let_in = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert [name for name in let_in if not (ROOT / name).exists()] == []
    assert not {".env", ".git", "simulator/", "tests"} & set(let_in)


def test_compose_accepts_its_file() -> None:
    result = run(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")

    assert result.returncode == 0, result.stdout


def test_service_can_be_scaled(compose: dict[str, Any]) -> None:
    service = compose["services"]["payment-service"]

    assert not {"container_name", "ports"} & service.keys()
    assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert service["depends_on"]["database"]["condition"] == "service_healthy"


def test_container_has_time_to_drain_and_to_finish_a_charge(compose: dict[str, Any]) -> None:
    service = compose["services"]["payment-service"]
    grace, drained = int(service["stop_grace_period"].removesuffix("s")), float(service["environment"]["DRAIN_SECONDS"])
    template = (ROOT / "deploy" / "nginx" / "templates" / "payment-service.conf.template").read_text()
    (known_for,) = re.findall(r"resolver .* valid=(\d+)s", template)

    assert drained > int(known_for)
    assert grace > drained + Settings.from_env({}).gunicorn_timeout


def test_compose_has_no_secret_of_its_own(compose: dict[str, Any]) -> None:
    secrets = {
        name: value
        for service in compose["services"].values()
        for name, value in service.get("environment", {}).items()
        if value and re.search(r"PASS|SECRET|KEY", name)
    }
    allowed = re.compile(r"\$\{[A-Z_]+(:\?[^}]+|:-guest|:\+/run/tls/[a-z.]+)\}")
    assert secrets
    assert {name: value for name, value in secrets.items() if not allowed.fullmatch(value)} == {}


def test_nginx_accepts_its_configuration(nginx: Nginx) -> None:
    assert "test is successful" in nginx.check()


LIMITS = {
    "client_max_body_size": "64k",
    "client_body_buffer_size": "64k",
    "client_header_timeout": "5s",
    "client_body_timeout": "5s",
    "send_timeout": "10s",
    "keepalive_timeout": "15s",
    "large_client_header_buffers": "4 8k",
    "limit_conn": "connections 20",
    "limit_req": "zone=requests burst=100 nodelay",
    "proxy_request_buffering": "on",
    "proxy_buffering": "on",
    "proxy_connect_timeout": "1s",
    "proxy_next_upstream": "error timeout",
    "proxy_next_upstream_tries": "2",
    "ignore_invalid_headers": "on",
    "underscores_in_headers": "off",
    "server_tokens": "off",
}


@pytest.mark.parametrize(("directive", "value"), LIMITS.items())
def test_nginx_has_every_limit(directive: str, value: str) -> None:
    configuration = "".join(path.read_text() for path in sorted((ROOT / "deploy" / "nginx").rglob("*.*")))

    assert value in re.findall(rf"^ *{directive} (.+);$", configuration, re.MULTILINE)


def test_missing_nginx_skips_the_test_and_fails_it_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="NGINX IS MISSING"):
        nginx_program()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="NGINX IS MISSING"):
        nginx_program()


def test_nginx_time_out_follows_the_settings(compose: dict[str, Any]) -> None:
    promised = Settings.from_env({}).nginx_timeout

    assert compose["services"]["nginx"]["environment"]["READ_TIMEOUT"] == f"${{NGINX_TIMEOUT:-{promised}}}"


def test_package_has_the_version_that_health_reports() -> None:
    package = ConfigParser(interpolation=None)
    package.read(ROOT / "setup.cfg")

    assert package["metadata"]["version"] == Settings.from_env({}).service_version


@pytest.mark.parametrize("script", ["bin/run", ".ci/run"])
def test_scripts_are_executable_and_can_be_parsed(script: str) -> None:
    shell = shutil.which((ROOT / script).read_text().splitlines()[0].split("/")[-1].split()[-1])

    assert (ROOT / script).stat().st_mode & 0o111
    assert shell
    assert run(shell, "-n", script).stderr == ""


def test_make_lists_its_targets() -> None:
    listed = run("make", "--no-print-directory").stdout

    wanted = {"run", "test", "lint", "check", "lock", "postman", "clean"}
    assert wanted <= set(re.findall(r"^  make ([a-z0-9-]+)", listed, re.MULTILINE))
