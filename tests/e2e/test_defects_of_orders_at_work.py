"""The faults of the orders document's original that only several processes, real connections and crashes show."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.conftest import MakeApp
from tests.support.orders import ORDER, REFUND, change_order, charge_order, create_order, paid
from tests.support.workers import Workers, all_at_once, relay, several_workers, wait_while_alive

AT_ONCE = 20
_numbers = count(1)


@pytest.fixture(scope="module")
def workers(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Start four workers, as when the faults were first seen."""
    with several_workers(database_url, tmp_path_factory.mktemp("workers"), 4) as running:
        yield running


@pytest.fixture
def order() -> dict[str, Any]:
    """Return an unpaid order."""
    return {**ORDER, "order_id": 10**6 + next(_numbers) * 100, "amount": 10}


def charged(workers: Workers, order: dict[str, Any]) -> int:
    answer = workers.send("POST", "/v1/payments/charge", order, key=f"order {order['order_id']}")
    assert answer.status_code == 201, answer.text
    return int(answer.json()["payment_id"])


def test_defect_1_same_key_20_times_at_once_charges_once(workers: Workers, order: dict[str, Any]) -> None:
    """Several workers answered a mixture of 201, 400 and 500."""
    before = len(workers.bank.effects())
    answers = all_at_once(
        AT_ONCE, lambda _: workers.send("POST", "/v1/payments/charge", order, key=f"same {order['order_id']}")
    )
    assert [answer.status_code for answer in answers] == [201] * AT_ONCE
    assert len({answer.content for answer in answers}) == 1
    assert len(workers.bank.effects()) == before + 1


def test_defect_1_same_key_for_20_orders_at_once_charges_once(workers: Workers, order: dict[str, Any]) -> None:
    """Some of the payments were committed and then answered with 500."""
    before = len(workers.bank.effects())
    orders = [{**order, "order_id": order["order_id"] + number} for number in range(AT_ONCE)]
    key = f"twenty {order['order_id']}"
    answers = all_at_once(AT_ONCE, lambda at: workers.send("POST", "/v1/payments/charge", orders[at], key=key))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * (AT_ONCE - 1)
    found = [workers.send("GET", f"/v1/payments/order/{each['order_id']}").status_code for each in orders]
    assert [answer.status_code == 201 for answer in answers] == [status == 200 for status in found]
    assert len(workers.bank.effects()) == before + 1


def test_defect_1_same_order_under_20_keys_at_once_charges_once(workers: Workers, order: dict[str, Any]) -> None:
    """The same window, seen from the order: the original charged the second caller and refused the request."""
    before = len(workers.bank.effects())
    keys = [f"key {number} of {order['order_id']}" for number in range(AT_ONCE)]
    answers = all_at_once(AT_ONCE, lambda at: workers.send("POST", "/v1/payments/charge", order, key=keys[at]))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * (AT_ONCE - 1)
    assert len(workers.bank.effects()) == before + 1


@pytest.mark.parametrize(("amount", "succeed"), [(10, 1), (3, 3)], ids=["whole", "parts"])
def test_defect_4_refunds_at_once_never_exceed_the_payment(
    workers: Workers, order: dict[str, Any], amount: int, succeed: int
) -> None:
    """Several workers refunded 10.00 three times."""
    number = charged(workers, order)
    before = len(workers.bank.effects())
    path, body = f"/v1/payments/{number}/refund", {**REFUND, "amount": amount}
    answers = all_at_once(AT_ONCE, lambda at: workers.send("POST", path, body, key=f"{at} of {number}"))
    assert sorted(answer.status_code for answer in answers) == [200] * succeed + [400] * (AT_ONCE - succeed)
    effects = workers.bank.effects()[before:]
    assert [(effect["kind"], float(effect["amount"])) for effect in effects] == [("refund", amount)] * succeed
    payment = workers.send("GET", f"/v1/payments/{number}").json()
    assert payment["refunded_amount"] == amount * succeed
    assert sum(row["transaction_type"] == "REFUND" for row in payment["transactions"]) == succeed


class OrderService:
    """A downstream service that keeps its events, and refuses the first `refusals` times."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.tries = 0
        self.told: list[tuple[str, Any]] = []

    def __call__(self, request: Request) -> Response:
        self.tries += 1
        if self.tries <= self.refusals:
            return Response(status=503)
        self.told.append((request.path, json.loads(request.data)))
        return Response(status=204)


@pytest.fixture
def order_service(httpserver: HTTPServer) -> OrderService:
    """Return a downstream service that fails at first."""
    service = OrderService(refusals=1)
    httpserver.expect_request("/v1/orders/3001/payment-status", method="PATCH").respond_with_handler(service)
    return service


@pytest.fixture
def client(make_app: MakeApp, httpserver: HTTPServer) -> FlaskClient:
    """Return a caller of a service with a downstream service."""
    return make_app(order_service_url=httpserver.url_for("")).test_client()


def test_defect_7_order_service_gets_events_in_order(
    client: FlaskClient, order_service: OrderService, database_url: str, httpserver: HTTPServer
) -> None:
    """FAILED, which had to be sent twice, arrived after the COMPLETED that came after it."""
    failed = paid(create_order(client))["payment_id"]
    paid(change_order(client, failed, "FAILED"), 200)
    completed = paid(charge_order(client))["payment_id"]
    settings = {"DATABASE_URL": database_url, "ORDER_SERVICE_URL": httpserver.url_for("")}
    with closing(relay(settings)) as process:
        wait_while_alive(process, lambda: len(order_service.told) == 2)
    assert [(body["payment_id"], body["payment_status"]) for _, body in order_service.told] == [
        (failed, "FAILED"),
        (completed, "COMPLETED"),
    ]
    assert order_service.tries == 3


def test_defect_12_events_survive_every_restart(
    client: FlaskClient, order_service: OrderService, database_url: str, httpserver: HTTPServer
) -> None:
    """Notifications were tasks in memory: a restart lost them, and so did three refusals of the downstream service."""
    number = paid(charge_order(client))["payment_id"]
    order_service.refusals = 10**6
    settings = {"DATABASE_URL": database_url, "ORDER_SERVICE_URL": httpserver.url_for("")}
    with closing(relay(settings)) as process:
        wait_while_alive(process, lambda: order_service.tries)
        process.stop()
    order_service.refusals = 0
    with closing(relay(settings)) as process:
        wait_while_alive(process, lambda: order_service.told)
    about = {"order_id": 3001, "amount": 2499.99, "currency": "INR"}
    assert order_service.told == [
        ("/v1/orders/3001/payment-status", {"payment_id": number, "payment_status": "COMPLETED", **about})
    ]


def test_defect_14_worker_serves_others_while_it_waits_for_the_gateway(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, order: dict[str, Any]
) -> None:
    """One request at a time: a second request during a charge waited for the charge's gateway."""
    with several_workers(database_url, tmp_path_factory.mktemp("worker"), 1) as worker, ThreadPoolExecutor(1) as thread:
        number = charged(worker, order)
        worker.bank.arm("sleep_then_answer", kind="charge", times=1, ms=3000)
        slow = thread.submit(charged, worker, {**order, "order_id": order["order_id"] + 1})
        worker.bank.wait_until_struck()
        paths = ("/health", f"/v1/payments/{number}", "/v1/payments?page=1")
        assert [worker.send("GET", path).status_code for path in paths] == [200, 200, 200]
        charged(worker, {**order, "order_id": order["order_id"] + 2})
        assert not slow.done()
        assert slow.result() > number


NAMES = (
    "payments_created_total", "payments_failed_total", "total_amount_processed", "total_refunds",
    "refunds_processed_total", "payment_processing_errors", "payments_by_status", "payments_by_method",
)  # fmt: skip


def figures(workers: Workers) -> dict[str, str]:
    answer = workers.send("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines if name.partition("{")[0] in NAMES}


def test_defect_10_every_worker_serves_the_same_metrics_also_after_a_restart(
    workers: Workers, order: dict[str, Any], database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Another route hid /metrics; its counters were one process's, and began at nothing again."""
    number = charged(workers, order)
    assert workers.send("POST", f"/v1/payments/{number}/refund", {**REFUND, "amount": 1}).status_code == 200
    seen = [figures(workers) for _ in range(12)]
    assert all(each == seen[0] for each in seen)
    assert {name.partition("{")[0] for name in seen[0]} == set(NAMES)
    assert workers.send("HEAD", "/metrics").status_code == 200
    with several_workers(database_url, tmp_path_factory.mktemp("restarted"), 2) as restarted:
        business = [name for name in seen[0] if name != "payment_processing_errors"]
        after = figures(restarted)
        assert [after[name] for name in business] == [seen[0][name] for name in business]
