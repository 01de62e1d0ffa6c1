"""A database that ends transactions instead of letting them wait (SQLSTATE 40001): they run again, money moves once.

Distributed databases do so, and PostgreSQL at SERIALIZABLE. The error is the server's own, not a stand-in for it.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from payment_service.connection import Connection, TransactionLost
from payment_service.models import payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import at_once, pay_trip, refund_trip, trip_id_of
from tests.support.database import count
from tests.support.gateways import LedgerGateway

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END $$"

pytestmark = pytest.mark.parametrize(
    "engine_name", ["postgresql"], indirect=True
)  # SQLite lets one writer in at a time


@contextmanager
def ended(number: int, times: int = 1) -> Iterator[Counter[str]]:
    """End the transaction at the `number`th message from now on, COMMIT being one too, and at those after it.

    Readings outside of transactions are left alone: there is nothing to run again.
    """
    seen: Counter[str] = Counter()
    begin, send = Connection.__init__, Connection._send
    readers: set[int] = set()

    def note(self: Connection, checked_out: Any, how: str) -> None:
        (readers.discard if how else readers.add)(id(self))
        begin(self, checked_out, how)

    def send_or_fail(self: Connection, messages: Any, *, fetch: bool) -> Any:
        if id(self) not in readers:
            seen["messages"] += 1
            if seen["messages"] in range(number, number + times):
                messages, fetch = [(RAISE, ())], False
        return send(self, messages, fetch=fetch)

    with patch.object(Connection, "__init__", note), patch.object(Connection, "_send", send_or_fail):
        yield seen


def test_ended_transaction_raises_the_error_of_the_server(deps: Dependencies) -> None:
    with ended(1), pytest.raises(TransactionLost) as error, deps.database.atomic("test") as connection:
        connection.execute(payments.select())

    assert getattr(error.value.__cause__, "pgcode", None) == "40001"


@pytest.mark.parametrize("what", ["charge", "refund"])
def test_transaction_that_is_ended_at_any_statement_runs_again_unnoticed(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, what: str
) -> None:
    payment_id = trip_id_of(pay_trip(client, idempotency_key="before", amount=5000))
    asks: dict[str, Callable[[str], TestResponse]] = {
        "charge": lambda key: pay_trip(client, idempotency_key=key),
        "refund": lambda key: refund_trip(client, payment_id, idempotency_key=key, amount=10),
    }
    assert asks[what]("warms up").status_code == 200
    with ended(0) as seen:
        assert asks[what]("undisturbed").status_code == 200
    steps = seen["messages"]
    answers, messages = [], []
    for number in range(1, steps + 1):
        with ended(number) as seen:
            answers.append(asks[what](f"key-{number}"))
        messages.append(seen["messages"])
    assert [answer.status_code for answer in answers] == [200] * steps, [answer.text for answer in answers]
    assert min(messages) > steps, "it ran again"
    assert [asks[what](f"key-{number}").data for number in range(1, steps + 1)] == [answer.data for answer in answers]
    assert len(gateway.sent) == len(gateway.ledger) == steps + 3, "no retry asks the gateway"
    assert list(verify(deps)) == []


def test_request_that_never_serializes_answers_503_and_a_repeat_succeeds(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    with ended(1, times=1000):
        refused = pay_trip(client)
    assert refused.status_code == 503
    assert refused.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert gateway.sent == []
    assert pay_trip(client).status_code == 200


@pytest.fixture
def serializable(monkeypatch: pytest.MonkeyPatch, make_app: MakeApp) -> Flask:
    """Return a service with every transaction at SERIALIZABLE."""
    module: Any = sys.modules["payment_service.db"]
    options = module.POSTGRESQL_OPTIONS.replace(r"isolation=read\ committed", "isolation=serializable")
    monkeypatch.setattr(module, "POSTGRESQL_OPTIONS", options)
    return make_app(db_pool_size=10)


def test_requests_and_refunds_at_once_at_serializable_move_money_once(
    serializable: Flask, gateway: LedgerGateway
) -> None:
    app, deps = serializable, dependencies_of(serializable)
    with deps.database.atomic("test") as connection:
        assert connection.execute(text("SHOW transaction_isolation")).scalar() == "serializable"

    def charge(client: FlaskClient, _number: int) -> TestResponse:
        return until_told(lambda: pay_trip(client, idempotency_key="one", amount=100))

    paid = at_once(app, 10, charge)
    number = trip_id_of(paid[0])

    def refund(client: FlaskClient, caller: int) -> TestResponse:
        return until_told(lambda: refund_trip(client, number, idempotency_key=f"refund-{caller}", amount=30))

    refunds = Counter(answer.status_code for answer in at_once(app, 10, refund))

    assert {answer.data for answer in paid} == {paid[0].data}
    assert (count(deps, payments), count(deps, payment_refunds)) == (1, 3)
    assert refunds == {200: 3, 400: 7}
    assert len(gateway.ledger) == 4
    assert list(verify(deps)) == []


def until_told(ask: Callable[[], TestResponse]) -> TestResponse:
    """Repeat with the same key while the answer says that this is right."""
    for _ in range(100):
        answer = ask()
        if answer.status_code not in (409, 503):
            return answer
        assert answer.get_json()["retry"]["key"] == "same"
    raise AssertionError("a hundred times told to come back")
