"""kill -9 of the deployed web server, all its processes at once, at any moment under load."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from random import Random

import pytest

from tests.crash.load import Load
from tests.crash.oracle import Oracle
from tests.crash.scenario import Environment
from tests.crash.stages import DATABASES, Database
from tests.crash.tables import Ledger, Tables
from tests.support.ports import free_port
from tests.support.processes import Service, flask
from tests.support.simulator import running_simulator
from tests.support.waiting import wait_until

KILLS = 3

IMPATIENT = {
    "GATEWAY_CONNECT_TIMEOUT": "0.3",
    "GATEWAY_READ_TIMEOUT": "0.5",
    "GUNICORN_TIMEOUT": "3",
    "NGINX_TIMEOUT": "4",
    "LEASE_SECONDS": "5",
}
"""Leases that the trial can wait for, and all other limits shorter in their turn."""


@pytest.fixture(params=DATABASES)
def settings(request: pytest.FixtureRequest, environment: Environment) -> Iterator[dict[str, str]]:
    """Yield the environment of a service with a bank of its own on an empty database, but for its port."""
    database: Database = request.param
    home = environment.home / f"gunicorn-{database}"
    home.mkdir()
    with ExitStack() as stack:
        bank = stack.enter_context(running_simulator(home))
        url = stack.enter_context(environment.database(database, "crash_gunicorn"))
        yield {"DATABASE_URL": url, "GATEWAY_URL": bank.url, "TMPDIR": str(home), **IMPATIENT}


def test_death_of_the_web_server_loses_no_money(settings: dict[str, str], environment: Environment) -> None:
    random = Random()
    port = free_port()
    load = Load("gunicorn", port, clients=6)

    def serve_and_kill() -> None:
        for last in [False] * KILLS + [True]:
            service = Service.gunicorn({**settings, "BIND": f"127.0.0.1:{port}"})
            stack.callback(service.close)
            paid = load.paid
            wait_until(lambda paid=paid: load.paid >= paid + 10, service.last_words)  # type: ignore[misc]
            if not last:
                time.sleep(random.uniform(0, 0.1))
                service.close()

    home = settings["TMPDIR"]
    with ExitStack() as stack, closing(Ledger(f"{home}/gateway.sqlite")) as ledger:
        intents = load.during(serve_and_kill)
        flask("recover", settings=settings)
        with closing(Tables(settings["DATABASE_URL"])) as tables:
            violations = Oracle(tables, ledger, intents).judge()

    assert not violations
    assert all(intent.finals for intent in intents)
    assert load.refused
