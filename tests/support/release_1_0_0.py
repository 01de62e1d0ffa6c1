"""The databases that release 1.0.0 filled, its answers on them, and the functions that ask for these answers.

The files are in `tests/fixtures/release_1_0_0/`. `tests.fixtures.populate` made them by the same functions as the
tests use, with the code of release 1.0.0.
"""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from tests.support.operators import signed_in, words
from tests.support.placeholders import Placeholders
from tests.support.postgres import plainly
from tests.support.recorded import Player, Sent, figures
from tests.support.stored_ledger import StoredLedgerGateway

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "release_1_0_0"
DATABASES = {"postgresql": FOLDER / "payments.postgresql.sql.gz", "sqlite": FOLDER / "payments.sqlite.gz"}
"""A plain dump with INSERT statements, and a database file."""

NOWHERE = "http://127.0.0.1:9"
SINKS: Mapping[str, Any] = {
    "trip_notification_service_url": NOWHERE,
    "notification_service_url": NOWHERE,
    "order_service_url": NOWHERE,
    "inventory_service_url": NOWHERE,
    "rabbitmq_enabled": True,
    "kafka_brokers": "127.0.0.1:9",
}
"""Settings that switch every sink on."""

Answers = dict[str, dict[str, Any]]
Asked = Mapping[str, Mapping[str, Any]]
"""Requests by name, each as `Sent.written` returns it."""

_CHANGE = re.compile(r'<li class="change">(.*?)</li>', re.DOTALL)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
_LOG_ID = re.compile(r'(?<="transaction_log_id":)\d+')


@cache
def expected(engine_name: str) -> Mapping[str, Any]:
    """Read the answers of release 1.0.0 on the database of this kind."""
    content: Mapping[str, Any] = json.loads(gzip.decompress((FOLDER / f"expected.{engine_name}.json.gz").read_bytes()))
    return content


def load(url: str) -> None:
    """Fill the empty database at `url` with the rows of release 1.0.0."""
    address = make_url(url)
    content = gzip.decompress(DATABASES[address.get_backend_name()].read_bytes())
    if address.get_backend_name() == "sqlite":
        Path(str(address.database)).write_bytes(content)
        return
    with closing(plainly(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(content.decode())


def run(app: Flask, *words: str) -> dict[str, Any]:
    """Run a `flask` command; return its exit code and output."""
    result = app.test_cli_runner().invoke(args=words)
    return {"exit_code": result.exit_code, "output": result.stdout}


def business_figures(app: Flask) -> dict[str, float]:
    """Scrape the metrics of `/metrics` that depend only on the database."""
    return figures(app.test_client().get("/metrics").text)


def answers(app: Flask, asked: Asked) -> Answers:
    """Send the requests in order; return status, replay header, `Retry-After` and the exact body of each answer."""
    player = Player(app, Placeholders())
    return {name: _reduced(player.send(Sent(**request))) for name, request in asked.items()}


def _reduced(answer: TestResponse) -> dict[str, Any]:
    headers = {name: answer.headers.get(name) for name in ("Idempotent-Replayed", "Retry-After")}
    return {"status": answer.status_code, **headers, "body": answer.text}


def trails(app: Flask, payment_ids: Iterable[int]) -> dict[str, list[str]]:
    """Read each payment's audit trail from its operations page."""
    browser = signed_in(app)
    pages = {str(number): browser.get(f"/ops/payments/{number}").text for number in payment_ids}
    return {
        number: [words(f"<main>{entry}").strip() for entry in _CHANGE.findall(page)] for number, page in pages.items()
    }


def deliveries(app: Flask) -> list[dict[str, Any]]:
    """List every delivery by `flask deliveries list`, newest first."""
    lines = run(app, "deliveries", "list", "--limit", "100000", "--json")["output"].splitlines()
    return [json.loads(line) for line in lines]


def verify_with(app: Flask, gateway: StoredLedgerGateway, ledger: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Run `flask verify` while the app's `gateway` has another ledger."""
    original, gateway.ledger = gateway.ledger, StoredLedgerGateway(ledger).ledger
    try:
        return run(app, "verify")
    finally:
        gateway.ledger = original


class Known:
    """The times and trail rows of earlier answers. New ones differ from run to run, so they are not compared."""

    def __init__(self, earlier: Iterable[Answers]) -> None:
        text = "\n".join(answer["body"] for each in earlier for answer in each.values())
        self._known = {*_MOMENT.findall(text), *_LOG_ID.findall(text)}

    def hide_new(self, found: Answers) -> Answers:
        """Replace every new time by `<now>`, and the number of every new trail row by `<new>`."""
        return {name: {**answer, "body": self._hidden(answer["body"])} for name, answer in found.items()}

    def _hidden(self, text: str) -> str:
        for pattern, word in ((_MOMENT, "<now>"), (_LOG_ID, "<new>")):
            text = pattern.sub(lambda found, word=word: found[0] if found[0] in self._known else word, text)  # type: ignore[misc]
        return text
