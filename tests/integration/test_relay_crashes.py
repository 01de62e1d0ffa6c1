"""Relays that die, stop, sleep, or lose the database in the middle, on both databases."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from payment_service import create_app, failpoints
from payment_service.config import Settings
from payment_service.connection import Connection, TransactionLost
from payment_service.db import ATTEMPTS, Database
from payment_service.delivery import relay as relay_module
from payment_service.delivery.base import Delivered, Outcome, Rejected
from payment_service.delivery.relay import Relay
from payment_service.domain.deliveries import Delivery
from payment_service.failpoints import FailpointHit
from payment_service.repositories import outbox
from tests.conftest import migrate
from tests.support.events import Arrival, delivery, flawless, pile_up, statuses
from tests.support.postgres import ThrowawayPostgres
from tests.support.relays import ScriptedSink, drain, running
from tests.support.waiting import wait_until

SINK = "scripted"


@pytest.fixture
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def accept(_delivery: Delivery) -> Outcome:
    return Delivered()


def test_delivery_of_a_dead_relay_is_taken_after_its_lease(database: Database) -> None:
    pile_up(database, [SINK], count=1)
    Relay(database, ScriptedSink(accept), lease=0.3).run_once()
    successor = ScriptedSink(accept)
    relay = Relay(database, successor)
    assert not relay.run_once()
    wait_until(relay.run_once, patience=5)
    assert [each.attempts for each in successor.offered] == [2]


def test_relay_that_returns_late_changes_nothing(database: Database) -> None:
    pile_up(database, [SINK], count=1)
    late, prompt = (ScriptedSink(lambda _: Rejected("HTTP 400")) for _ in range(2))
    prompt.answers = accept
    sleeper = Relay(database, late, lease=0.01)
    sleeper.run_once()
    time.sleep(0.05)
    drain(Relay(database, prompt))
    sleeper.run_once()
    assert statuses(database, SINK) == {"DELIVERED": 1}


def test_relay_that_returns_late_takes_no_delivery_from_its_successor(database: Database) -> None:
    pile_up(database, [SINK], count=1)
    sleeper = Relay(database, ScriptedSink(lambda _: Rejected("HTTP 400")), lease=0.01)
    successor = Relay(database, ScriptedSink(accept))
    sleeper.run_once()
    time.sleep(0.05)
    successor.run_once()
    sleeper.run_once()
    assert delivery(database, SINK)["status"] == "PENDING"
    successor.run_once()
    assert delivery(database, SINK)["status"] == "DELIVERED"


def test_stopping_relay_finishes_its_current_deliveries_and_begins_no_other(database: Database) -> None:
    pile_up(database, [SINK], count=20, versions=2)
    stop = threading.Event()

    def stopping(_delivery: Delivery) -> Outcome:
        stop.set()
        return Delivered()

    sink = ScriptedSink(stopping)
    Relay(database, sink).run(stop, lambda: None)
    assert sink.is_closed
    assert statuses(database, SINK) == {"DELIVERED": 20, "PENDING": 20}


@pytest.mark.usefixtures("disarmed")
@pytest.mark.parametrize("point", ["relay.claimed", "relay.sent"])
def test_next_relay_delivers_everything_after_a_crash(database: Database, point: str) -> None:
    pile_up(database, [SINK], count=3)
    failpoints.arm(f"{point}=raise")
    relay = Relay(database, ScriptedSink(accept), lease=0.2)
    with pytest.raises(FailpointHit):
        drain(relay)
    failpoints.arm("")
    successor = ScriptedSink(accept)
    drain(Relay(database, successor))
    assert len(successor.offered) == 3


def lose_commit(database: Database, phase: str, monkeypatch: pytest.MonkeyPatch, times: int = 1) -> None:
    """Lose the answer of a successful COMMIT of `phase`, so many times."""
    atomic = database.atomic
    lost: list[str] = []

    @contextmanager
    def losing(name: str) -> Iterator[Connection]:
        with atomic(name) as connection:
            yield connection
        if name == phase and len(lost) < times:
            lost.append(name)
            raise TransactionLost

    monkeypatch.setattr(database, "atomic", losing)


@pytest.mark.parametrize("phase", ["relay_claim", "relay_mark"])
def test_lost_answer_of_a_commit_loses_no_event_and_waits_for_no_lease(
    database: Database, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pile_up(database, [SINK], count=5)
    lose_commit(database, phase, monkeypatch)
    sink = ScriptedSink(accept)
    drain(Relay(database, sink), patience=5)
    assert len(sink.offered) == 5


def test_claim_without_any_confirmation_is_found_by_the_next_try(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pile_up(database, [SINK], count=5)
    lose_commit(database, "relay_claim", monkeypatch, times=ATTEMPTS)
    relay = Relay(database, ScriptedSink(accept))
    with pytest.raises(TransactionLost):
        relay.run_once()
    drain(relay, patience=5)


def test_delivery_is_marked_when_the_database_returns(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    pile_up(database, [SINK], count=5)
    sink = ScriptedSink(accept)
    relay = Relay(database, sink)
    relay.run_once()
    with monkeypatch.context() as away:
        away.setattr(outbox, "save_results", lambda *_: (_ for _ in ()).throw(TransactionLost()))
        with pytest.raises(TransactionLost):
            relay.run_once()
    drain(relay)
    assert len(sink.offered) == 5, "nothing is sent twice because of that"


def test_delivery_with_an_expired_lease_is_not_sent_again_by_its_relay(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    pile_up(database, [SINK], count=1)
    sink = ScriptedSink(accept)
    relay = Relay(database, sink, lease=0.01)
    relay.run_once()
    with monkeypatch.context() as slow:
        slow.setattr(sink, "poll", lambda _seconds: [])
        time.sleep(0.05)
        relay.run_once()
    drain(relay)
    assert len(sink.offered) == 1


def test_delivery_that_crashes_its_sink_is_tried_again_by_the_same_relay(database: Database) -> None:
    pile_up(database, [SINK], count=3)
    sink = ScriptedSink(accept)
    relay = Relay(database, sink, lease=0.1)
    offer = sink.send
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(sink, "send", lambda _: (_ for _ in ()).throw(RuntimeError("a sink must not raise")))
        with pytest.raises(RuntimeError, match="must not raise"):
            relay.run_once()
    assert sink.send == offer
    drain(relay, patience=5)
    assert len(sink.offered) == 3


@pytest.mark.usefixtures("watchful")
def test_crash_of_the_database_under_load_loses_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """C16, C23: commits are cut off anywhere, and the listener with them."""
    monkeypatch.setattr(relay_module, "AFTER_TROUBLE", 0.1)
    with closing(ThrowawayPostgres()) as server:
        url = server.create_database("crashing")
        migrate(url)
        database = create_app(Settings(database_url=url, log_level="CRITICAL")).extensions["payment_service"].database
        expected = pile_up(database, [SINK], count=200, versions=4)
        heard: list[Arrival] = []

        def hear(each: Delivery) -> Outcome:
            heard.append(Arrival(str(each.event_id), int(each.message_key or 0), each.version, b""))
            time.sleep(0.001)
            return Delivered()

        with running(database, ScriptedSink(hear)):
            for step in (1, 2):
                wait_until(lambda target=200 * step: len(heard) >= target)  # type: ignore[misc]
                server.stop("immediate")
                server.start()
            wait_until(lambda: len({each.event_id for each in heard}) == len(expected), patience=20)
            wait_until(lambda: statuses(database, SINK) == {"DELIVERED": 800}, patience=20)
        flawless(expected, heard)
        database.engine.dispose()
