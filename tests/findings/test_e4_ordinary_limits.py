"""E4: the proxy as an ordinary user starts it, with the usual limit of open files."""

import json
import re
import resource
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from tests.conftest import here
from tests.support.nginx import Nginx
from tests.support.ports import free_port
from tests.support.waiting import wait_until

USUAL_LIMIT = 1024
OTHER_FILES = 20
"""Files that an nginx process has open beside connections: five listeners, logs, its channels to other processes."""


@pytest.fixture
def usual_limit() -> Iterator[None]:
    """Limit the open files of processes that start inside the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("usual_limit")
def test_e4_proxy_prints_no_warning_at_the_usual_limit_of_open_files() -> None:
    """In release 1.0.0 it warned that 2,048 connections exceed 1,024 files, in a line that is no JSON."""
    with closing(Nginx(f"127.0.0.1:{free_port()}")) as nginx:
        assert "exceed" not in nginx.check()
        nginx.start()
        assert requests.get(f"http://127.0.0.1:{nginx.port}/payments", timeout=10).status_code == 502
        wait_until(lambda: "proxy.request" in nginx.lines(), nginx.written)

        assert {json.loads(line)["event"] for line in nginx.written().splitlines()} == {"proxy.request"}


def test_e4_connections_and_other_files_stay_below_the_usual_limit() -> None:
    """Exactly 1,024 connections would bring no warning, but "too many open files" under load."""
    (connections,) = re.findall(r"worker_connections (\d+);", here("deploy/nginx/nginx.conf").read_text())

    assert int(connections) + OTHER_FILES < USUAL_LIMIT


def test_e4_ci_runs_the_proxy_as_an_ordinary_user_too() -> None:
    """Release 1.0.0 was only ever tested as root."""
    script = here(".ci/run").read_text()

    assert "ulimit -Sn 1024" in script
    assert "tests/e2e/test_through_nginx.py" in script
