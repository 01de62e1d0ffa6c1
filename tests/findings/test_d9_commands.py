"""D9: the functions behind the commands.

In release 1.0.0 `--since` refused the times that the commands print, `deliveries show 10**22` and a long `--actor` were
tracebacks, and an empty `--why` was kept permanently.
"""

import json
import os
from datetime import timedelta
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask

from payment_service import clock
from payment_service.cli import arguments
from simulator.command import simulator
from tests.conftest import MakeApp
from tests.support.callers import pay_trip

ID = str(uuid4())
WHY = ("--why", "Ticket 4711")


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service with deliveries."""
    app = make_app(rabbitmq_enabled=True)
    app.cli.add_command(simulator)
    pay_trip(app.test_client())
    return app


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=list(words))


def listed(app: Flask, *words: str) -> list[dict[str, str]]:
    result = run(app, "deliveries", "list", "--json", *words)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_d9_since_accepts_the_times_that_the_commands_print(app: Flask) -> None:
    every = listed(app)
    created = sorted(row["created_at"] for row in every)
    assert len(listed(app, "--since", created[0])) == len(every)
    assert listed(app, "--since", created[-1])

    for row in every:
        listed(app, "--since", row["due_at"])  # with exit code 0
    table = run(app, "deliveries", "list").stdout.splitlines()[1].split()
    listed(app, "--since", f"{table[7]} {table[8]}")


@pytest.mark.parametrize(
    "shape", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M"]
)
def test_d9_since_accepts_every_usual_form_and_zone(app: Flask, shape: str) -> None:
    """Also as the log writes it, which ends in Z."""
    ago, ahead = clock.now() - timedelta(days=1), clock.now() + timedelta(days=1)
    assert listed(app, "--since", f"{ago:{shape}}")
    assert not listed(app, "--since", f"{ahead:{shape}}")


def test_d9_since_respects_the_zone(app: Flask) -> None:
    now = f"{clock.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}"
    assert listed(app, "--since", f"{now}+02:00")
    assert not listed(app, "--since", f"{now}-02:00")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deliveries", "show", str(10**22)), "not in the range"),
        (("deliveries", "show", "0"), "not in the range"),
        (("deliveries", "replay", "1", str(10**22)), "not in the range"),
        (("deliveries", "replay", "1", "--actor", "a" * 400), "longer than 255"),
        (("deliveries", "replay", "1", "--actor", " "), "must not be empty"),
        (("deliveries", "replay", "--dead", "--sink", os.fsdecode(b"\xff")), "UTF-8"),
        (("deliveries", "list", "--since", "yesterday"), "is no moment"),
        (("deliveries", "list", "--since", "0001-01-01T00:00:00+14:00"), "is no moment"),
        (("deliveries", "list", "--limit", str(10**22)), "not in the range"),
        (("deliveries", "list", "--sink", "s" * 31), "longer than 30"),
        (("decide", ID, "approved", "--why", ""), "must not be empty"),
        (("decide", ID, "approved", "--why", " \t\n"), "must not be empty"),
        (("decide", ID, "approved", *WHY, "--actor", "a" * 400), "longer than 255"),
        (("decide", ID, "approved", *WHY, "--actor", ""), "must not be empty"),
        (("decide", ID, "approved", "--why", os.fsdecode(b"caf\xe9")), "UTF-8"),
        (("decide", "4711", "approved", *WHY), "not a valid UUID"),
        (("purge", "--batch", str(10**22)), "not in the range"),
        (("worker", "--metrics", "no..where:9108"), "nobody can listen there"),
        (("relay", "--metrics", "192.0.2.1:9108"), "nobody can listen there"),
        (("recover", "--metrics", f"{'a' * 64}.test:9108"), "nobody can listen there"),
        (("simulator", "--port", "70000"), "not in the range"),
        (("simulator", "--ledger", "/dev/null/ledger.db"), "cannot be used"),
    ],
)
def test_d9_impossible_argument_prints_a_sentence_and_exits_2(app: Flask, words: tuple[str, ...], said: str) -> None:
    result = run(app, *words)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr.splitlines()[-1]


def test_d9_operator_without_a_user_name_is_named_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container it was a KeyError."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])

    assert arguments.user() == f"uid {os.getuid()}"
