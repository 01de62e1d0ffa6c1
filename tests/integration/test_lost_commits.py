"""COMMITs whose answer is lost: whether the database heard them or not, money moves once."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, event
from werkzeug.test import TestResponse

from payment_service.models import payments
from payment_service.services.recovery import recover
from payment_service.services.runtime import Runtime
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway


@contextmanager
def lost_commit(runtime: Runtime, number: int, side: Literal["before", "after"]) -> Iterator[list[int]]:
    """Lose the connection at the `number`th COMMIT from now on, before or after the database has heard it."""
    seen: list[int] = []

    def lose(connection: Connection) -> None:
        seen.append(len(seen) + 1)
        if len(seen) == number:
            plain = connection.connection.dbapi_connection
            assert plain is not None
            if side == "after":
                connection.dialect.do_commit(connection.connection)
            plain.close()

    event.listen(runtime.database.engine, "commit", lose)
    yield seen
    event.remove(runtime.database.engine, "commit", lose)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2], ids=["claim", "finish"])
def test_a_commit_whose_answer_is_lost_costs_nothing(
    client: FlaskClient, runtime: Runtime, gateway: LedgerGateway, number: int, side: Literal["before", "after"]
) -> None:
    payment_id = trip_id_of(pay_trip(client, idempotency_key="before"))
    asks: list[Callable[[], TestResponse]] = [
        lambda: pay_trip(client),
        lambda: refund_trip(client, payment_id, amount=10),
    ]
    for ask in asks:
        with lost_commit(runtime, number, side) as commits:
            answer = ask()
        assert answer.status_code == 200, answer.text
        assert len(commits) > number
        assert "Idempotent-Replayed" not in answer.headers, "nobody has heard it before"
        assert ask().data == answer.data

    assert len(gateway.sent) == len(gateway.ledger) == 3, "the gateway is never asked because a COMMIT failed"
    assert len(rows(runtime, payments)) == 2
    assert not list(verify(runtime))


def test_a_database_that_takes_no_commit_is_503_and_whatever_happened_is_found_later(
    client: FlaskClient, runtime: Runtime, gateway: LedgerGateway
) -> None:
    def lose_every(connection: Connection) -> None:
        if gateway.sent:
            assert connection.connection.dbapi_connection is not None
            connection.connection.dbapi_connection.close()

    event.listen(runtime.database.engine, "commit", lose_every)
    refused = pay_trip(client)
    event.remove(runtime.database.engine, "commit", lose_every)

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert len(gateway.sent) == 1
    expire_leases(runtime)
    assert dict(recover(runtime)) == {"finished": 1}
    assert pay_trip(client).headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def test_a_free_trip_whose_owner_died_is_finished_without_the_gateway(
    app: Flask, client: FlaskClient, runtime: Runtime, gateway: LedgerGateway
) -> None:
    database: Any = sys.modules["payment_service.db"]
    with lost_commit(runtime, 2, "before"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "ATTEMPTS", 1)
        assert pay_trip(client, amount=0).status_code == 503
    expire_leases(runtime)

    assert dict(recover(runtime)) == {"finished": 1}
    assert pay_trip(client, amount=0).get_json()["status"] == "SUCCESS"
    assert (gateway.sent, gateway.lookups) == ([], [])
    assert not list(verify(runtime))
