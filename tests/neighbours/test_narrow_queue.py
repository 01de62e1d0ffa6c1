"""A RabbitMQ consumer that binds its queue to `payment.completed` alone: no queue takes `payment.created`."""

import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.neighbours.conftest import Start
from tests.support.broker import Broker, Ear
from tests.support.tokens import bearer
from tests.support.waiting import wait_until
from tests.support.workers import wait_while_alive

EXCHANGE = "payment_events"
WITHIN = 90.0


@pytest.fixture
def queue(broker: Broker) -> Iterator[Ear]:
    """Yield the consumer's queue at a broker of our own: no other consumer binds one to the service's exchange."""
    with closing(Ear(broker.port, EXCHANGE)) as queue:
        yield queue.bind("payment.completed")


@pytest.mark.parametrize("engine_name", ["postgresql"], indirect=True)
def test_queue_bound_only_to_completed_gets_that_event_within_90_seconds(
    start: Start, broker: Broker, queue: Ear
) -> None:
    service = start(RABBITMQ_ENABLED="true", RABBITMQ_HOST="127.0.0.1", RABBITMQ_PORT=str(broker.port))
    worker, ada = service.start_worker(), bearer("ada")
    booking = {"booking_id": "BOOK-001", "amount": 150.0}
    payment_id = service.ask("POST", "/api/payments", booking, 201, ada)["payment"]["payment_id"]
    paid = service.ask("POST", f"/api/payments/{payment_id}/process", headers=ada)["payment"]
    assert paid["status"] == "completed"

    wait_while_alive(worker, queue.bodies, WITHIN)

    (message,) = [json.loads(body) for body in queue.bodies()]
    assert (message["event_type"], message["channel"]) == ("payment.completed", "bookings")
    assert (message["data"]["payment_id"], message["data"]["status"]) == (payment_id, "completed")
    (unrouted,) = service.deliveries("--status", "UNROUTED")
    assert (unrouted["event_type"], unrouted["sink"], unrouted["attempts"]) == ("payment.created", "rabbitmq", 3)
    wait_until(lambda: not service.deliveries("--status", "PENDING"))
    assert service.deliveries("--dead") == []
    service.verify()
