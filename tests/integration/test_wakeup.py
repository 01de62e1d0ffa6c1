"""An event leaves at once: PostgreSQL notifies the relay, and the relay polls SQLite often."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import text

from payment_service.delivery.base import Delivered, Outcome
from payment_service.delivery.notifications import NotificationListener
from payment_service.domain.deliveries import Delivery
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip
from tests.support.postgres import Postgres
from tests.support.relays import ScriptedSink, running
from tests.support.waiting import wait_until

WITHIN = 0.1
"""Seconds an event may take from its COMMIT to its sink."""


class Ear:
    """A sink that notes when it heard what."""

    def __init__(self) -> None:
        self.heard: dict[int, float] = {}
        self.sink = ScriptedSink(self._hear, "rabbitmq")

    def _hear(self, delivery: Delivery) -> Outcome:
        self.heard.setdefault(json.loads(delivery.body)["data"]["trip_id"], time.monotonic())
        return Delivered()

    def delay(self, trip: int, since: float) -> float:
        wait_until(lambda: trip in self.heard, patience=5)
        return self.heard[trip] - since


def pay_and_listen(make_app: MakeApp, ear: Ear, trips: range) -> list[float]:
    """Return how long the first event of each trip took from the answer to its payment."""
    app = make_app(rabbitmq_enabled=True)
    delays = []
    for trip in trips:
        time.sleep(0.02)
        pay_trip(app.test_client(), idempotency_key=f"trip-{trip}", trip_id=trip)
        delays.append(ear.delay(trip, time.monotonic()))
    return delays


def test_event_is_sent_at_once(make_app: MakeApp, deps: Dependencies, engine_name: str) -> None:
    ear = Ear()
    with running(deps.database, ear.sink):
        pay_and_listen(make_app, ear, range(1, 2))
        delays = pay_and_listen(make_app, ear, range(2, 12))
    assert statistics.median(delays) < (WITHIN if engine_name == "postgresql" else 3 * WITHIN), delays


@contextmanager
def listening(deps: Dependencies) -> Iterator[NotificationListener]:
    """Yield a wakeup that runs and has begun to listen."""
    stop = threading.Event()
    wakeup = NotificationListener(deps.database, stop)
    thread = threading.Thread(target=wakeup.run)
    thread.start()
    try:
        wait_until(lambda: wakeup.is_listening, patience=5)
        yield wakeup
    finally:
        stop.set()
        thread.join(timeout=10)
        assert not thread.is_alive()


def took(wait: Callable[[], None]) -> float:
    """Return seconds that a wait takes."""
    began = time.monotonic()
    wait()
    return time.monotonic() - began


def hang_up_on_listeners(postgres: Postgres) -> int:
    """Terminate every connection that listens; how many there were."""
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'payments' AND query LIKE 'LISTEN%'"
    with closing(postgres.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(kill)
        return cursor.rowcount


on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
"""SQLite sends no notification."""


@on_postgresql
def test_event_is_sent_at_once_after_a_lost_connection_of_the_listener(
    make_app: MakeApp, deps: Dependencies, postgres: Postgres
) -> None:
    ear = Ear()
    with running(deps.database, ear.sink):
        pay_and_listen(make_app, ear, range(1, 2))
        wait_until(lambda: hang_up_on_listeners(postgres) == 1, patience=5)
        while_deaf = pay_and_listen(make_app, ear, range(2, 5))
        time.sleep(1.2)
        again = pay_and_listen(make_app, ear, range(5, 12))
    assert max(while_deaf) < 1, "a relay that hears nothing looks often"
    assert statistics.median(again) < WITHIN, again


@on_postgresql
def test_every_waiter_is_woken_when_the_listener_breaks_and_when_it_returns(
    deps: Dependencies, postgres: Postgres
) -> None:
    with listening(deps) as wakeup:
        wait = wakeup.waiter()
        assert took(wait) > 0.9, "nothing was committed: only the poll ends this"
        assert hang_up_on_listeners(postgres) == 1
        wait_until(lambda: not wakeup.is_listening, patience=5)
        assert took(wait) < 0.5, "whoever waits for a bell that no longer rings is told so"
        wait_until(lambda: wakeup.is_listening, patience=5)
        assert took(wait) < 0.5, "what was committed in between rang no bell"
        assert took(wait) > 0.9


@on_postgresql
def test_listener_takes_no_connection_from_the_pool(make_app: MakeApp, deps: Dependencies) -> None:
    one = dependencies_of(make_app(db_pool_size=1, rabbitmq_enabled=True))
    with listening(one), one.database.reading() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_stopped_listener_wakes_every_waiter(deps: Dependencies) -> None:
    stop = threading.Event()
    wakeup = NotificationListener(deps.database, stop)
    waits = [wakeup.waiter() for _ in range(3)]
    thread = threading.Thread(target=wakeup.run)
    thread.start()
    stop.set()
    thread.join(timeout=5)
    began = time.monotonic()
    for wait in waits:
        wait()
    assert time.monotonic() - began < 0.5
