"""Every event there is, made by callers of every channel."""

from collections.abc import Callable
from typing import Any

from flask import Flask

from payment_service.domain.operations import Action, Kind
from payment_service.gateways.base import ActionRequired, Declined, Unknown
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from tests.conftest import dependencies_of
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.changing import ChangingGateway
from tests.support.database import recover_all
from tests.support.gateways import LedgerGateway
from tests.support.orders import cancel_order, change_order, charge_order, create_order, refund_order

DECLINED = Declined("CARD_DECLINED", "Card was declined by issuer")
SILENT = Unknown("time-out")
ASKS = ActionRequired("LG-asks", Action("redirect", url="https://bank.example.com/3ds"))


def everything(app: Flask, gateway: ChangingGateway) -> None:
    """Let every channel do all that it can do, with a gateway that approves, declines, keeps silent, and changes it."""
    for drive in (trips, bills, bookings, orders, checkout):
        drive(app, gateway)
        assert not gateway.script, drive.__name__
    for charge in (pay_trip_once, pay_bill_once, book_once, charge_order_once, check_out_once):
        charge(app)
        dispute(app, gateway)
    ask_customers(app, gateway)
    reverse_refunds(app, gateway)
    approve_late(app, gateway)
    checkouts.held(app.test_client(), order_id="ORD-LATE")
    look(app, gateway.expire_hold())


def ask_customers(app: Flask, gateway: ChangingGateway) -> None:
    """Let a customer in every channel authenticate a payment."""
    client, booker = app.test_client(), Booker(app, "user-1")
    booking = booker.made()
    charges: list[Callable[[], Any]] = [
        lambda: pay_trip(client, idempotency_key="asked"),
        lambda: pay_bill(client, "asked"),
        lambda: booker.process(booking),
        lambda: charge_order(client, "asked", order_id=9),
        lambda: checkouts.process(client, "asked"),
    ]
    for charge in charges:
        gateway.script.append(ASKS)
        charge()
    recover_all(dependencies_of(app))


def pay_trip_once(app: Flask) -> None:
    pay_trip(app.test_client(), idempotency_key="disputed")


def pay_bill_once(app: Flask) -> None:
    pay_bill(app.test_client(), "disputed")


def book_once(app: Flask) -> None:
    Booker(app, "user-1").paid()


def charge_order_once(app: Flask) -> None:
    charge_order(app.test_client(), "disputed", order_id=6)


def check_out_once(app: Flask) -> None:
    checkouts.paid(app.test_client())


def look(app: Flask, gateway_key: str | None = None, reference: str | None = None) -> None:
    """Look again at something that has changed at the gateway."""
    deps = dependencies_of(app)
    seen = look_again(deps, deps.gateways.default, gateway_key=gateway_key, reference=reference)
    assert seen is Seen.REVISED, (gateway_key, reference, seen)


def dispute(app: Flask, gateway: ChangingGateway) -> None:
    """Open a dispute of the last charge, lose and win it."""
    reference = f"dp_{len(gateway.listed)}"
    currency = gateway.ledger[gateway.keys(Kind.CHARGE)[-1]].currency
    for word in ("needs_response", "lost", "won"):
        look(app, reference=gateway.show(reference, word, currency=currency))


def reverse_refunds(app: Flask, gateway: ChangingGateway) -> None:
    """Let every refund that was ever paid fail."""
    for number in range(gateway.count(Kind.REFUND)):
        look(app, gateway.fail_refund(number))


def approve_late(app: Flask, gateway: ChangingGateway) -> None:
    """Approve a declined bill late: it is reversed at the second try, which fails later."""
    recover_all(dependencies_of(app))  # operations that other tests left undecided
    gateway.script.append(DECLINED)
    pay_bill(app.test_client(), "late")
    look(app, gateway.approve_after_all())
    gateway.script.append(DECLINED)
    for _ in range(2):
        recover_all(dependencies_of(app))
    look(app, gateway.fail_refund())


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
