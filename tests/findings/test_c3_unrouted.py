"""A message without a queue blocks no other one. Release 1.0.0 blocked the payment's other messages for 72 hours."""

import json
from contextlib import closing

import pytest

from payment_service.delivery import relay
from payment_service.services import deliveries
from tests.conftest import MakeApp, dependencies_of
from tests.support.bookers import Booker
from tests.support.broker import Ear
from tests.support.events import statuses
from tests.support.relays import running
from tests.support.scraped import scraped
from tests.support.sinks import rabbit_sink
from tests.support.waiting import wait_until

SINK = "rabbitmq"


def test_c3_unroutable_message_is_tried_3_times_within_a_minute() -> None:
    assert len(relay.UNROUTED_DELAYS) + 1 == 3
    assert sum(relay.UNROUTED_DELAYS) < 60


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_c3_queue_bound_only_to_completed_gets_that_event(
    make_app: MakeApp, broker_port: int, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "UNROUTED_DELAYS", (0.2, 0.4))
    app = make_app(rabbitmq_enabled=True)
    deps = dependencies_of(app)
    ear.bind("payment.completed")
    payment_id = Booker(app, "ada").paid()

    with closing(rabbit_sink(broker_port, ear)) as sink, running(deps.database, sink):
        wait_until(lambda: statuses(deps.database, SINK) == {"UNROUTED": 1, "DELIVERED": 2})

    (body,) = [json.loads(body) for body in ear.bodies()]
    assert (body["event_type"], body["data"]["payment_id"]) == ("payment.completed", payment_id)
    assert scraped(app.test_client())("outbox_unrouted", sink=SINK) == 1
    (listed,) = deliveries.listed(deps, 10, sink=SINK, status="UNROUTED", since=None)
    assert (listed["event_type"], listed["last_error"]) == ("payment.created", "no queue takes it")

    ear.bind("payment.created")
    assert list(deliveries.replay(deps, [listed["delivery_id"]], "ann")) == [(1, 0)], "overtaken"
    assert list(deliveries.replay(deps, [listed["delivery_id"]], "ann", even_if_newer=True)) == [(1, 1)]
    with closing(rabbit_sink(broker_port, ear)) as sink, running(deps.database, sink):
        wait_until(lambda: statuses(deps.database, SINK) == {"DELIVERED": 3})
