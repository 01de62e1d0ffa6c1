"""The whole service with GATEWAY=stripe against localstripe, an independent Stripe, behind our front door."""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from payment_service import clock
from payment_service.cli.loops import handle_notices_until, recover_until
from payment_service.models import gateway_notices, idempotency_keys, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import refund_trip
from tests.support.database import recover_all, rows
from tests.support.instructions import PATIENT
from tests.support.localstripe import behind_a_front_door
from tests.support.notifying import put_off
from tests.support.paying_by_token import BACK, key_row, pay, status
from tests.support.stripe_front_door import FrontDoor
from tests.support.waiting import at_once, wait_until

DECLINED = "pm_card_chargeCustomerFail"
SECRET = "whsec_of_localstripe"


@dataclass(frozen=True)
class Foreign:
    """localstripe at `url`, its front door, and the intents that were there before this test."""

    door: FrontDoor
    url: str
    before: frozenset[str]

    def ask(self, method: str, path: str, **form: str) -> Any:
        """Return localstripe's own answer, from behind the front door."""
        headers = {"Authorization": "Bearer sk_test_of_a_test"}
        answer = requests.request(method, f"{self.url}{path}", data=form, headers=headers, timeout=PATIENT)
        assert answer.status_code == 200, answer.text
        return answer.json() if answer.content else None

    def intents(self) -> list[dict[str, Any]]:
        """Return the intents of this test."""
        found = self.ask("GET", "/v1/payment_intents?limit=100")["data"]
        return [each for each in found if each["id"] not in self.before]

    def refunded(self) -> list[int]:
        """Return the amounts of this test's refunds in minor units."""
        ours = {each["id"] for each in self.intents()}
        found = self.ask("GET", "/v1/refunds?limit=100")["data"]
        return [each["amount"] for each in found if each["payment_intent"] in ours]

    def challenged(self) -> str:
        """Return the token of a card that needs the customer's confirmation."""
        card = {"number": "4000002500003155", "exp_month": "12", "exp_year": "2030", "cvc": "123"}
        form = {f"card[{name}]": value for name, value in card.items()}
        return str(self.ask("POST", "/v1/payment_methods", type="card", **form)["id"])

    def authenticate(self, intent: str, client_secret: str, *, success: bool) -> None:
        """Act as Stripe's script does for the customer."""
        path = f"/v1/payment_intents/{intent}/_authenticate"
        self.ask("POST", path, client_secret=client_secret, success=str(success).lower())


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[FrontDoor, str]]:
    with behind_a_front_door() as found:
        yield found


@pytest.fixture
def stripe(running: tuple[FrontDoor, str]) -> Foreign:
    door, url = running
    door.cut.clear()
    everything = Foreign(door, url, frozenset())
    return Foreign(door, url, frozenset(each["id"] for each in everything.intents()))


@pytest.fixture
def app(make_app: MakeApp, stripe: Foreign) -> Flask:
    return make_app(
        gateway=None,
        gateway_routes=(("*", "stripe"),),
        stripe_api_key="sk_test_localstripe",
        stripe_api_base=stripe.door.url,
        stripe_webhook_secrets=(SECRET,),
        lease_seconds=60.0,
        idempotency_wait=10.0,
    )


@pytest.fixture
def deps(app: Flask) -> Dependencies:
    return dependencies_of(app)


@pytest.fixture
def key() -> str:
    """Return a unique key: equal requests of two tests would have equal gateway keys, remembered by the front door."""
    return secrets.token_hex(8)


def violations(deps: Dependencies) -> list[str]:
    """Return the violations that verification finds, without those of other tests on the same account."""
    return [str(each) for each in verify(deps) if each.invariant != "S2"]


def test_visa_charge_succeeds_with_one_intent_of_the_amount_at_stripe(
    client: FlaskClient, deps: Dependencies, stripe: Foreign, key: str
) -> None:
    answer = pay(client, key, "pm_card_visa")
    assert (answer.status_code, answer.json["status"]) == (200, "SUCCESS")
    (intent,) = stripe.intents()
    assert (intent["status"], intent["amount"], intent["currency"]) == ("succeeded", 15000, "inr")
    assert intent["metadata"]["gateway_key"] == key_row(deps)["gateway_key"]
    assert intent["id"] == rows(deps, payments)[0]["charge_reference"]
    assert violations(deps) == []


def test_declined_card_fails_the_payment_and_cancels_its_intent(client: FlaskClient, stripe: Foreign, key: str) -> None:
    answer = pay(client, key, DECLINED)
    assert (answer.status_code, answer.json["status"]) == (200, "FAILED")
    assert [intent["status"] for intent in stripe.intents()] == ["canceled"]


def test_confirmation_with_a_lost_answer_is_202_and_succeeds_by_recovery(
    client: FlaskClient, deps: Dependencies, stripe: Foreign, key: str
) -> None:
    stripe.door.cut.append("/confirm")
    assert pay(client, key, "pm_card_visa").status_code == 202
    assert stripe.door.cut == [], "the answer was cut"
    recover_all(deps)
    answer = pay(client, key, "pm_card_visa")
    assert (answer.status_code, answer.json["status"]) == (200, "SUCCESS")
    assert [intent["status"] for intent in stripe.intents()] == ["succeeded"]
    assert violations(deps) == []


@pytest.mark.parametrize("cut", ["/payment_intents", "/confirm"])
def test_repeats_at_once_and_after_a_cut_never_charge_twice(
    app: Flask, deps: Dependencies, stripe: Foreign, key: str, cut: str
) -> None:
    stripe.door.cut.append(cut)
    at_once([lambda: pay(app.test_client(), key, "pm_card_visa")] * 4)
    recover_all(deps)
    assert pay(app.test_client(), key, "pm_card_visa").json["status"] == "SUCCESS"
    succeeded = [intent for intent in stripe.intents() if intent["status"] == "succeeded"]
    assert [intent["amount"] for intent in succeeded] == [15000]
    assert [row["response_status"] for row in rows(deps, idempotency_keys)] == [200]


def test_partial_and_full_refund_are_made_once_each(
    client: FlaskClient, deps: Dependencies, stripe: Foreign, key: str
) -> None:
    number = pay(client, key, "pm_card_visa").json["payment_id"]
    stripe.door.cut.append("/refunds")
    assert refund_trip(client, number, idempotency_key=f"{key}-part", amount=50).status_code == 202
    recover_all(deps)
    assert (status(deps), stripe.refunded()) == ("PARTIALLY_REFUNDED", [5000])
    rest = [refund_trip(client, number, idempotency_key=f"{key}-rest", amount=100) for _ in range(2)]
    assert [answer.status_code for answer in rest] == [200, 200]
    assert (status(deps), sorted(stripe.refunded())) == ("REFUNDED", [5000, 10000])
    assert refund_trip(client, number, idempotency_key=f"{key}-more", amount=1).status_code == 400
    assert (len(stripe.refunded()), violations(deps)) == (2, [])


@pytest.fixture
def served(app: Flask, stripe: Foreign) -> Iterator[str]:
    """Run the service on a port of its own with its worker; localstripe sends it events."""
    deps, stop = dependencies_of(app), threading.Event()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threads = [threading.Thread(target=server.serve_forever)]
    threads += [threading.Thread(target=each, args=(deps, 0.2, stop)) for each in (recover_until, handle_notices_until)]
    for thread in threads:
        thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    stripe.ask("POST", "/_config/webhooks/ours", url=f"{url}/webhooks/stripe", secret=SECRET)
    try:
        yield url
    finally:
        stop.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


def test_failed_authentication_fails_the_payment_and_cancels_its_intent(
    client: FlaskClient, stripe: Foreign, key: str
) -> None:
    """localstripe sends no notice of a failed authentication: a repeat, or the worker, asks."""
    card = stripe.challenged()
    first = pay(client, key, card, return_url=BACK)
    assert first.status_code == 202
    (intent,) = stripe.intents()
    stripe.authenticate(intent["id"], first.json["next_action"]["client_secret"], success=False)
    again = pay(client, key, card, return_url=BACK)
    assert (again.status_code, again.json["status"]) == (200, "FAILED")
    assert [each["status"] for each in stripe.intents()] == ["canceled"]


def test_3d_secure_charge_is_202_and_succeeds_by_webhook_within_5_seconds(
    served: str, deps: Dependencies, stripe: Foreign, key: str
) -> None:
    body = {"idempotency_key": key, "trip_id": 101, "method": "CARD", "amount": 150.0}
    body |= {"payment_token": stripe.challenged(), "return_url": BACK}
    first = requests.post(f"{served}/payments", json=body, timeout=PATIENT)
    assert first.status_code == 202, first.text
    action = first.json()["next_action"]
    assert action["type"] == "sdk"
    # A worker that looks just now would set the timer again.
    wait_until(lambda: rows(deps, idempotency_keys)[0]["leased_until"] <= clock.now())
    put_off(deps)
    stripe.authenticate(key_row(deps)["gateway_reference"], action["client_secret"], success=True)
    began = clock.monotonic()
    wait_until(lambda: key_row(deps)["response_status"], patience=20)
    assert clock.monotonic() - began < 5, "localstripe waits a second; the timer is a day away"
    decided = requests.post(f"{served}/payments", json=body, timeout=PATIENT)
    assert (decided.status_code, decided.json()["status"]) == (200, "SUCCESS")
    assert [each["status"] for each in stripe.intents()] == ["succeeded"]
    # localstripe may still be sending notices of the test before
    (mine,) = (each for each in rows(deps, gateway_notices) if each["reference"] == stripe.intents()[0]["id"])
    assert mine["due_at"] is None
    assert violations(deps) == []
