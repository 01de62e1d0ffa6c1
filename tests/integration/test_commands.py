"""The commands as schedulers and scripts use them: exit codes, JSON, and no output without a terminal."""

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from payment_service.gateways.base import Pending, Unknown
from payment_service.models import idempotency_keys, payments, tallies, watermarks
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.callers import pay_trip
from tests.support.database import count, expire_answers, expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.markdown import document
from tests.support.processes import ROOT, environment

ONCE = ("recover", "purge", "verify", "deliveries list")


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=words)


def told(app: Flask, *words: str) -> dict[str, Any]:
    """Return the one JSON object on the one line that a command prints; on standard error it prints nothing."""
    result = run(app, *words, "--json")
    (line,) = result.stdout.splitlines()
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(line)
    return found


def leave_undecided(client: FlaskClient, gateway: LedgerGateway, deps: Dependencies, *answers: Any) -> None:
    """Create a payment for each of these gateway results, with an owner that is gone."""
    gateway.script.extend(answers)
    for number in range(len(answers)):
        assert pay_trip(client, idempotency_key=f"undecided-{number}").status_code == 202
    expire_leases(deps)


def test_recover_prints_the_outcome_of_each_operation(app: Flask, gateway: LedgerGateway, deps: Dependencies) -> None:
    assert told(app, "recover") == {"finished": 0, "undecided": 0, "elsewhere": 0, "failed": 0}
    leave_undecided(app.test_client(), gateway, deps, Unknown("silence"), Unknown("silence"), Unknown("silence"))
    gateway.found.append(Pending())

    assert told(app, "recover") == {"finished": 2, "undecided": 1, "elsewhere": 0, "failed": 0}


def test_recover_handles_every_open_operation(
    app: Flask, gateway: LedgerGateway, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payment_service.services.recovery.BATCH", 2)
    leave_undecided(app.test_client(), gateway, deps, *[Unknown("silence")] * 5)

    assert run(app, "recover").stdout == "5 finished 0 undecided 0 elsewhere\n"


def test_recover_exits_1_when_an_operation_fails(
    app: Flask, gateway: LedgerGateway, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_undecided(app.test_client(), gateway, deps, Unknown("silence"))
    monkeypatch.setattr(deps.renderers["trips"], "answer", lambda *_: 1 / 0)
    result = run(app, "recover", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"finished": 0, "undecided": 0, "elsewhere": 0, "failed": 1}
    assert "1 failed; the log says why" in result.stderr


def test_recover_loop_refuses_json(app: Flask) -> None:
    assert run(app, "recover", "--loop", "--json").exit_code == 2


def test_purge_prints_its_counts(app: Flask, deps: Dependencies) -> None:
    for number in range(3):
        pay_trip(app.test_client(), idempotency_key=f"key-{number}")
    assert told(app, "purge") == {"purged": 0, "notices": 0, "sessions": 0}
    expire_answers(deps)

    assert told(app, "purge", "--batch", "2") == {"purged": 3, "notices": 0, "sessions": 0}
    assert [key["response_data"] for key in rows(deps, idempotency_keys)] == [None] * 3
    assert run(app, "purge", "--batch", "0").exit_code == 2


def test_verify_prints_each_violation(app: Flask, deps: Dependencies) -> None:
    assert told(app, "verify") == {"violations": []}
    number = pay_trip(app.test_client()).get_json()["payment_id"]
    with deps.database.atomic("test") as connection:
        connection.execute(payments.update().values(refund_pending_amount=Decimal(1)))
    by_hash, found = told(app, "verify")["violations"]

    assert run(app, "verify", "--json").exit_code == 1
    assert (by_hash["invariant"], by_hash["row"]) == ("J2", f"payment {number}")
    assert (found["invariant"], found["row"]) == ("S5", f"payment {number}")
    assert found["what"]


def test_verify_writes_nothing_beside_a_backlog_of_journal_rows(
    app: Flask, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version counted payments as a scrape does, which aggregates the journal if no other process does."""
    monkeypatch.setattr("payment_service.services.business_metrics.BATCH", 1)
    pay_trip(app.test_client())
    assert told(app, "verify") == {"violations": []}

    assert count(deps, tallies) == count(deps, watermarks) == 0


def test_deliveries_prints_the_list_and_the_number_of_replays(make_app: MakeApp) -> None:
    app = make_app(rabbitmq_enabled=True)
    pay_trip(app.test_client())
    lines = run(app, "deliveries", "list", "--json").stdout.splitlines()
    ids = [json.loads(line)["delivery_id"] for line in lines]

    assert told(app, "deliveries", "show", str(ids[0]))["delivery_id"] == ids[0]
    assert told(app, "deliveries", "replay", str(ids[0])) == {"due_again": 0, "left": 1}, "it is pending"


@pytest.mark.parametrize("words", ONCE)
def test_command_without_a_database_exits_3_with_one_sentence(make_app: MakeApp, words: str) -> None:
    app = make_app(database_url="postgresql+psycopg2://u:p@127.0.0.1:9/none")
    result = run(app, *words.split())

    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "Error: database_unavailable: try again later\n"


@pytest.mark.parametrize("words", ["recover", "purge", "verify"])
def test_document_shows_what_the_command_prints(app: Flask, words: str) -> None:
    text = document("docs/reference/commands.md").text
    assert f'| `{words} --json` | `{{"{next(iter(told(app, words)))}": ' in text


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_command_on_a_terminal_shows_its_progress(app: Flask, deps: Dependencies, database_url: str) -> None:
    pay_trip(app.test_client())
    expire_answers(deps)
    shown, terminal = pty.openpty()
    with closing(os.fdopen(shown, "rb", buffering=0)) as screen:
        result = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", "purge"],
            cwd=ROOT,
            env=environment(DATABASE_URL=database_url, LOG_LEVEL="CRITICAL", TERM="xterm"),
            check=True,
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
        )
        os.close(terminal)
        seen = screen.read(4096)

    assert b"Purging cached answers  [####" in seen
    assert b"100%" in seen
    assert result.stdout == b"1 purged\n"


def test_every_command_has_a_help_text_of_one_line(app: Flask) -> None:
    listed = {words[0]: line for line in run(app, "--help").stdout.splitlines() if (words := line.split())}
    cut_off = [name for name in app.cli.commands if not listed[name].endswith(".") or listed[name].endswith("...")]

    assert cut_off == []
