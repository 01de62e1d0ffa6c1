"""A caller of all five channels: everything that may be asked of a payment, once, again, and wrongly."""

from flask import Flask
from flask.testing import FlaskClient

from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip
from tests.support.operations import MOVEMENTS

MOVES = 15
"""The number of money movements when a run uses every channel."""


def use_every_channel(app: Flask, number: int) -> None:
    """Pay, repeat, contradict and refund on all five channels; each call has a `number` of its own."""
    client, name = app.test_client(), f"of-{number}"
    _move_money(client, name)
    _clash(client, name)
    _book(app, name)
    order = orders.paid(orders.charge_order(client, f"{name}-order", order_id=number))
    again = orders.charge_order(client, f"{name}-order", order_id=number)
    assert (again.get_json()["payment_id"], again.headers["Idempotent-Replayed"]) == (order["payment_id"], "true")
    assert orders.refund_order(client, order["payment_id"], f"{name}-order-back").status_code == 200
    assert client.get(f"/v1/payments/{order['payment_id']}").get_json()["status"] == "REFUNDED"


def _move_money(client: FlaskClient, name: str) -> None:
    for word, movement in MOVEMENTS.items():
        ask = movement.prepare(client, f"{name}-{word}")
        first, again = ask(), ask()
        assert first.status_code == movement.done[0], (word, first.text)
        assert (again.data, again.headers["Idempotent-Replayed"]) == (first.data, "true"), word


def _clash(client: FlaskClient, name: str) -> None:
    other = [
        pay_trip(client, idempotency_key=f"{name}-trip", amount=1),
        pay_bill(client, f"{name}-bill", amount=1),
        checkouts.process(client, f"{name}-hold", amount=1.0),
    ]
    assert {answer.status_code for answer in other} == {422}
    assert client.get("/v1/payments", query_string={"bill_id": 1}).status_code == 200
    assert client.get(f"/v1/idempotency-keys/{name}-trip").status_code == 200


def _book(app: Flask, name: str) -> None:
    booker = Booker(app, f"traveller-{name}")
    payment_id = booker.made(booking_id=f"BOOK-{name}")
    assert booker.process(payment_id, f"{name}-process").status_code == 200
    assert booker.refund(payment_id, f"{name}-back").status_code == 200
    assert booker.status(payment_id) == "refunded"
