"""Each broker carries the channel of its document, and ids are text there.

Release 1.0.0 sent all five channels to both brokers; a Go consumer with a `payment_id` of type string failed on three.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from flask import Flask

from payment_service.config import ConfigurationError, Settings
from payment_service.models import outbox_deliveries
from tests.conftest import MakeApp, dependencies_of
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip
from tests.support.checkouts import paid
from tests.support.database import rows
from tests.support.orders import charge_order

BROKERS: Mapping[str, Any] = {"rabbitmq_enabled": True, "kafka_brokers": "127.0.0.1:9"}
DEFAULTS = Settings(database_url="sqlite://")


def pay_in_every_channel(app: Flask) -> dict[str, list[dict[str, Any]]]:
    """Pay in every channel; return the messages of each broker."""
    client = app.test_client()
    for answer in (pay_trip(client), pay_bill(client), charge_order(client)):
        assert answer.status_code in (200, 201), answer.text
    paid(client)
    Booker(app, "ada").paid()
    found: dict[str, list[dict[str, Any]]] = {"rabbitmq": [], "kafka": []}
    for row in rows(dependencies_of(app), outbox_deliveries):
        found[row["sink"]].append(json.loads(row["body"]))
    return found


def test_c4_broker_gets_events_of_its_own_channel(make_app: MakeApp) -> None:
    channels = {"rabbitmq_channels": DEFAULTS.rabbitmq_channels, "kafka_channels": DEFAULTS.kafka_channels}
    found = pay_in_every_channel(make_app(**BROKERS, **channels))
    assert {body["channel"] for body in found["rabbitmq"]} == {"bookings"}
    assert {body["channel"] for body in found["kafka"]} == {"checkout"}


def test_c4_ids_are_text_on_a_broker_of_every_channel(make_app: MakeApp) -> None:
    found = pay_in_every_channel(make_app(**BROKERS))
    every = [*found["rabbitmq"], *found["kafka"]]
    assert {body["channel"] for body in every} == {"trips", "bills", "bookings", "orders", "checkout"}
    ids = [body[name] for body in every for name in ("payment_id", "order_id") if name in body]
    ids += [body["data"][name] for body in every for name in ("payment_id", "order_id") if name in body["data"]]
    assert {type(each) for each in ids} == {str}


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("*", {"trips", "bills", "bookings", "orders", "checkout"}),
        ("bookings, trips", {"bookings", "trips"}),
    ],
)
def test_c4_setting_accepts_names_of_channels_or_all(text: str, channels: set[str]) -> None:
    assert Settings.from_env({"RABBITMQ_CHANNELS": text}).rabbitmq_channels == channels
    assert Settings.from_env({"KAFKA_CHANNELS": text}).kafka_channels == channels


def test_c4_unknown_channel_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="RABBITMQ_CHANNELS"):
        Settings.from_env({"RABBITMQ_CHANNELS": "bookings, taxis"})
