"""Two equal refunds in a row without a key are most likely one. Release 1.0.0 paid both out."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from tests.conftest import MakeApp
from tests.support import checkouts
from tests.support.callers import at_once
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, paid, refund_order


def assert_suspected(answer: TestResponse) -> None:
    body: dict[str, Any] = answer.get_json()
    assert (answer.status_code, body["code"]) == (409, "duplicate_refund_suspected")
    assert body["retry"] == {"safe": False, "key": None, "after": None}


def test_c15_equal_refund_of_an_order_without_a_key_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    number = paid(charge_order(client))["payment_id"]
    paid(refund_order(client, number, amount=100), 200)

    assert_suspected(refund_order(client, number, amount=100))
    paid(refund_order(client, number, amount=101), 200)
    paid(refund_order(client, number, amount=100, reason="Another reason"), 200)
    paid(refund_order(client, number, "key", amount=100), 200)

    assert gateway.count(Kind.REFUND) == 4


def test_c15_equal_refund_at_checkout_without_a_key_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    transaction = checkouts.paid(client)
    checkouts.body_of(checkouts.refund(client, transaction, 10))

    assert_suspected(checkouts.refund(client, transaction, 10))
    checkouts.body_of(checkouts.refund(client, transaction, 10, "key"))

    assert gateway.count(Kind.REFUND) == 2


def test_c15_8_equal_refunds_at_once_refund_once(app: Flask, gateway: LedgerGateway) -> None:
    number = paid(charge_order(app.test_client()))["payment_id"]

    answers = at_once(app, 8, lambda client, _: refund_order(client, number, amount=100))

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert gateway.count(Kind.REFUND) == 1


def test_c15_declined_refund_is_no_duplicate(client: FlaskClient, gateway: LedgerGateway) -> None:
    number = paid(charge_order(client))["payment_id"]
    gateway.script.append(Declined("NOT_NOW", "Not now"))
    assert refund_order(client, number, amount=100).status_code == 400

    paid(refund_order(client, number, amount=100), 200)


@pytest.mark.parametrize("seconds", [0.0, 0.001])
def test_c15_window_of_duplicates_is_a_setting(make_app: MakeApp, gateway: LedgerGateway, seconds: float) -> None:
    client = make_app(duplicate_refund_seconds=seconds).test_client()
    number = paid(charge_order(client))["payment_id"]
    for _ in range(2):
        paid(refund_order(client, number, amount=100), 200)
    assert gateway.count(Kind.REFUND) == 2
