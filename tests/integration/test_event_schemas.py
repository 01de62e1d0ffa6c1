"""Sent events match the published schemas, and the documents about events match the program."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from flask import Flask

from payment_service import create_app
from payment_service.config import Settings
from payment_service.config_fields import CHANNELS
from payment_service.delivery.base import Delivered
from payment_service.delivery.relay import Relay
from payment_service.delivery.sinks import NEIGHBOURS, build_sinks
from payment_service.domain.lifecycle import EVENT_TYPES
from tests.conftest import dependencies_of, empty
from tests.support.changing import ChangingGateway
from tests.support.event_schemas import DOCUMENTED, validator
from tests.support.every_event import everything
from tests.support.receiver import Receiver
from tests.support.relays import ScriptedSink, drain

BROKERS = ("rabbitmq", "kafka")

Sent = list[tuple[str, dict[str, Any]]]
"""The sink's name and the JSON it got, in order."""


@pytest.fixture(scope="module")
def sent(migrated: Callable[[str], str]) -> Sent:
    """Return everything that every channel sends to every sink; it takes long, so all tests look at the same."""
    gateway = ChangingGateway()
    with closing(Receiver()) as receiver:
        app = everybody_listens(migrated("postgresql"), gateway, receiver)
        empty(dependencies_of(app).database)
        everything(app, gateway)
        found = all_sent(app, receiver)
        dependencies_of(app).database.engine.dispose()
    return found


OPTIONAL = {"caller_reference"}
"""Fields that may be present or absent independently of all others."""


def everybody_listens(database_url: str, gateway: ChangingGateway, receiver: Receiver) -> Flask:
    """Return a service with every sink switched on."""
    urls: dict[str, Any] = {setting.lower(): f"{receiver.url}/{name}" for name, setting in NEIGHBOURS.items()}
    secret = "a-test-secret-of-32-bytes-or-more!!"
    settings = Settings(
        database_url=database_url,
        log_level="ERROR",
        jwt_secret_key=secret,
        rabbitmq_enabled=True,
        kafka_brokers="127.0.0.1:9",
        rabbitmq_channels=frozenset(CHANNELS),
        kafka_channels=frozenset(CHANNELS),
        **urls,
    )
    return create_app(settings, gateway=gateway)


def all_sent(app: Flask, receiver: Receiver) -> Sent:
    """Send everything that waits; return the messages that brokers and downstream services got."""
    database = dependencies_of(app).database
    found: Sent = []
    for name in BROKERS:
        broker = ScriptedSink(lambda _: Delivered(), name)
        drain(Relay(database, broker))
        found += [(name, json.loads(each.body)) for each in broker.offered]
    for name, sink in build_sinks(app.config).items():
        with closing(sink):
            if name in NEIGHBOURS:
                drain(Relay(database, sink))
    return found + [(taken.path.split("/")[1], json.loads(taken.body)) for taken in receiver.taken]


def broken(message: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Yield the message with each of its required fields left out, and with an unknown field in each of its objects."""
    yield {**message, "stranger": 1}
    for name, value in message.items():
        if name not in OPTIONAL:
            yield {other: kept for other, kept in message.items() if other != name}
        if isinstance(value, dict):
            yield from ({**message, name: inner} for inner in broken(value))


def shape(message: dict[str, Any]) -> str:
    """Return which event of which channel it is, and which fields it has: one of each shape may stand for all."""
    data = message.get("data", {})
    return f"{message.get('channel')} {message.get('event_type')} {sorted(message)} {sorted(data)}"


def test_every_event_is_valid_by_its_schema_and_the_schema_admits_no_other(sent: Sent) -> None:
    assert {sink for sink, _ in sent} == {*NEIGHBOURS, *BROKERS}
    faults = [(sink, fault.message) for sink, message in sent for fault in validator(sink).iter_errors(message)]
    assert faults == []
    shapes = {(sink, shape(message)): (sink, message) for sink, message in sent}.values()
    tolerated = [(sink, each) for sink, message in shapes for each in broken(message) if validator(sink).is_valid(each)]
    assert tolerated == [], "a schema lets this pass"


def test_every_type_is_sent_and_documented_by_its_channel(sent: Sent) -> None:
    told = {(message["channel"], message["event_type"]) for sink, message in sent if sink == "kafka"}
    assert {(channel, kind) for channel, kind, *_ in DOCUMENTED} == told
    assert {kind for _, kind in told} == {*EVENT_TYPES.values(), "payment.successful"}


def test_each_downstream_service_gets_the_events_of_the_document(sent: Sent) -> None:
    documented = [
        (name, f"{channel} {kind}")
        for channel, kind, _, told in DOCUMENTED
        for name in told.replace(",", "").split()
        if name in NEIGHBOURS
    ]
    made = Counter(f"{message['channel']} {message['event_type']}" for sink, message in sent if sink == "rabbitmq")
    expected = {name: sum(made[kind] for each, kind in set(documented) if each == name) for name in NEIGHBOURS}
    assert {name: sum(sink == name for sink, _ in sent) for name in NEIGHBOURS} == expected
    assert [name for name, number in expected.items() if not number] == []


def test_versions_have_no_gap_and_every_event_is_sent_once(sent: Sent) -> None:
    ids = {name: [message["event_id"] for sink, message in sent if sink == name] for name in BROKERS}
    assert {name: len(set(each)) for name, each in ids.items()} == {name: len(each) for name, each in ids.items()}
    versions: dict[Any, list[int]] = {}
    for sink, message in sent:
        if sink == "kafka":
            versions.setdefault(message["payment_id"], []).append(message["version"])
    assert list(versions.values()) == [list(range(1, len(found) + 1)) for found in versions.values()]
    assert len(versions) > 15
