"""Keys, bookings and orders with names that begin with a slash, or that are the dots of shortened paths."""

from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import MakeApp
from tests.support.bookers import Booker
from tests.support.callers import pay_trip
from tests.support.checkouts import process

STRANGE = (
    "/",
    "//",
    "/a",
    "//a",
    "/a/",
    "a/",
    ".",
    "..",
    "../a",
    "/./a",
    "a//b",
    "?",
    "#a",
    "%2F",
    "a b",
    "ключ",
    "key",
)


@pytest.mark.parametrize("key", STRANGE)
def test_k3_payment_is_found_by_any_key(client: FlaskClient, key: str) -> None:
    """Release 1.0.0 answered 404 without looking for a key that begins with a slash, and had no `?key=`."""
    assert pay_trip(client, idempotency_key=key).status_code == 200
    answers = [
        client.get("/v1/idempotency-keys", query_string={"key": key}),
        client.get("/v1/idempotency-keys", query_string={"key": f" {key} ", "channel": "trips"}),
        client.get(f"/v1/idempotency-keys/{quote(key, safe='')}"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    shown = [client.get(answer.get_json()["payment"]["path"]).get_json() for answer in answers]
    assert [payment["trip_id"] for payment in shown] == [101, 101, 101]


def test_k3_key_is_found_below_the_prefix(make_app: MakeApp) -> None:
    """Release 1.0.0 had no `?key=` anywhere."""
    client = make_app(api_prefix="/rides").test_client()
    pay_trip(client, idempotency_key="/a")
    assert client.get("/rides/idempotency-keys?key=/a").status_code == 200
    assert client.get("/rides/idempotency-keys//a").status_code == 200


@pytest.mark.parametrize(("parameter", "code"), [("", 422), ("?key=", 422), ("?key=a&key=b", 422), ("?key=never", 404)])
def test_k3_look_up_needs_exactly_one_key(client: FlaskClient, parameter: str, code: int) -> None:
    """There was no such parameter."""
    assert client.get(f"/v1/idempotency-keys{parameter}").status_code == code


@pytest.mark.parametrize("key", ["a key", '"a key"'])
def test_k3_key_sent_in_quotes_is_found_in_quotes(client: FlaskClient, key: str) -> None:
    """The key equals the header's, written as the client writes it there."""
    process(client, '"a key"')
    assert client.get("/v1/idempotency-keys", query_string={"key": key}).get_json()["channel"] == "checkout"


@pytest.mark.parametrize("name", ["/a", "//a/", "a//b", "/"])
def test_k3_id_of_a_booking_or_order_may_begin_with_a_slash(app: Flask, client: FlaskClient, name: str) -> None:
    """Release 1.0.0 took their money and then did not find them."""
    booker = Booker(app, "ada")
    booker.create(booking_id=name)
    found = client.get(f"/api/payments/booking/{quote(name, safe='')}", headers=booker.headers).get_json()
    assert [payment["booking_id"] for payment in found["payments"]] == [name]

    process(client, order_id=name)
    assert client.get(f"/api/v1/payments/order/{quote(name, safe='')}").get_json()["order_id"] == name
