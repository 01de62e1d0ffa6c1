"""Every event there is, made by callers of every channel."""

from typing import Any

from flask import Flask

from payment_service.gateways.base import Declined, Unknown
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway
from tests.support.orders import cancel_order, change_order, charge_order, create_order, refund_order

DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")
SILENT = Unknown("time-out")


def everything(app: Flask, gateway: LedgerGateway) -> None:
    """Let every channel do all that it can do, with a gateway that approves, declines and keeps silent."""
    for drive in (trips, bills, bookings, orders, checkout):
        drive(app, gateway)
        assert not gateway.script, drive.__name__


def trips(app: Flask, gateway: LedgerGateway) -> None:
    """Paid, refunded in part and whole, declined, a refund declined, undecided."""
    client = app.test_client()
    number = trip_id_of(pay_trip(client, idempotency_key="paid"))
    refund_trip(client, number, idempotency_key="part", amount=50)
    gateway.script.append(DECLINED)
    refund_trip(client, number, idempotency_key="declined", amount=10)
    refund_trip(client, number, idempotency_key="rest")
    gateway.script.append(DECLINED)
    pay_trip(client, idempotency_key="no")
    gateway.script.append(SILENT)
    pay_trip(client, idempotency_key="silent")


def bills(app: Flask, gateway: LedgerGateway) -> None:
    """Paid, and declined."""
    client = app.test_client()
    pay_bill(client, "paid")
    gateway.script.append(DECLINED)
    pay_bill(client, "declined")


def bookings(app: Flask, gateway: LedgerGateway) -> None:
    """Made and processed, refunded, declined, a refund declined, cancelled, failed by hand."""
    booker = Booker(app, "user-1")
    booker.refund(booker.paid())
    paid = booker.paid()
    gateway.script.append(DECLINED)
    booker.refund(paid)
    made = booker.made(payment_method="card")
    gateway.script.append(DECLINED)
    booker.process(made)
    booker.patch(booker.made(), status="cancelled")
    booker.patch(booker.made(), status="failed", transaction_ref="theirs")


def orders(app: Flask, gateway: LedgerGateway) -> None:
    """Charged, refunded in part and whole, declined, a refund declined, made and cancelled, failed by hand."""
    client = app.test_client()
    number = _number(charge_order(client, "paid", order_id=1))
    refund_order(client, number, amount=100)
    gateway.script.append(DECLINED)
    refund_order(client, number, amount=10)
    refund_order(client, number)
    gateway.script.append(DECLINED)
    charge_order(client, "declined", order_id=2)
    cancel_order(client, _number(create_order(client, order_id=3)))
    change_order(client, _number(create_order(client, order_id=4)), "FAILED")
    change_order(client, _number(create_order(client, order_id=5)), "COMPLETED")


def checkout(app: Flask, gateway: LedgerGateway) -> None:
    """Charged; held, captured, let go; each of it declined; refunded in part and whole."""
    client = app.test_client()
    transaction = checkouts.paid(client)
    checkouts.refund(client, transaction, 30)
    gateway.script.append(DECLINED)
    checkouts.refund(client, transaction, 10)
    checkouts.refund(client, transaction, 70)
    gateway.script.append(DECLINED)
    checkouts.process(client)
    gateway.script.append(DECLINED)
    checkouts.process(client, capture=False)
    held = checkouts.held(client)
    for action in ("capture", "void"):
        gateway.script.append(DECLINED)
        checkouts.post(client, action, transaction_id=held)
    checkouts.post(client, "capture", transaction_id=held, amount=60.0)
    checkouts.post(client, "void", transaction_id=checkouts.held(client))


def _number(answer: Any) -> int:
    number = answer.get_json()["payment_id"]
    assert isinstance(number, int), answer.text
    return number
