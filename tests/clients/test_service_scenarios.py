"""Every scenario against the service, through a network that loses answers, with a gateway that counts the money."""

import re
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.clients.faulty_network import FaultyNetwork, faulty_network
from tests.clients.scenarios import BY_NAME, each_at_the_service, play
from tests.clients.typescript_project import Project
from tests.clients.under_test import Client
from tests.support.examples import SHOWN_AT
from tests.support.markdown import Document
from tests.support.memory import directory
from tests.support.ports import free_port, listens
from tests.support.processes import ROOT, Service, flask
from tests.support.simulator import Simulator, running_simulator
from tests.support.tokens import SECRET
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def bank(client: Client) -> Iterator[Simulator]:
    """Run a gateway for each client, and so a database: both clients play the same keys."""
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="client-", dir=directory()))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        yield stack.enter_context(running_simulator(home))


@pytest.fixture(scope="module")
def network(bank: Simulator) -> Iterator[FaultyNetwork]:
    """Open a network to a service on SQLite; the next request takes over unfinished work."""
    port = free_port()
    settings = {
        "ENVIRONMENT": "development",
        "BIND": f"127.0.0.1:{port}",
        "DATABASE_URL": f"sqlite:///{bank.home}/payments.db",
        "TMPDIR": str(bank.home),
        "DOTENV_READ": "1",
        "GATEWAY_URL": bank.url,
        "IDEMPOTENCY_WAIT": "0.1",
        "JWT_SECRET_KEY": SECRET,
        "WEB_CONCURRENCY": "1",
    }
    flask("db", "upgrade", settings=settings)
    with ExitStack() as stack:
        service = Service.gunicorn(settings)
        stack.callback(service.close)
        wait_until(lambda: listens(port), service.last_words)
        yield stack.enter_context(faulty_network(port))


@contextmanager
def troubled(bank: Simulator, fault: Any) -> Iterator[None]:
    """Do a scenario's changes to the gateway for the block."""
    coming = threading.Timer(1.0, bank.start)
    if isinstance(fault, dict):
        bank.arm(**fault)
    if fault == "away_for_a_second":
        bank.kill()
        coming.start()
    yield
    if fault == "away_for_a_second":
        coming.join()
    bank.disarm()


@each_at_the_service
def test_the_service_answers_as_the_script_says(
    name: str, client: Client, bank: Simulator, network: FaultyNetwork
) -> None:
    scenario = BY_NAME[name]
    before = Counter(effect["kind"] for effect in bank.effects())
    network.plan = list(scenario["service"].get("network", []))
    with troubled(bank, scenario["service"].get("bank")):
        outcomes = play(client, scenario, network.url, real=True)
        statuses = [each.status for outcome in outcomes for each in outcome.tries]

    assert network.plan == [] or set(network.plan) == {"pass"}
    assert Counter(effect["kind"] for effect in bank.effects()) - before == scenario["moved"]
    assert without_repeats(statuses) == without_repeats([step.get("status", 0) for step in scenario["script"]])


def without_repeats(statuses: list[int]) -> list[int]:
    """Leave out repeats: the service decides how often it asks to wait."""
    return [status for status, _ in groupby(statuses)]


def test_the_program_of_the_readme_pays_and_refunds(
    client: Client, network: FaultyNetwork, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = Document(ROOT / "clients" / client.name / "README.md")
    (program,) = [text.replace(SHOWN_AT, network.url) for word, text in readme.blocks if word in {"python", "ts"}]
    if client.name == "typescript":
        printed = Project(tmp_path).output(program)
    else:
        exec(program, {})  # noqa: S102 - it is our own document
        printed = capsys.readouterr().out

    assert re.fullmatch(r"PAY-\d{8}-[0-9a-f]{8} 50(\.0)?\n", printed)
