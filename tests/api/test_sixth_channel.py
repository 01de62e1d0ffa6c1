"""A new channel of one module and one line gets every function of the service, on both databases."""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV30SpecValidator
from werkzeug.test import TestResponse

from payment_service.channels import CHANNELS
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from tests.conftest import MakeApp, dependencies_of
from tests.support import parking
from tests.support.callers import at_once, pay_bill, pay_trip
from tests.support.database import events, recover_all
from tests.support.description import description_of
from tests.support.events import on_brokers
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, detail
from tests.support.tokens import bearer, service

ANN, BEN = bearer("ann"), bearer("ben")
TICKET = {"parking_id": 7, "amount": 2.5}
OWN, SHARED = "/parking/payments", "/v1/payments"


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return the service with one more channel, which sends events to RabbitMQ."""
    return make_app(
        channels=(*CHANNELS, parking.CHANNEL), rabbitmq_enabled=True, rabbitmq_channels=frozenset({"parking"})
    )


def pay(client: FlaskClient, path: str = OWN, key: str = "ticket-7", **fields: object) -> TestResponse:
    """Pay a ticket as Ann."""
    return client.post(path, json=TICKET | fields, headers={**ANN, "Idempotency-Key": key})


@pytest.mark.parametrize("path", [OWN, SHARED, "/payments"])
def test_repeat_of_a_ticket_charges_once_and_gets_the_same_answer(
    client: FlaskClient, gateway: LedgerGateway, path: str
) -> None:
    first, again = pay(client, path), pay(client, path)
    number = first.get_json()["payment_id"]
    assert first.get_json() == {"payment_id": number, "parking_id": 7, "amount": 2.5, "barrier": "open"}
    assert (again.status_code, again.data) == (first.status_code, first.data) == (201, first.data)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert gateway.count(Kind.CHARGE) == 1


def test_same_key_on_the_own_and_the_shared_path_charges_once(client: FlaskClient, gateway: LedgerGateway) -> None:
    assert pay(client, OWN).data == pay(client, SHARED).data
    assert gateway.count(Kind.CHARGE) == 1


def test_another_amount_under_the_same_key_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    paid = pay(client).get_json()
    refusal = pay(client, amount=3)
    body = refusal.get_json()
    assert (refusal.status_code, body["code"], body["fields"]) == (422, "idempotency_key_mismatch", ["amount"])
    assert body["payment"]["payment_id"] == paid["payment_id"]
    assert gateway.count(Kind.CHARGE) == 1


def test_missing_key_and_decline_are_answered_in_the_shape_of_the_channel(
    client: FlaskClient, gateway: LedgerGateway
) -> None:
    missing = client.post(OWN, json=TICKET, headers=ANN)
    assert [fault["loc"] for fault in missing.get_json()["detail"]] == [["header", "Idempotency-Key"]]
    gateway.script.append(Declined("card_declined", "no"))
    assert detail(pay(client), 402) == "Card was declined by issuer"


@pytest.mark.parametrize("path", [OWN, SHARED, "/payments"])
def test_ticket_is_shown_only_to_its_payer_and_to_services(client: FlaskClient, path: str) -> None:
    paid = pay(client).get_json()
    shown = f"{path}/{paid['payment_id']}"
    assert client.get(shown, headers=ANN).get_json() == paid
    assert client.get(shown, headers=service()).get_json() == paid
    assert client.get(shown, headers=BEN).status_code == 404
    assert client.get(shown).status_code in (401, 404)


def test_new_channel_needs_a_token_until_it_is_opened(make_app: MakeApp, client: FlaskClient) -> None:
    refusals = [client.post(path, json=TICKET, headers={"Idempotency-Key": "k"}) for path in (OWN, SHARED)]
    assert [detail(refusal, 401) for refusal in refusals] == ["Authorization token is missing"] * 2
    opened = make_app(channels=(*CHANNELS, parking.CHANNEL), auth_open_channels=frozenset({"parking"}))
    assert opened.test_client().post(OWN, json=TICKET, headers={"Idempotency-Key": "k"}).status_code == 201


def test_shared_path_lists_and_creates_tickets(client: FlaskClient) -> None:
    paid = pay(client).get_json()
    assert client.get(f"{SHARED}?parking_id=7", headers=ANN).get_json() == [paid]
    assert client.get(f"{SHARED}?parking_id=8", headers=ANN).get_json() == []
    undecided = client.post(SHARED, json=TICKET | {"bill_id": 1}, headers=ANN)
    assert undecided.status_code == 422
    assert "parking_id is required" in undecided.text


def test_other_channels_are_unchanged(client: FlaskClient) -> None:
    pay(client)
    assert pay_trip(client).status_code == 200
    assert pay_bill(client).status_code == 201
    assert charge_order(client).status_code == 201
    assert [each["bill_id"] for each in client.get(SHARED).get_json()] == [1]


def test_requests_at_once_with_one_key_charge_once(app: Flask, gateway: LedgerGateway) -> None:
    answers = at_once(app, 8, lambda client, _: pay(client))
    assert {answer.data for answer in answers if answer.status_code == 201} == {pay(app.test_client()).data}
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert gateway.count(Kind.CHARGE) == 1


def test_lost_answer_is_recovered_and_its_event_sent(app: Flask, client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(gateway.lose_answer)
    waiting = pay(client)
    assert (waiting.status_code, waiting.get_json()["barrier"]) == (202, "closed")
    recover_all(dependencies_of(app))
    assert pay(client).get_json() == waiting.get_json() | {"barrier": "open"}
    assert events(dependencies_of(app))[-1][1] == on_brokers(pay(client).get_json())
    assert gateway.count(Kind.CHARGE) == 1


def test_description_has_the_new_channel_and_is_valid(app: Flask, client: FlaskClient) -> None:
    served = client.get("/openapi.json").get_json()
    assert served == description_of(app)
    OpenAPIV30SpecValidator(served).validate()
    assert served["paths"][OWN]["post"]["tags"] == ["parking"]
    assert "parking" in served["paths"][SHARED]["post"]["tags"]
    assert "parking" in [tag["name"] for tag in served["tags"]]
