"""The processes that deliver: ended by a signal, killed, or without one of their parts."""

import os
import signal
import sys
import threading
from contextlib import closing

import click
import pytest
from sqlalchemy import text

from payment_service.cli import background
from payment_service.db import Database
from tests.conftest import MakeApp
from tests.support.events import flawless, pile_up, statuses
from tests.support.processes import Service
from tests.support.receiver import Answer, Receiver
from tests.support.waiting import wait_until

SINK = "notification"
on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)


@on_postgresql
def test_sigterm_lets_the_process_finish_its_current_work(
    database: Database, database_url: str, receiver: Receiver
) -> None:
    receiver.behaviour = lambda _: Answer(wait=0.3)
    expected = pile_up(database, [SINK], count=100)
    settings = {"DATABASE_URL": database_url, "NOTIFICATION_SERVICE_URL": receiver.url, "LOG_LEVEL": "WARNING"}
    process = Service(sys.executable, "-m", "flask", "--app", "wsgi", "relay", settings=settings)
    with closing(process):
        wait_until(lambda: len(receiver.seen) >= 20, process.last_words)
        assert process.stop() == 0, process.last_words()
    arrived = {arrival.event_id for arrival in receiver.arrivals()}
    assert arrived < expected
    assert statuses(database, SINK) == {"DELIVERED": len(arrived), "PENDING": 100 - len(arrived)}
    assert len(receiver.seen) == len(arrived), "nothing is sent twice because of that"


@on_postgresql
def test_relay_without_the_kafka_client_names_the_package_to_install(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "payment_service.delivery.kafka", raising=False)
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    result = make_app(kafka_brokers="127.0.0.1:9").test_cli_runner().invoke(args=["relay"])
    assert (result.exit_code, result.output) == (
        1,
        "Error: confluent_kafka is not installed: requirements-kafka.txt has it\n",
    )


def test_worker_ends_when_one_of_its_parts_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LOOK_AFTER", 0.01)
    ended: list[str] = []

    def lives_on(stop: threading.Event) -> list[threading.Thread]:
        def live() -> None:
            stop.wait()
            ended.append("lives on")

        thread = threading.Thread(target=live)
        thread.start()
        return [thread]

    def ends(_stop: threading.Event) -> list[threading.Thread]:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        return [thread]

    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        with pytest.raises(click.ClickException, match="ended by itself"):
            background._run(lives_on, ends)
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
            signal.signal(number, handler)
    assert ended == ["lives on"]


def test_worker_stops_at_the_first_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    def kills_itself(stop: threading.Event) -> list[threading.Thread]:
        thread = threading.Thread(target=stop.wait)
        thread.start()
        os.kill(os.getpid(), signal.SIGTERM)
        return [thread]

    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        background._run(kills_itself)
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), handlers, strict=True):
            signal.signal(number, handler)


@on_postgresql
def test_process_after_a_killed_one_delivers_everything(
    database: Database, database_url: str, receiver: Receiver
) -> None:
    """Kill the real command: the next leaves its deliveries until the real lease ends, and takes the rest at once."""
    expected = pile_up(database, [SINK], count=60)
    settings = {"DATABASE_URL": database_url, "NOTIFICATION_SERVICE_URL": receiver.url, "LOG_LEVEL": "WARNING"}
    doomed = Service(
        sys.executable, "-m", "flask", "--app", "wsgi", "relay", settings={**settings, "FAILPOINTS": "relay.sent=kill"}
    )
    with closing(doomed):
        assert doomed.process.wait(timeout=30) == -signal.SIGKILL, doomed.last_words()
    assert statuses(database, SINK) == {"PENDING": 60}
    with database.atomic("test") as connection:
        connection.execute(text("UPDATE outbox_deliveries SET leased_until = leased_until - interval '60 s'"))
    successor = Service(sys.executable, "-m", "flask", "--app", "wsgi", "relay", settings=settings)
    with closing(successor):
        wait_until(lambda: statuses(database, SINK) == {"DELIVERED": 60}, successor.last_words)
        assert successor.stop() == 0
    flawless(expected, receiver.arrivals())
