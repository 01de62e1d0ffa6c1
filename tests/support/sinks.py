"""Sinks as tests want them, impatient, and a delivery to hand to them."""

import json
import time
from typing import Any

import pika

from payment_service import clock
from payment_service.delivery.base import Outcome, Report, Sink
from payment_service.delivery.http import HttpSink
from payment_service.delivery.rabbitmq import RabbitSink
from payment_service.delivery.signatures import Signer
from payment_service.domain.deliveries import Delivery
from tests.support.broker import Ear
from tests.support.relays import QUICK


def an_event(number: int = 1, version: int = 2, **changes: Any) -> Delivery:
    """Return an event of payment `number` on its way, the second one, with other values where given."""
    event_id = changes.pop("event_id", clock.new_id())
    data = {"payment_id": number, "version": version}
    values: dict[str, Any] = {
        "delivery_id": number,
        "sink": "notification",
        "attempts": 1,
        "event_id": event_id,
        "event_type": "payment.completed",
        "version": version,
        "occurred_at": clock.now(),
        "message_key": str(number),
        "method": "POST",
        "path": "/v1/notifications",
        "body": json.dumps({"event_id": str(event_id), "version": version, "data": data}),
    }
    return Delivery(**values | changes)


def http_sink(url: str, signer: Signer | None = None, timeout: float = 1.0) -> HttpSink:
    """Return the notification service at `url`."""
    return HttpSink("notification", url, signer or Signer(), timeout=timeout, backoff=QUICK)


def rabbit_sink(port: int, ear: Ear, **changes: Any) -> RabbitSink:
    """Return a broker of this machine, and the exchange that `ear` listens to."""
    options: dict[str, Any] = {"exchange": ear.exchange, "confirmed_within": 5.0, "backoff": QUICK} | changes
    return RabbitSink(pika.ConnectionParameters("127.0.0.1", port), **options)


def reports_of(sink: Sink, count: int, patience: float = 20.0) -> list[Report]:
    """Return the next `count` reports."""
    reports: list[Report] = []
    deadline = time.monotonic() + patience
    while len(reports) < count:
        assert time.monotonic() < deadline, reports
        reports += sink.poll(0.2)
    return reports


def outcome_of(sink: Sink, event: Delivery | None = None) -> Outcome:
    """Return the result of one event, sent alone."""
    sink.send([event or an_event()])
    (report,) = reports_of(sink, 1)
    return report.outcome
