"""The recovery worker as a loop beside the service."""

import threading
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.cli.loops import recover_until
from payment_service.gateways.base import Unknown
from payment_service.models import payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from tests.support.callers import pay_trip
from tests.support.database import expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.waiting import wait_until


def test_stopping_worker_finishes_only_its_current_key(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([Unknown("silence")] * 10)
    for number in range(10):
        pay_trip(client, idempotency_key=f"key-{number}")
    expire_leases(deps)
    gateway.latency = 0.2
    stop = threading.Event()
    worker = threading.Thread(target=recover_until, args=(deps, 60.0, stop))
    worker.start()
    wait_until(lambda: gateway.lookups)
    stop.set()
    began = time.monotonic()
    worker.join()

    assert time.monotonic() - began < 1.5
    assert 1 <= sum(row["status"] == "CAPTURED" for row in rows(deps, payments)) < 5


def test_key_that_cannot_be_finished_delays_no_other(
    app: Flask, client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.script.extend([Unknown("silence")] * 3)
    keys = ("one", "poison", "two")
    numbers = [pay_trip(client, idempotency_key=key).get_json()["payment_id"] for key in keys]
    voice = deps.renderers["trips"]
    answer = voice.answer

    def refuse_one(response_format: str, context: Any) -> Any:
        if context.payment.payment_id == numbers[1]:
            raise LookupError("no words for this")
        return answer(response_format, context)

    expire_leases(deps)
    with monkeypatch.context() as patch:
        patch.setattr(voice, "answer", refuse_one)
        assert dict(recover(deps)) == {"finished": 2, "failed": 1}
        assert dict(recover(deps)) == {}, "it is not tried again at once"
    expire_leases(deps)
    assert dict(recover(deps)) == {"finished": 1}
    assert {row["status"] for row in rows(deps, payments)} == {"CAPTURED"}
