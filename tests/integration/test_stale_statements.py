"""A session's prepared statements when tables change: neither a migration nor a purge spoils a request."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from payment_service import create_app
from payment_service.config import Settings
from payment_service.connection import Connection
from tests.conftest import dependencies_of
from tests.crash.proxy import CommitProxy, commit_proxy
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_answers
from tests.support.gateways import LedgerGateway
from tests.support.operations import MOVEMENTS, Movement
from tests.support.postgres import Postgres
from tests.support.spread import someone_waits
from tests.support.waiting import wait_until

DATABASE = "stale"


@pytest.fixture
def on_postgresql(lent: Callable[[str], str]) -> Iterator[Flask]:
    """Yield a service with one connection to a database that no other test uses."""
    settings = Settings(database_url=lent(DATABASE), log_level="ERROR", db_pool_size=1)
    app = create_app(settings, gateway=LedgerGateway())
    yield app
    dependencies_of(app).database.engine.dispose()


@pytest.mark.parametrize("forget", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_charge_in_a_session_without_its_statements_succeeds(on_postgresql: Flask, forget: str) -> None:
    client = on_postgresql.test_client()
    pay_trip(client)
    with dependencies_of(on_postgresql).database.reading() as session:
        session.execute(text(forget))

    assert pay_trip(client, idempotency_key="after").status_code == 200


def test_charge_after_columns_changed_their_types_succeeds(on_postgresql: Flask, postgres: Postgres) -> None:
    client = on_postgresql.test_client()
    payment_id = trip_id_of(pay_trip(client))
    assert client.get(f"/payments/{payment_id}").status_code == 200

    with closing(postgres.connect(DATABASE)) as migrating:
        migrating.cursor().execute("ALTER TABLE payments ALTER COLUMN payable_id TYPE text")
        migrating.cursor().execute("ALTER TABLE idempotency_keys ALTER COLUMN owner TYPE text")

    assert pay_trip(client, idempotency_key="after").status_code == 200
    assert client.get(f"/payments/{payment_id}").status_code == 200


@pytest.fixture
def behind_a_pooler(lent: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Flask, CommitProxy]]:
    """Yield a service with shared sessions, as behind PgBouncer in transaction mode."""
    monkeypatch.setattr(Connection, "_has_own_session", lambda _: False)
    with commit_proxy(lent(DATABASE)) as proxy:
        app = create_app(Settings(database_url=proxy.url_through, log_level="ERROR"), gateway=LedgerGateway())
        yield app, proxy
        dependencies_of(app).database.engine.dispose()


@pytest.mark.parametrize("movement", list(MOVEMENTS.values()), ids=list(MOVEMENTS))
def test_operation_behind_a_pooler_prepares_nothing_and_succeeds(
    behind_a_pooler: tuple[Flask, CommitProxy], movement: Movement
) -> None:
    app, proxy = behind_a_pooler
    ask = movement.prepare(app.test_client(), "100 % ok")
    first, again = ask(), ask()

    assert (first.status_code, again.text) == (movement.done[0], first.text)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert not any(word in query for query in proxy.queries for word in ("PREPARE", "EXECUTE"))


# A purge beside a repeat of the key -----------------------------------------------------------------------------------


def repeat_beside(postgres: Postgres, statement: str, ask: Callable[[], TestResponse]) -> TestResponse:
    """The response to a request that waits for a lock while another transaction runs `statement` and commits it."""
    responses: list[TestResponse] = []
    repeat = threading.Thread(target=lambda: responses.append(ask()))
    with closing(postgres.connect(DATABASE)) as watching, closing(postgres.connect(DATABASE)) as purging:
        purging.autocommit = False
        purging.cursor().execute(statement)
        repeat.start()
        wait_until(partial(someone_waits, watching.cursor()))
        purging.commit()
        repeat.join()
    (response,) = responses
    return response


def test_repeat_beside_a_purge_of_its_response_gets_the_payment(on_postgresql: Flask, postgres: Postgres) -> None:
    client: FlaskClient = on_postgresql.test_client()
    first = pay_trip(client)
    expire_answers(dependencies_of(on_postgresql))
    again = repeat_beside(postgres, "UPDATE idempotency_keys SET response_data = NULL", lambda: pay_trip(client))

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true"), again.text
    assert again.get_json()["payment_id"] == trip_id_of(first)


def test_repeat_beside_a_purge_of_its_refusal_is_decided_again(on_postgresql: Flask, postgres: Postgres) -> None:
    client: FlaskClient = on_postgresql.test_client()
    payment_id = trip_id_of(pay_trip(client))
    assert refund_trip(client, payment_id, amount=1000).status_code == 400
    expire_answers(dependencies_of(on_postgresql))
    again = repeat_beside(
        postgres,
        "DELETE FROM idempotency_keys WHERE payment_id IS NULL",
        lambda: refund_trip(client, payment_id, amount=1000),
    )

    assert (again.status_code, "Idempotent-Replayed" in again.headers) == (400, False), again.text
