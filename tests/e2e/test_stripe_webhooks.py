"""From the bank's own webhooks to the caller's answer: the service, its worker and the simulator as programs."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import update

from payment_service import clock
from payment_service.models import gateway_notices, idempotency_keys, payments, timers
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service, environment
from tests.support.stripe_bank import StripeBank, stripe_bank
from tests.support.waiting import wait_until
from tests.support.workers import wait_while_alive

SECRET = "whsec_of_the_tests"
BACK = "https://shop.example.com/back"
THREE_D_SECURE = "pm_card_authenticationRequired"
PENDING = 202.03
"""An amount that the bank takes its time for, and then charges."""


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[StripeBank]:
    with stripe_bank(tmp_path) as bank:
        bank.admin("settings", retry_base=0.1)
        yield bank


@dataclass
class Running:
    """The service at `url` with the environment of its programs; `deps` gives access to its database."""

    url: str
    settings: dict[str, str]
    deps: Dependencies
    bank: StripeBank

    def pay(self, key: str = "k1", **fields: Any) -> requests.Response:
        body = {"idempotency_key": key, "trip_id": 101, "method": "CARD", "amount": 150.0, **fields}
        return requests.post(f"{self.url}/payments", json=body, timeout=20)

    def listen(self, **misbehaviour: float) -> None:
        """Have the bank deliver to the webhook."""
        hook = f"{self.url}/webhooks/stripe"
        self.bank.admin("webhook_endpoints", url=hook, secrets=[SECRET], misbehaviour=misbehaviour)

    def put_off(self) -> None:
        """Put every look-up off until tomorrow, unless a notice comes."""
        with self.deps.database.atomic("test") as connection:
            changed = connection.execute(update(timers).values(due_at=clock.now() + timedelta(days=1)))
        assert changed.rowcount, "nothing waits to be looked up"

    def worker(self) -> Service:
        command = (sys.executable, "-m", "flask", "--app", "wsgi", "recover", "--loop")
        worker = Service(*command, settings=self.settings)
        wait_while_alive(worker, lambda: worker.log().count("background.started") >= 5)
        return worker

    def key(self) -> dict[str, Any]:
        """Return the row of the latest key."""
        return rows(self.deps, idempotency_keys)[-1]

    def flask(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
        ours = environment(**self.settings)
        return subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=ours, timeout=60)


@pytest.fixture
def running(make_app: MakeApp, database_url: str, bank: StripeBank, tmp_path: Path) -> Iterator[Running]:
    port = free_port()
    settings = {
        "BIND": f"127.0.0.1:{port}",
        "DATABASE_URL": database_url,
        "WEB_CONCURRENCY": "1",
        "GATEWAY": "stripe",
        "STRIPE_API_KEY": "sk_test_simulator",
        "STRIPE_API_BASE": bank.simulator.url,
        "STRIPE_WEBHOOK_SECRETS": f"whsec_of_tomorrow,{SECRET}",
        "STRIPE_READ_TIMEOUT": "5",
        "PAYMENT_RETURN_ORIGINS": "https://shop.example.com",
        "RECOVER_INTERVAL": "0.3",
        "TMPDIR": str(tmp_path),
        "DOTENV_READ": "1",  # a developer's .env is not for tests
    }
    found = Running(f"http://127.0.0.1:{port}", settings, dependencies_of(make_app()), bank)
    with closing(Service.gunicorn(settings)) as service:
        wait_while_alive(service, lambda: _answers(found))
        yield found


def _answers(running: Running) -> bool:
    try:
        return requests.get(f"{running.url}/health/ready", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def seconds_until_success(running: Running, **fields: Any) -> float:
    began = time.monotonic()
    wait_until(lambda: running.key()["response_status"], lambda: json.dumps(running.bank.look("deliveries")))
    seconds = time.monotonic() - began
    answer = running.pay(**fields)
    assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS")
    return seconds


def test_authenticated_payment_succeeds_by_webhook_within_5_seconds(running: Running) -> None:
    running.listen()
    card = {"payment_token": THREE_D_SECURE, "return_url": BACK}
    assert (answer := running.pay(**card)).status_code == 202, answer.text
    assert answer.json()["next_action"]["type"] == "redirect"
    running.put_off()
    with closing(running.worker()):
        running.bank.admin(f"payment_intents/{running.key()['gateway_reference']}/authenticate", success=True)
        assert seconds_until_success(running, **card) < 5
    assert len(running.bank.moved(running.key()["gateway_key"])) == 1


def test_pending_payment_succeeds_by_webhook_despite_a_forged_and_a_repeated_one(running: Running) -> None:
    running.listen(forge=1.0, duplicate=1.0, shuffle=0.3)
    slow: dict[str, Any] = {"payment_token": "pm_card_visa", "amount": PENDING}
    assert (answer := running.pay(**slow)).status_code == 202, answer.text
    running.put_off()
    with closing(running.worker()):
        running.bank.admin(f"payment_intents/{running.key()['gateway_reference']}/settle")
        assert seconds_until_success(running, **slow) < 5
        wait_until(lambda: all(each["due_at"] is None for each in rows(running.deps, gateway_notices)))
    events = [each["event_id"] for each in rows(running.deps, gateway_notices)]
    assert len(events) == len(set(events))
    assert list(verify(running.deps)) == []


def test_failed_authentication_is_a_decline_despite_other_notices(running: Running) -> None:
    running.listen()
    card = {"payment_token": THREE_D_SECURE, "return_url": BACK}
    assert running.pay(**card).status_code == 202
    running.put_off()
    with closing(running.worker()):
        running.bank.admin(f"payment_intents/{running.key()['gateway_reference']}/authenticate", success=False)
        wait_until(lambda: running.key()["response_status"])
    assert running.pay(**card).json()["status"] == "FAILED"
    assert running.bank.moved(running.key()["gateway_key"]) == []


def test_catch_up_fetches_lost_notices(running: Running) -> None:
    running.listen(lose=1.0)
    card = {"payment_token": THREE_D_SECURE, "return_url": BACK}
    assert running.pay(**card).status_code == 202
    running.put_off()
    running.bank.admin(f"payment_intents/{running.key()['gateway_reference']}/authenticate", success=True)
    since = (clock.now() - timedelta(minutes=5)).isoformat()
    with closing(running.worker()):
        caught = running.flask("catch-up", "--gateway", "stripe", "--since", since, "--json")
        assert (caught.returncode, json.loads(caught.stdout)["stored"] > 0) == (0, True), caught.stderr
        assert seconds_until_success(running, **card) < 5
    again = running.flask("catch-up", "--gateway", "stripe", "--since", since)
    assert again.stdout.endswith(" seen, 0 of them were missing\n")

    running.bank.simulator.stop()
    away = running.flask("catch-up", "--gateway", "stripe", "--since", since)
    assert (away.returncode, away.stdout) == (3, "")


def test_webhook_records_a_late_refund_failure_and_a_dispute(running: Running) -> None:
    running.listen()
    number = running.pay(payment_token="pm_card_mastercard").json()["payment_id"]
    refund = {"idempotency_key": "back", "amount": 100}
    told = requests.post(f"{running.url}/payments/{number}/refunds", json=refund, timeout=20)
    assert told.status_code == 200, told.text
    (payment,) = rows(running.deps, payments)
    with closing(running.worker()):
        running.bank.admin(f"refunds/{running.key()['gateway_reference']}/fail")
        wait_until(lambda: rows(running.deps, payments)[0]["status"] == "CAPTURED")
        running.bank.admin("disputes", payment_intent=payment["charge_reference"], amount=9_000)
        wait_until(lambda: rows(running.deps, payments)[0]["disputed_amount"] == 90)
    assert requests.post(f"{running.url}/payments/{number}/refunds", json=refund, timeout=20).content == told.content
    assert list(verify(running.deps)) == []
