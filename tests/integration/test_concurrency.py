"""Many at once: real threads, committed rows, both databases, and once real processes behind HTTP."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Unknown
from payment_service.models import payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of, migrate
from tests.support import checkouts
from tests.support.callers import at_once, pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.processes import Service
from tests.support.simulator import Simulator, running_simulator
from tests.support.waiting import wait_until

CROWD = 50


@pytest.fixture
def crowded(make_app: MakeApp) -> Flask:
    """Return a service with as many threads as there are callers, and as everywhere a connection for each thread."""
    return make_app(db_pool_size=CROWD)


def codes(answers: list[TestResponse]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("wait", [0.0, 5.0])
def test_50_requests_at_once_with_one_key_charge_once(make_app: MakeApp, gateway: LedgerGateway, wait: float) -> None:
    app = make_app(idempotency_wait=wait)
    gateway.latency = 0.5
    answers = at_once(app, CROWD, lambda client, _: pay_trip(client))
    paid = [answer for answer in answers if answer.status_code == 200]

    assert set(codes(answers)) == ({200} if wait else {200, 409})
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 409)
    assert len({(answer.data, answer.content_type) for answer in paid}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in paid) == 1
    assert len(gateway.sent) == len(rows(dependencies_of(app), payments)) == 1
    assert pay_trip(app.test_client()).data == paid[0].data


def test_50_requests_at_once_with_50_keys_charge_50_times(
    crowded: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.latency = 0.05
    answers = at_once(crowded, CROWD, lambda client, number: pay_trip(client, idempotency_key=f"key-{number}"))

    assert codes(answers) == {200: CROWD}
    assert len({answer.get_json()["payment_id"] for answer in answers}) == CROWD
    assert gateway.count(Kind.CHARGE) == len(rows(deps, payments)) == CROWD
    assert not list(verify(deps))


def test_50_refunds_at_once_refund_no_more_than_was_paid(
    crowded: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    payment_id = trip_id_of(pay_trip(client, amount=150))
    gateway.latency = 0.05
    answers = at_once(
        crowded, CROWD, lambda client, number: refund_trip(client, payment_id, idempotency_key=f"r{number}", amount=10)
    )

    assert codes(answers) == {200: 15, 400: CROWD - 15}
    assert gateway.count(Kind.REFUND) == len(rows(deps, payment_refunds)) == 15
    assert {row["status"]: row["refunded_amount"] for row in rows(deps, payments)} == {"REFUNDED": 150}
    assert not list(verify(deps))


@pytest.fixture(scope="module")
def keys_of_one_prefix() -> tuple[str, str]:
    """Return two keys with hashes that share the eight digits that make references: some 80,000 tries."""
    seen: dict[bytes, str] = {}
    for number in count():
        key = f"key-{number}"
        prefix = hashlib.sha256(key.encode()).digest()[:4]
        if prefix in seen:
            return seen[prefix], key
        seen[prefix] = key
    raise AssertionError


@pytest.mark.parametrize("_attempt", range(5))
def test_two_keys_whose_hashes_begin_alike_both_pay(
    app: Flask, gateway: LedgerGateway, keys_of_one_prefix: tuple[str, str], _attempt: int
) -> None:
    answers = at_once(app, 10, lambda client, number: pay_trip(client, idempotency_key=keys_of_one_prefix[number % 2]))
    references = {answer.get_json()["reference"] for answer in answers}
    assert codes(answers) == {200: 10}
    assert len(references) == gateway.count(Kind.CHARGE) == 2
    assert len({reference[:21] for reference in references}) == 1


def test_one_key_for_a_charge_and_a_refund_at_once_does_only_one_of_them(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    payment_id = trip_id_of(pay_trip(client, idempotency_key="before", amount=1000))
    gateway.latency = 0.02

    def charge_or_refund(client: FlaskClient, which: int, key: str) -> TestResponse:
        if which:
            return pay_trip(client, idempotency_key=key)
        return refund_trip(client, payment_id, idempotency_key=key, amount=1)

    keys = [f"either-{number}" for number in range(10)]
    answers = {key: codes(at_once(app, 2, partial(charge_or_refund, key=key))) for key in keys}
    assert answers == {key: {200: 1, 422: 1} for key in keys}
    assert gateway.count(Kind.CHARGE) + gateway.count(Kind.REFUND) == 11
    assert not list(verify(deps))


def test_waiting_repeat_holds_no_connection(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(db_pool_size=2, idempotency_wait=5.0)
    gateway.latency = 1.0
    with ThreadPoolExecutor(21) as threads:
        waiting = [threads.submit(lambda: pay_trip(app.test_client())) for _ in range(20)]
        wait_until(lambda: rows(dependencies_of(app), payments), patience=10)
        began = time.monotonic()
        seen = app.test_client().get("/payments").status_code, app.test_client().get("/health/ready").status_code
        took = time.monotonic() - began
        answers = [each.result() for each in waiting]

    assert seen == (200, 200)
    assert took < 0.8, "whoever looks waits for nobody"
    assert codes(answers) == {200: 20}
    assert len(gateway.sent) == 1


def test_recovery_workers_and_repeats_at_once_finish_every_key_once(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([Unknown("silence")] * 20)
    for number in range(20):
        pay_trip(client, idempotency_key=f"key-{number}")
    expire_leases(deps)
    gateway.latency = 0.005
    workers = [threading.Thread(target=recover, args=(deps,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    answers = at_once(app, 20, lambda client, number: pay_trip(client, idempotency_key=f"key-{number}"))
    for worker in workers:
        worker.join()

    assert set(codes(answers)) == {200}
    assert gateway.count(Kind.CHARGE) == 20
    assert {row["status"] for row in rows(deps, payments)} == {"CAPTURED"}
    assert not list(verify(deps))


def test_capture_and_void_at_once_do_only_one_of_them(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.latency = 0.02

    def capture_or_void(client: FlaskClient, which: int, held: str) -> TestResponse:
        return checkouts.post(client, ("capture", "void")[which], f"{held}{which}", transaction_id=held)

    holds = [checkouts.held(client, order_id=f"order-{number}") for number in range(10)]
    answers = {held: codes(at_once(app, 2, partial(capture_or_void, held=held))) for held in holds}
    assert answers == {held: {200: 1, 400: 1} for held in holds}
    assert gateway.count(Kind.CAPTURE) + gateway.count(Kind.VOID) == 10
    assert not list(verify(deps))


@pytest.fixture(params=["postgresql", "sqlite"])
def behind_gunicorn(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Simulator]]:
    """Two real workers with eight threads each, and a bank that takes half a second: the service's URL, the bank."""
    with ExitStack() as stack:
        if request.param == "postgresql":
            postgres: Postgres = request.getfixturevalue("postgres")
            postgres.drop_database("crowd")
            url = postgres.create_database("crowd")
            stack.callback(postgres.drop_database, "crowd")
        else:
            url = f"sqlite:///{tmp_path}/crowd.db"
        migrate(url)
        bank = stack.enter_context(running_simulator(tmp_path, latency_ms=500))
        port = free_port()
        service = Service.gunicorn(
            {"DATABASE_URL": url, "GATEWAY_URL": bank.url, "BIND": f"127.0.0.1:{port}", "TMPDIR": str(tmp_path)}
        )
        stack.callback(service.close)
        wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), service.last_words)
        yield f"http://127.0.0.1:{port}", bank


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_requests_at_once_to_several_processes_charge_once(behind_gunicorn: tuple[str, Simulator]) -> None:
    url, bank = behind_gunicorn

    def pay(key: str) -> requests.Response:
        body: dict[str, Any] = {"idempotency_key": key, "trip_id": 1, "method": "CARD", "amount": 12.5}
        return requests.post(f"{url}/payments", json=body, timeout=30)

    with ThreadPoolExecutor(CROWD) as threads:
        same = list(threads.map(pay, ["one and the same"] * CROWD))
        different = list(threads.map(pay, [f"mine-{number}" for number in range(CROWD)]))

    paid = [answer for answer in same if answer.status_code == 200]
    assert {answer.status_code for answer in same} <= {200, 409}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in same if answer.status_code == 409)
    assert {answer.content for answer in paid} == {pay("one and the same").content}
    assert [answer.status_code for answer in different] == [200] * CROWD
    assert sorted(bank.count("charge").values()) == [1] * (CROWD + 1)
