"""A receiver changes its secret before we do: it refuses every event signed with the old one alone."""

import json

from tests.neighbours.conftest import Start
from tests.neighbours.signatures import is_signed
from tests.support.callers import TRIP
from tests.support.receiver import Answer, Receiver, Taken
from tests.support.workers import wait_while_alive

OLD, NEW = "the secret of last year", "the secret of this year"


def test_receiver_with_a_new_secret_gets_the_event_once_the_worker_knows_both(start: Start, receiver: Receiver) -> None:
    def accept_the_new_one(request: Taken) -> Answer:
        return Answer(204 if is_signed(request, NEW) else 401)

    receiver.behaviour = accept_the_new_one
    service = start(TRIP_NOTIFICATION_SERVICE_URL=receiver.url, WEBHOOK_SECRET=OLD)
    worker = service.start_worker()
    payment_id = service.ask("POST", "/payments", dict(TRIP))["payment_id"]
    wait_while_alive(worker, lambda: len(receiver.seen) >= 2)
    assert worker.stop() == 0, worker.last_words()
    refused = list(receiver.seen)
    (waiting,) = service.deliveries()
    assert (waiting["status"], waiting["last_error"], receiver.taken) == ("PENDING", "HTTP 401", [])
    assert all(is_signed(each, OLD) for each in refused)

    worker = service.start_worker(WEBHOOK_SECRET=f"{NEW},{OLD}")
    wait_while_alive(worker, lambda: receiver.taken)
    service.wait_until_delivered()
    assert worker.stop() == 0, worker.last_words()

    (taken,) = receiver.taken
    body = json.loads(taken.body)
    assert (body["payment_id"], body["status"]) == (payment_id, "SUCCESS")
    assert {each.headers["Webhook-Id"] for each in [*refused, taken]} == {taken.headers["Webhook-Id"]}
    assert {each.body for each in refused} == {taken.body}
    assert is_signed(taken, OLD), "who still knows the old one alone is told as well"
    assert service.deliveries("--dead") == []
    service.verify()
