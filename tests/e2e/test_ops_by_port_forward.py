"""The operations pages as operators of a cluster open them: through a tunnel to a pod, on localhost and without TLS."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import requests

from tests.support.chromium import Chromium, chromium_programs
from tests.support.ops_pictures import sign_in
from tests.support.ports import free_port, listens
from tests.support.processes import Service, flask
from tests.support.tokens import SECRET
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start a service with production's strict rules, on an embedded file."""
    chromium_programs()
    home, port = tmp_path_factory.mktemp("tunnel"), free_port()
    settings = {"ENVIRONMENT": "production", "ALLOW_SQLITE": "true", "ALLOW_SIMULATED_GATEWAY": "true"}
    settings |= {"ALLOW_ANY_AUDIENCE": "true"}
    settings |= {"SECRET_KEY": secrets.token_urlsafe(48), "JWT_SECRET_KEY": SECRET, "DOTENV_READ": "1"}
    settings |= {"DATABASE_URL": f"sqlite:///{Path(home)}/p.db", "SERVICE_PORT": str(port), "TMPDIR": str(home)}
    flask("db", "upgrade", settings=settings)
    with closing(Service.gunicorn(settings)) as service:
        wait_until(lambda: listens(port), service.last_words)
        assert requests.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code == 200, service.last_words()
        yield port


def test_cookie_is_kept_on_localhost_without_tls(port: int) -> None:
    with ExitStack() as stack:
        browser = Chromium()
        stack.callback(browser.close)
        sign_in(browser, f"http://localhost:{port}")
        said = "return document.body ? document.body.innerText : ''"
        wait_until(lambda: "maria" in str(browser.run(said)), lambda: str(browser.run(said)))
