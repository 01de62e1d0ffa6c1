"""A database as an operator finds it in the middle of a busy day: all kinds of payments, and some trouble."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import insert, select, update

from payment_service import clock, create_app
from payment_service.config import Settings
from payment_service.db import db
from payment_service.domain.hourly_stats import DAY, HOUR, hour_of
from payment_service.gateways.base import Declined, Unknown
from payment_service.models import hourly_tallies, outbox_deliveries, tallies
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, refund_order
from tests.support.tokens import SECRET, bearer

STORY = 1
"""The number of the payment to which most has happened."""

HOSTILE = "<script>alert('owned')</script>"
HOSTILE_EMAIL = "<script>alert(1)</script>@example.com"
SINKS: dict[str, Any] = {
    "notification_service_url": "http://127.0.0.1:9",
    "trip_notification_service_url": "http://127.0.0.1:9",
    "order_service_url": "http://127.0.0.1:9",
    "inventory_service_url": "http://127.0.0.1:9",
}
"""No sink answers: waiting deliveries keep waiting."""

TROUBLE = (
    "the sink answered 503 Service Unavailable",
    "ConnectionRefusedError: [Errno 111] Connection refused",
    "the sink answered 422 Unprocessable Entity: unknown order",
)


def environment(database_url: str) -> dict[str, str]:
    """Return the variables of a service on such a database: its gateway is away, and no worker runs."""
    sinks = {name.upper(): url for name, url in SINKS.items()}
    return {"DATABASE_URL": database_url, "JWT_SECRET_KEY": SECRET, "GATEWAY_URL": "http://127.0.0.1:9", **sinks}


def fill(database_url: str) -> None:
    """Migrate this empty database and let the day happen in it."""
    gateway = LedgerGateway()
    settings = replace(Settings(database_url=database_url, log_level="CRITICAL", jwt_secret_key=SECRET), **SINKS)
    app = create_app(settings, gateway=gateway)
    with app.app_context():
        upgrade()
    deps = app.extensions["payment_service"]
    _pay(app, gateway)
    _deliver(deps)
    business_metrics.aggregate(deps)
    _count(deps, clock.now())
    with app.app_context():
        db.engine.dispose()


def _pay(app: Flask, gateway: LedgerGateway) -> None:
    client, ann = app.test_client(), bearer("ann", email="ann@example.com", is_verified=True)
    story = trip_id_of(pay_trip(client, headers=ann, idempotency_key="ride-4711", trip_id=4711, amount=148.50))
    assert story == STORY
    refund_trip(client, story, headers=ann, idempotency_key="goodwill", amount=20)
    gateway.script.append(Declined("GATEWAY_ERROR", "The refund window is closed"))
    refund_trip(client, story, headers=ann, idempotency_key="too-late", amount=30)
    refund_trip(client, story, headers=ann, idempotency_key="second", amount=18.50)
    for number in range(12):
        pay_bill(client, f"bill-2026-{number}", bill_id=800 + number, amount=f"{210 + 17 * number}.40")
    pay_bill(client, "bill-of-the-ride", bill_id=4711, amount="9.90")
    charge_order(client, "order-of-the-ride", order_id=4711)
    order = charge_order(client, "order-1", order_id=3001, reference=HOSTILE).get_json()
    refund_order(client, order["payment_id"], "refund-of-order-1", amount=100, reason=HOSTILE)
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    charge_order(client, "order-2", order_id=3002)
    for number in range(5):
        more = charge_order(client, f"order-of-today-{number}", order_id=5000 + number, amount=80.5 + number)
        refund_order(client, more.get_json()["payment_id"], f"refund-of-today-{number}", amount=10)
    booker = Booker(app, "bo", email=HOSTILE_EMAIL)
    booker.refund(booker.paid())
    booker.patch(booker.made(), status="cancelled")
    held = checkouts.held(client, order_id="ORD-7")
    checkouts.post(client, "capture", transaction_id=held, amount=60.0)
    checkouts.held(client, order_id="ORD-8")
    gateway.script.extend([Unknown("time-out")] * 2)
    pay_trip(client, idempotency_key="silent-1", trip_id=4712, amount=99.90)
    pay_trip(client, idempotency_key="silent-2", trip_id=4713, amount=412)


def _deliver(deps: Dependencies) -> None:
    """Deliver most deliveries; each of the others has trouble of its own."""
    with deps.database.atomic("test") as connection:
        ids = connection.execute(select(outbox_deliveries.c.delivery_id).order_by(outbox_deliveries.c.delivery_id))
        for place, number in enumerate(ids.scalars().all()):
            values: dict[str, Any] = {"status": "DELIVERED", "attempts": 1, "delivered_at": clock.now()}
            if place % 4 == 1:
                said = TROUBLE[place // 4 % len(TROUBLE)]
                values = {"status": "DEAD", "attempts": 12, "last_error": said}
            elif place % 4 == 3:
                continue
            connection.execute(
                update(outbox_deliveries).where(outbox_deliveries.c.delivery_id == number).values(values)
            )


def _count(deps: Dependencies, now: datetime) -> None:
    """Hours as a city's day has them, and the tallies of the months before."""
    with deps.database.atomic("test") as connection:
        connection.execute(insert(hourly_tallies), list(_hours(hour_of(now))))
        connection.execute(insert(tallies), list(_months()))


def _hours(last: datetime) -> Iterator[dict[str, Any]]:
    for back in range(1, DAY):
        at = last - back * HOUR
        made = round(420 + 330 * math.sin((at.hour - 9) / DAY * 2 * math.pi) + 60 * math.sin(at.hour * 2.4))
        shares = (
            ("charge", "", "PROCESSING", made),
            ("charged", "PROCESSING", "CAPTURED", round(made * 0.86)),
            ("authorized", "PROCESSING", "AUTHORIZED", round(made * 0.05)),
            ("charge_declined", "PROCESSING", "FAILED", round(made * (0.16 if back == 6 else 0.05))),
            ("partly_refunded", "CAPTURED", "PARTIALLY_REFUNDED", round(made * 0.05)),
            ("cancel", "PENDING", "CANCELLED", round(made * 0.02)),
            ("failed_attempt", "PROCESSING", "PROCESSING", 40 if back == 6 else 1),
        )
        for move, before, after, times in shares:
            yield {"hour": at, "move": move, "from_status": before, "status": after, "times": times}


def _months() -> Iterator[dict[str, Any]]:
    standing = {"CAPTURED": 4_318_207, "REFUNDED": 92_410, "PARTIALLY_REFUNDED": 38_122, "FAILED": 241_885}
    standing |= {"CANCELLED": 20_764, "AUTHORIZED": 3_140, "PENDING": 1_204}
    for status, times in standing.items():
        words = {"channel": "trips", "method": "OTHER", "currency": "EUR", "move": "create", "from_status": ""}
        yield {**words, "status": status, "times": times, "amount": Decimal(0)}
