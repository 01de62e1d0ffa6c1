"""COMMITs without an answer: money moves once, whether or not the database received them."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NoReturn

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service import create_app
from payment_service.config import Settings
from payment_service.connection import Connection, TransactionLost
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import dependencies_of
from tests.crash.proxy import commit_proxy
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway

Side = Literal["before", "after"]


@contextmanager
def lost_commit(number: int, side: Side) -> Iterator[list[int]]:
    """Lose the connection at the `number`th COMMIT from now on, before or after the database has run it."""
    seen: list[int] = []
    commit = Connection.commit

    def lose(connection: Connection) -> None:
        seen.append(len(seen) + 1)
        if len(seen) != number or side == "after":
            commit(connection)
        if len(seen) == number:
            cut(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "commit", lose)
        yield seen


def cut(connection: Connection) -> NoReturn:
    """End the connection as an error of the driver does that says so."""
    connection._is_lost = True
    connection._checked_out.invalidate()
    raise TransactionLost


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2], ids=["claim", "finish"])
@pytest.mark.parametrize("kind", ["charge", "refund"])
def test_request_whose_commit_is_lost_succeeds_once(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, number: int, side: Side, kind: str
) -> None:
    payment_id = trip_id_of(pay_trip(client, idempotency_key="before"))
    asks: dict[str, Callable[[], TestResponse]] = {
        "charge": lambda: pay_trip(client),
        "refund": lambda: refund_trip(client, payment_id, amount=10),
    }
    with lost_commit(number, side) as commits:
        answer = asks[kind]()
    assert answer.status_code == 200, answer.text
    assert len(commits) > number
    assert "Idempotent-Replayed" not in answer.headers, "no caller has received it before"
    assert asks[kind]().data == answer.data
    assert len(gateway.sent) == len(gateway.ledger) == 2, "the gateway is never asked because a COMMIT failed"
    assert len(rows(deps, payments)) == (2 if kind == "charge" else 1)
    assert not list(verify(deps))


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2], ids=["claim", "finish"])
def test_request_whose_connection_is_cut_at_a_commit_succeeds_once(
    lent: Callable[[str], str], number: int, side: Side
) -> None:
    with commit_proxy(lent("cut")) as proxy:
        gateway = LedgerGateway()
        app = create_app(Settings(database_url=proxy.url_through, log_level="ERROR"), gateway=gateway)
        client = app.test_client()
        payment_id = trip_id_of(pay_trip(client, idempotency_key="before"))

        def cut(ask: Callable[[], TestResponse]) -> tuple[TestResponse, bool]:
            proxy.cut(number, side)
            return ask(), proxy.has_cut

        charge, charge_was_cut = cut(lambda: pay_trip(client))
        refund, refund_was_cut = cut(lambda: refund_trip(client, payment_id, amount=10))
        assert (charge_was_cut, refund_was_cut) == (True, True)
        assert (charge.status_code, refund.status_code) == (200, 200), (charge.text, refund.text)
        assert not {"Idempotent-Replayed"} & {*charge.headers.keys(), *refund.headers.keys()}
        assert pay_trip(client).data == charge.data
        assert refund_trip(client, payment_id, amount=10).data == refund.data
        assert len(gateway.sent) == len(gateway.ledger) == 3
        assert not list(verify(dependencies_of(app)))
        dependencies_of(app).database.engine.dispose()


def test_database_without_commits_answers_503_and_a_repeat_finds_the_outcome(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    commit = Connection.commit

    def cut_once_sent(connection: Connection) -> None:
        (cut if gateway.sent else commit)(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "commit", cut_once_sent)
        refused = pay_trip(client)

    assert (refused.status_code, refused.get_json()["code"]) == (503, "database_unavailable")
    assert len(gateway.sent) == 1
    expire_leases(deps)
    assert dict(recover(deps)) == {"finished": 1}
    assert pay_trip(client).headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def test_free_trip_of_a_dead_owner_is_finished_without_the_gateway(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    database: Any = sys.modules["payment_service.db"]
    with lost_commit(2, "before"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "ATTEMPTS", 1)
        assert pay_trip(client, amount=0).status_code == 503
    expire_leases(deps)

    assert dict(recover(deps)) == {"finished": 1}
    assert pay_trip(client, amount=0).get_json()["status"] == "SUCCESS"
    assert (gateway.sent, gateway.lookups) == ([], [])
    assert not list(verify(deps))
