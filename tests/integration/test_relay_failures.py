"""The relay handles refusals, undeliverable messages and absent sinks, on both databases."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from payment_service import clock
from payment_service.db import Database
from payment_service.delivery import relay as relay_module
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import Delivered, Outcome, Rejected, RetryLater, SinkUnavailable
from payment_service.delivery.relay import Relay
from payment_service.domain.deliveries import Delivery
from tests.support.events import delivery, pile_up, statuses
from tests.support.relays import ScriptedSink, drain, running, wait_until_settled
from tests.support.waiting import wait_until

SINK = "scripted"


def accept(_delivery: Delivery) -> Outcome:
    return Delivered()


def refuse(payment: int, outcome: Outcome) -> Callable[[Delivery], Outcome]:
    """Answer `outcome` to everything of one payment, accept the rest."""
    return lambda each: outcome if each.message_key == str(payment) else Delivered()


def names(sink: ScriptedSink) -> list[tuple[Any, int]]:
    """Return payment and version of everything offered, in order."""
    return [(int(each.message_key or 0), each.version) for each in sink.offered]


def test_refused_delivery_is_sent_again_after_its_back_off_with_the_same_id_and_bytes(database: Database) -> None:
    pile_up(database, [SINK], count=1)
    outcomes: Iterator[Outcome] = iter([RetryLater("HTTP 500"), RetryLater("HTTP 503"), Delivered()])
    sink = ScriptedSink(lambda _: next(outcomes))
    drain(Relay(database, sink))
    assert [each.attempts for each in sink.offered] == [1, 2, 3]
    assert len({(each.event_id, each.body) for each in sink.offered}) == 1
    row = delivery(database, SINK)
    assert (row["status"], row["last_error"]) == ("DELIVERED", None)


def test_sink_may_ask_for_a_longer_pause_than_the_back_off(database: Database) -> None:
    pile_up(database, [SINK], count=1)
    relay = Relay(database, ScriptedSink(lambda _: RetryLater("HTTP 429", after=120)))
    relay.run_once()
    relay.run_once()
    row = delivery(database, SINK)
    assert 110 < (row["due_at"] - row["created_at"]).total_seconds() < 130


def test_poisoned_event_delays_only_its_own_payment(database: Database) -> None:
    pile_up(database, [SINK], count=5, versions=3)
    sink = ScriptedSink(refuse(2, RetryLater("HTTP 500")))
    relay = Relay(database, sink)
    wait_until(lambda: relay.run_once() and statuses(database, SINK)["PENDING"] == 3, patience=5)
    assert {name for name in names(sink) if name[0] == 2} == {(2, 1)}


def test_events_behind_a_poisoned_one_are_not_claimed_before_it_is_due(database: Database) -> None:
    pile_up(database, [SINK], count=1, versions=3)
    relay = Relay(database, ScriptedSink(lambda _: RetryLater("HTTP 429", after=120)))
    relay.run_once()
    relay.run_once()
    first, last = (delivery(database, SINK, number)["due_at"] for number in (0, 2))
    assert first == last


def test_dead_event_lets_later_events_of_its_payment_pass(database: Database) -> None:
    pile_up(database, [SINK], count=1, versions=2)
    outcomes: Iterator[Outcome] = iter([Rejected("HTTP 422"), Delivered()])
    sink = ScriptedSink(lambda _: next(outcomes))
    drain(Relay(database, sink))
    assert statuses(database, SINK) == {"DEAD": 1, "DELIVERED": 1}
    assert delivery(database, SINK)["last_error"] == "HTTP 422"


def test_event_is_dead_after_its_last_try(database: Database) -> None:
    pile_up(database, [SINK], count=1)
    impatient = Backoff(first=0.01, longest=0.01, patience=0.035)
    sink = ScriptedSink(lambda _: RetryLater("HTTP 500"), backoff=impatient)
    drain(Relay(database, sink))
    assert (len(sink.offered), statuses(database, SINK)) == (4, {"DEAD": 1})


def test_sink_that_is_down_is_tried_with_growing_pauses_and_uses_up_no_try(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "AWAY", 0.0)
    monkeypatch.setattr(relay_module, "LEFT_ALONE", Backoff(first=2, longest=6, jitter=0))
    now = [0.0]
    monkeypatch.setattr(clock, "monotonic", lambda: now[0])
    pile_up(database, [SINK], count=20)
    sink = ScriptedSink(lambda _: SinkUnavailable("no connection"))
    relay = Relay(database, sink)
    offered_at: list[float] = []
    for now[0] in range(20):
        for _ in range(4):
            before = len(sink.offered)
            relay.run_once()
            offered_at += [now[0]] if len(sink.offered) > before else []
    assert [later - earlier for earlier, later in pairwise(offered_at)] == [0, 0, 2, 4, 6, 6]
    row = delivery(database, SINK)
    assert (row["status"], row["attempts"], row["last_error"]) == ("PENDING", 0, "no connection")
    now[0] = 1000.0
    sink.answers = accept
    drain(relay)
    assert statuses(database, SINK) == {"DELIVERED": 20}


def test_one_failed_connection_among_many_does_not_pause_the_sink(database: Database) -> None:
    pile_up(database, [SINK], count=200)
    refused = set(range(7, 200, 7))
    away = SinkUnavailable("refused")
    sink = ScriptedSink(lambda each: away if int(each.message_key or 0) in refused else Delivered())
    relay = Relay(database, sink)
    wait_until(lambda: relay.run_once() and statuses(database, SINK)["PENDING"] == len(refused), patience=3)
    refused.clear()
    drain(relay)


def test_failing_sink_delays_no_other_sink(database: Database) -> None:
    ill, well = ScriptedSink(lambda _: SinkUnavailable("refused"), "ill"), ScriptedSink(accept, "well")

    def fail(_delivery: Delivery) -> Outcome:
        raise RuntimeError("a sink must not raise, and this one does")

    broken = ScriptedSink(fail, "broken")
    pile_up(database, ["ill", "well", "broken"], count=20, versions=2)
    with running(database, ill, broken, well):
        wait_until_settled(database, "well", patience=10)
    assert statuses(database, "ill") == statuses(database, "broken") == {"PENDING": 40}
