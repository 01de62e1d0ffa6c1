"""What a transaction has still to say, and what a session has learnt: neither a neighbour nor a purge spoils it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, insert
from werkzeug.test import TestResponse

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.models import operations, users
from payment_service.repositories.writes import write
from tests.conftest import MakeApp, runtime_of
from tests.support.callers import pay_trip, trip_id_of
from tests.support.database import expire_answers, rows
from tests.support.gateways import LedgerGateway
from tests.support.postgres import Postgres
from tests.support.waiting import wait_until

DATABASE = "changes_hands"


class Interrupted(Exception):
    """What ends a transaction whose connection is gone."""


@pytest.fixture
def on_postgresql(lent: Callable[[str], str]) -> Iterator[Flask]:
    """A service with one connection to a database that nobody else uses."""
    settings = Settings(database_url=lent(DATABASE), log_level="ERROR", db_pool_size=1)
    app = create_app(settings, gateway=LedgerGateway())
    yield app
    runtime_of(app).database.engine.dispose()


def test_who_lost_a_connection_takes_no_words_from_whoever_has_its_place_in_the_pool(make_app: MakeApp) -> None:
    app = make_app(db_pool_size=1)
    runtime = runtime_of(app)
    pay_trip(app.test_client())
    (operation,) = rows(runtime, operations)
    told = {**operation, "review_reason": "said by the second", "updated_at": clock.now()}

    with ExitStack() as second, suppress(Interrupted), runtime.database.atomic("first") as lost:
        lost.invalidate()  # as the driver's error does when the server is gone
        write(second.enter_context(runtime.database.atomic("second")), settle_operation=told)
        raise Interrupted
    (operation,) = rows(runtime, operations)

    assert operation["review_reason"] == "said by the second"


def test_an_answer_that_has_ended_may_be_purged_while_its_repeat_looks_at_it(
    on_postgresql: Flask, postgres: Postgres
) -> None:
    first = pay_trip(on_postgresql.test_client())
    expire_answers(runtime_of(on_postgresql))
    answers: list[TestResponse] = []
    repeat = threading.Thread(target=lambda: answers.append(pay_trip(on_postgresql.test_client())))

    with closing(postgres.connect(DATABASE)) as watching, closing(postgres.connect(DATABASE)) as purging:
        purging.autocommit = False
        purging.cursor().execute("DELETE FROM idempotency_keys")
        repeat.start()
        wait_until(partial(_somebody_waits, watching.cursor()))
        purging.commit()
        repeat.join()

    (again,) = answers
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true"), again.text
    assert again.get_json()["payment_id"] == trip_id_of(first)


def _somebody_waits(cursor: Any) -> bool:
    cursor.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
    return cursor.fetchone() is not None


def test_sessions_whose_statements_fit_the_tables_no_longer_are_exchanged_for_others(
    on_postgresql: Flask, postgres: Postgres
) -> None:
    client = on_postgresql.test_client()
    payment_id = trip_id_of(pay_trip(client))
    assert client.get(f"/payments/{payment_id}").status_code == 200

    with closing(postgres.connect(DATABASE)) as migrating:
        migrating.cursor().execute("ALTER TABLE payments ALTER COLUMN payable_id TYPE text")
        migrating.cursor().execute("ALTER TABLE idempotency_keys ALTER COLUMN owner TYPE text")

    assert pay_trip(client, idempotency_key="after").status_code == 200
    assert client.get(f"/payments/{payment_id}").status_code == 200


def test_a_session_that_forgot_its_statements_is_exchanged_for_another(on_postgresql: Flask) -> None:
    client = on_postgresql.test_client()
    pay_trip(client)
    with runtime_of(on_postgresql).database.reading() as session:
        session.exec_driver_sql("DEALLOCATE ALL")

    assert pay_trip(client, idempotency_key="after").status_code == 200


WAYS: dict[str, Callable[[Connection], Any]] = {
    "text": lambda session: session.exec_driver_sql("INSERT INTO users VALUES (1, 'ann', NULL, true, now(), now())"),
    "values": lambda session: session.execute(insert(users), user("ann")),
    "many": lambda session: session.execute(insert(users), [user("ann"), user("bob")]),
    "many at once": lambda session: session.execute(insert(users).values([user("ann"), user("bob")])),
    "many by the driver": lambda session: session.exec_driver_sql(
        "INSERT INTO users VALUES (%s, %s, NULL, true, now(), now())", [(1, "ann"), (2, "bob")]
    ),
    "as it is": lambda session: session.execution_options(no_parameters=True).exec_driver_sql(
        "INSERT INTO users VALUES (1, 'ann', '%', true, now(), now())"
    ),
}


def user(name: str) -> dict[str, Any]:
    at = clock.now()
    return {"auth_user_id": name, "is_verified": True, "created_at": at, "updated_at": at}


@pytest.mark.parametrize("say", WAYS.values(), ids=WAYS.keys())
def test_whatever_way_something_is_said_begin_goes_before_it(
    on_postgresql: Flask, say: Callable[[Connection], Any]
) -> None:
    database = runtime_of(on_postgresql).database

    for _ in range(2):  # the first connection, and one that has been used
        with suppress(Interrupted), database.atomic("interrupted") as session:
            say(session)
            raise Interrupted

    assert rows(runtime_of(on_postgresql), users) == []


@pytest.mark.parametrize("say", WAYS.values(), ids=WAYS.keys())
def test_whatever_way_something_is_said_what_was_held_back_goes_before_it(
    on_postgresql: Flask, say: Callable[[Connection], Any]
) -> None:
    runtime = runtime_of(on_postgresql)
    pay_trip(on_postgresql.test_client())
    (operation,) = rows(runtime, operations)
    told = {**operation, "review_reason": "held back", "updated_at": clock.now()}
    note = "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 FROM operations WHERE"
    note += " review_reason = 'held back'; IF NOT FOUND THEN RAISE 'said too early'; END IF; RETURN NEW; END $$"
    with runtime.database.atomic("watch") as session:
        session.exec_driver_sql(note)
        session.exec_driver_sql("CREATE TRIGGER note BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION note()")

    with runtime.database.atomic("held") as session:
        write(session, settle_operation=told)
        say(session)

    assert rows(runtime, users)
