"""The simulator checks API keys and the form of requests, and every answer carries the documented headers."""

from typing import Any

import pytest
import requests

from tests.simulator_stripe.test_intents import refused
from tests.support.stripe_bank import StripeBank, client_for

FORM = "application/x-www-form-urlencoded"


def post(bank: StripeBank, body: str, path: str = "/v1/payment_intents", **headers: str) -> requests.Response:
    known = {"Authorization": "Bearer sk_test_x", "Content-Type": FORM}
    return requests.post(bank.simulator.url + path, data=body, headers=known | headers, timeout=20)


@pytest.mark.parametrize("key", ["sk_live_x", "pk_test_x", "whatever", "rk_live_forbidden"])
def test_only_test_keys_are_accepted(bank: StripeBank, key: str) -> None:
    client: Any = client_for(bank.simulator.url, key)
    assert refused(client.v1.payment_intents.list).http_status == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic !!", "Basic e", "Digest sk_test_x", "sk_test_x"])
def test_header_without_a_key_is_refused(bank: StripeBank, header: str) -> None:
    assert post(bank, "amount=500&currency=usd", Authorization=header).status_code == 401


def test_api_key_as_a_user_name_is_accepted(bank: StripeBank) -> None:
    answer = requests.get(f"{bank.simulator.url}/v1/payment_intents", auth=("sk_test_x", ""), timeout=20)
    assert answer.status_code == 200


def test_restricted_key_is_refused_beyond_its_rights(bank: StripeBank) -> None:
    forbidden: Any = client_for(bank.simulator.url, "rk_test_forbidden")
    assert refused(forbidden.v1.payment_intents.list).http_status == 403
    bank.admin("settings", restricted_keys={"rk_test_shop": ["refunds", "disputes"]})
    shop: Any = client_for(bank.simulator.url, "rk_test_shop")
    assert shop.v1.payment_intents.list({"limit": 1}).object == "list"
    assert refused(lambda: shop.v1.refunds.create({"payment_intent": "pi_1"})).http_status == 403


def test_every_answer_has_its_request_id_and_the_version_of_the_request(bank: StripeBank) -> None:
    version = "2026-10-28.endive"
    bodies = ("amount=500&currency=usd", "amount=x", "colour=red")
    answers = [post(bank, body, **{"Stripe-Version": version}) for body in bodies]
    assert [answer for answer in answers if not answer.headers["Request-Id"].startswith("req_")] == []
    assert [answer.headers["Stripe-Version"] for answer in answers] == [version] * 3
    assert bank.made().livemode is False


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("amount=500&currency=usd&metadata[a]=1&metadata[b c]=2&expand[]=latest_charge&expand[]=customer", 200),
        ("amount=500&currency=usd&expand[0]=latest_charge&expand[1]=payment_method", 200),
        ("amount=500&currency=usd&metadata=", 200),
        ("amount=500&currency=usd&description=", 200),
        ("amount=500&currency=usd&metadata=a", 400),
        ("amount=500&currency=usd&amount[a]=1", 400),
        ("amount[a]=1&amount=500&currency=usd&x]=1", 400),
        ("amount=500&currency=usd&confirm=1", 400),
        ("amount=500&currency=", 400),
        ("", 400),
        ('{"amount": 500, "currency": "usd"}', 400),
    ],
)
def test_form_is_parsed_like_at_stripe(bank: StripeBank, body: str, status: int) -> None:
    assert post(bank, body).status_code == status


def test_unknown_path_and_long_key_are_refused(bank: StripeBank) -> None:
    assert post(bank, "", "/v1/no/such/thing").json()["error"]["type"] == "invalid_request_error"
    ordinary = "amount=500&currency=usd"
    assert post(bank, ordinary, **{"Idempotency-Key": "k" * 256}).status_code == 400
    assert post(bank, ordinary, **{"Idempotency-Key": "k" * 255}).status_code == 200
