"""Sent events match the published schemas, and the documents about events match the program."""

import json
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


def test_everything_sent_is_what_its_schema_says_and_nothing_more_or_less(sent: Sent) -> None:
    assert {sink for sink, _ in sent} == {*NEIGHBOURS, *BROKERS}
    for sink, message in sent:
        validator(sink).validate(message)
    for sink, message in {(sink, shape(message)): (sink, message) for sink, message in sent}.values():
        tolerated = [each for each in broken(message) if validator(sink).is_valid(each)]
        assert tolerated == [], f"the schema of {sink} lets this pass"


def test_every_type_is_sent_and_documented_by_its_channel(sent: Sent) -> None:
    told = {(message["channel"], message["event_type"]) for sink, message in sent if sink == "kafka"}
    assert {(channel, kind) for channel, kind, *_ in DOCUMENTED} == told
    assert {kind for _, kind in told} == {*EVENT_TYPES.values(), "payment.successful"}


def test_neighbours_are_told_what_the_document_says(sent: Sent) -> None:
    for name in NEIGHBOURS:
        kinds = {f"{channel} {kind}" for channel, kind, _, told in DOCUMENTED if name in told.replace(",", "").split()}
        expected = sum(f"{m['channel']} {m['event_type']}" in kinds for sink, m in sent if sink == "rabbitmq")
        assert sum(sink == name for sink, _ in sent) == expected > 0, name


def test_versions_have_no_gap_and_no_event_is_told_twice(sent: Sent) -> None:
    for name in BROKERS:
        messages = [message for sink, message in sent if sink == name]
        assert len({message["event_id"] for message in messages}) == len(messages)
    versions: dict[Any, list[int]] = {}
    for sink, message in sent:
        if sink == "kafka":
            versions.setdefault(message["payment_id"], []).append(message["version"])
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
    assert len(versions) > 15
