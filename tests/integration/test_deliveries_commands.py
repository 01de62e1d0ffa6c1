"""The commands for deliveries, and the processes that deliver."""

import json
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import String, and_, case, cast, update

from payment_service import clock
from payment_service.db import Database
from payment_service.delivery.base import Delivered, Outcome, Rejected, RetryLater
from payment_service.delivery.relay import Relay
from payment_service.domain.deliveries import Delivery
from payment_service.models import operator_actions, outbox_deliveries, payments
from payment_service.services import deliveries as outbox
from payment_service.services.dependencies import Dependencies
from tests.support.database import rows
from tests.support.events import TYPES, delivery, pile_up, statuses
from tests.support.relays import ScriptedSink, drain

SINK = "notification"
on_postgresql = pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["deliveries", *words])


def printed(app: Flask, *words: str) -> str:
    result = run(app, *words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refuse_the_second(each: Delivery) -> Outcome:
    return Rejected("HTTP 422") if each.message_key == "2" else Delivered()


@pytest.fixture
def settled(database: Database) -> ScriptedSink:
    """Return three payments' events, delivered but for the second, which is dead; and one that goes to another sink."""
    pile_up(database, [SINK], count=3)
    pile_up(database, ["order"], count=1, first=10)
    sink = ScriptedSink(refuse_the_second, SINK)
    drain(Relay(database, sink))
    return sink


@pytest.mark.usefixtures("settled")
def test_list_shows_every_delivery_newest_first_with_its_error(app: Flask) -> None:
    head, *lines = printed(app, "list").splitlines()
    assert head.split()[:4] == ["delivery_id", "status", "sink", "event_type"]
    assert [line.split()[1:3] for line in lines] == [
        ["PENDING", "order"],
        ["DELIVERED", SINK],
        ["DEAD", SINK],
        ["DELIVERED", SINK],
    ]
    assert lines[2].endswith("HTTP 422")


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--dead"], 1),
        (["--status", "delivered"], 2),
        (["--sink", "order"], 1),
        (["--sink", "order", "--dead"], 0),
        (["--limit", "2"], 2),
    ],
)
def test_list_is_filtered_by_its_options(app: Flask, options: list[str], count: int) -> None:
    assert len(printed(app, "list", "--json", *options).splitlines()) == count


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(("minutes", "count"), [(-5, 4), (5, 0)])
def test_list_since_a_moment_leaves_out_older_deliveries(app: Flask, minutes: int, count: int) -> None:
    moment = clock.now() + timedelta(minutes=minutes)
    lines = printed(app, "list", "--json", "--since", f"{moment:%Y-%m-%dT%H:%M:%S}").splitlines()
    assert len(lines) == count


@pytest.mark.usefixtures("settled")
def test_show_prints_every_field_of_a_delivery(app: Flask, database: Database) -> None:
    number = delivery(database, SINK, 1)["delivery_id"]
    shown = json.loads(printed(app, "show", str(number)))
    assert (shown["status"], shown["last_error"], shown["attempts"]) == ("DEAD", "HTTP 422", 1)
    assert json.loads(shown["body"]) == {"payment_id": 2, "version": 1}
    assert [shown[name] for name in ("event_type", "channel", "payment_id", "version")] == [TYPES[0], "trips", 2, 1]
    result = run(app, "show", "999999")
    assert result.exit_code == 1
    assert "there is no delivery 999999" in result.output


def test_replay_sends_a_dead_delivery_with_its_old_id_and_bytes(
    app: Flask, database: Database, settled: ScriptedSink
) -> None:
    first = next(each for each in settled.offered if each.message_key == "2")
    settled.answers = lambda _: Delivered()
    assert printed(app, "replay", "--dead", "--sink", SINK) == "1 due again\n"
    drain(Relay(database, settled))
    again = settled.offered[-1]
    assert (again.event_id, again.body, again.attempts) == (first.event_id, first.body, 1)
    assert statuses(database, SINK) == {"DELIVERED": 3}


def test_replay_records_the_name_of_the_operator(app: Flask, deps: Dependencies, settled: ScriptedSink) -> None:
    """Only the operations page did so in release 1.0.0."""
    (dead,) = [each for each in settled.offered if each.message_key == "2"]
    printed(app, "replay", str(dead.delivery_id), "--actor", "ann")
    (action,) = rows(deps, operator_actions)
    assert (action["action"], action["actor"], action["delivery_id"]) == ("REPLAY", "ann", dead.delivery_id)
    assert action["payment_id"] == 2


def test_replay_since_a_moment_sends_delivered_events_again(
    app: Flask, database: Database, settled: ScriptedSink
) -> None:
    settled.answers = lambda _: Delivered()
    before = len(settled.offered)
    since = f"{clock.now() - timedelta(minutes=5):%Y-%m-%d %H:%M:%S}"
    assert printed(app, "replay", "--since", since) == "3 due again\n"
    drain(Relay(database, settled))
    assert len(settled.offered) == before + 3


def test_replay_sends_named_deliveries_and_leaves_pending_ones(
    app: Flask, database: Database, settled: ScriptedSink
) -> None:
    dead, waiting = (delivery(database, *which)["delivery_id"] for which in ((SINK, 1), ("order", 0)))
    assert printed(app, "replay", str(dead), str(waiting)).startswith("1 due again, 1 left as they are: pending")
    assert statuses(database, SINK) == {"DELIVERED": 2, "PENDING": 1}


@pytest.mark.parametrize("words", [[], ["--sink", SINK], ["1", "--dead"], ["1", "--sink", SINK]])
def test_replay_without_a_filter_is_refused(app: Flask, words: list[str]) -> None:
    result = run(app, "replay", *words)
    assert result.exit_code == 2
    assert "name deliveries, or say --dead, --unrouted or --since" in result.output


def test_long_replay_runs_in_batches(database: Database, deps: Dependencies, monkeypatch: pytest.MonkeyPatch) -> None:
    pile_up(database, [SINK], count=5)
    drain(Relay(database, ScriptedSink(lambda _: Rejected("HTTP 400"), SINK)))
    monkeypatch.setattr(outbox, "BATCH", 2)
    ids = outbox.replayable(deps, sink=None, status="DEAD", since=None)
    assert list(outbox.replay(deps, ids, "ann")) == [(1, 1), (2, 2), (2, 2)], "the newest first"


def test_replayed_event_has_all_its_tries_again(app: Flask, database: Database, settled: ScriptedSink) -> None:
    settled.answers = lambda _: RetryLater("HTTP 500", after=60)
    printed(app, "replay", "--dead")
    relay = Relay(database, settled)
    relay.run_once()
    relay.run_once()
    assert delivery(database, SINK, 1)["attempts"] == 1


def test_full_batch_about_payables_with_many_payments_is_replayed_within_the_time_of_a_statement(
    app: Flask, database: Database
) -> None:
    pile_up(database, [SINK], count=6 * outbox.BATCH, versions=2)
    of, its = payments.c, outbox_deliveries.c
    is_last = and_(its.payment_id % 6 == 5, its.version == 2)
    with database.atomic("test") as connection:
        connection.execute(update(payments).values(payable_id=cast(of.payment_id // 6, String)))
        stream, status = cast(its.payment_id // 6, String), case((is_last, "DEAD"), else_="DELIVERED")
        connection.execute(update(outbox_deliveries).values(stream=stream, status=status))

    assert json.loads(printed(app, "replay", "--dead", "--json")) == {"due_again": outbox.BATCH, "left": 0}
