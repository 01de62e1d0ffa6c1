"""An order service that commits its order after it has heard our answer: until then it knows no such order.

It takes one second; `NEIGHBOUR_SECONDS=20 pytest tests/neighbours/test_late_order_service.py` lets it take longer.
"""

import json
import os
import time

from tests.neighbours.conftest import Start
from tests.neighbours.processes import Processes
from tests.neighbours.signatures import is_signed
from tests.support.orders import ORDER
from tests.support.receiver import Answer, Receiver, Taken
from tests.support.waiting import wait_until

SECONDS = float(os.environ.get("NEIGHBOUR_SECONDS", "1"))
SECRET = "the order service's own secret"
ORDERS = (3001, 3002, 3003)


class OrderService:
    """Knows an order from `SECONDS` after the answer to its charge on; `asked` are the orders of the events it got."""

    def __init__(self) -> None:
        self.committed: dict[str, float] = {}
        self.asked: set[str] = set()

    def charge(self, service: Processes, order_id: int) -> int:
        """Charge an order, and commit it later; return the payment's number once the service has sent the event."""
        body, path = {**ORDER, "order_id": order_id}, f"/v1/orders/{order_id}/payment-status"
        answer = service.ask("POST", "/v1/payments/charge", body, 201, {"Idempotency-Key": f"order {order_id}"})
        self.committed[path] = time.monotonic() + SECONDS
        wait_until(lambda: path in self.asked)
        return int(answer["payment_id"])

    def __call__(self, request: Taken) -> Answer:
        self.asked.add(request.path)
        return Answer(200 if time.monotonic() >= self.committed.get(request.path, float("inf")) else 404)


def test_order_service_that_commits_late_gets_the_completed_event_once(start: Start, receiver: Receiver) -> None:
    receiver.behaviour = orders = OrderService()
    service = start(ORDER_SERVICE_URL=receiver.url, ORDER_WEBHOOK_SECRET=SECRET, WEBHOOK_SECRET="everybody's secret")
    worker = service.start_worker()
    numbers = {order_id: orders.charge(service, order_id) for order_id in ORDERS}

    service.wait_until_delivered(3 * SECONDS + 30)
    assert worker.stop() == 0, worker.last_words()

    assert len(receiver.seen) > len(receiver.taken), "it was told before it had committed"
    assert all(is_signed(each, SECRET) for each in receiver.seen)
    told = sorted((json.loads(each.body) for each in receiver.taken), key=lambda body: int(body["order_id"]))
    about = {"payment_status": "COMPLETED", "amount": ORDER["amount"], "currency": ORDER["currency"]}
    assert told == [{"payment_id": numbers[each], "order_id": each, **about} for each in ORDERS]
    assert {(each.method, each.path) for each in receiver.taken} == {("PATCH", path) for path in orders.committed}
    service.verify()
