"""A journal in which everything has happened that fills a column, and what `verify` says of it."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from flask import Flask

from payment_service import clock
from payment_service.gateways.base import Declined, Unknown
from payment_service.models import outbox_deliveries
from payment_service.services import deliveries, seals
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.seen import Seen
from payment_service.services.verification import chain_of
from tests.conftest import dependencies_of
from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.changing import ChangingGateway
from tests.support.database import recover_all, rows
from tests.support.manipulations import Manipulation, Refused

KEY = ("2026", "the-newest-secret-of-the-journal!!")


def work(app: Flask, gateway: ChangingGateway) -> Dependencies:
    """Let everything happen that fills a column: charges, refunds, a cancel, a hold, a dispute, a replay."""
    client, deps = app.test_client(), dependencies_of(app)
    trip = trip_id_of(pay_trip(client, metadata={"note": "ann@example.com"}))
    refund_trip(client, trip, amount=10)
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    pay_trip(client, idempotency_key="declined")
    gateway.script.append(Unknown("silence"))
    pay_trip(client, idempotency_key="unknown")
    recover_all(deps)
    gateway.script.append(Unknown("silence"))
    pay_trip(client, idempotency_key="still unknown")
    desk = Booker(app, "desk", scope="payments:service")
    desk.patch(desk.made(), status="cancelled", transaction_ref="bank-4711")
    desk.paid()
    transaction = checkouts.paid(client)
    for reference in ("dp_1", "dp_2"):
        assert look_again(deps, deps.gateways.default, reference=gateway.show(reference, amount="30")) is Seen.REVISED
    checkouts.refund(client, transaction, 5)
    checkouts.post(client, "capture", transaction_id=checkouts.held(client), amount=40)
    checkouts.held(client)
    order = orders.paid(orders.charge_order(client))
    orders.refund_order(client, order["payment_id"])
    _replay(deps)
    seal_all(deps)
    return deps


def _replay(deps: Dependencies) -> None:
    """Let an operator send three events again, each alone."""
    for number in [row["delivery_id"] for row in rows(deps, outbox_deliveries)][:3]:
        with deps.database.atomic("test") as connection:
            gone = outbox_deliveries.update().where(outbox_deliveries.c.delivery_id == number)
            connection.execute(gone.values(status="DEAD"))
        assert deliveries.replay_given_up(deps, number, "ann", "r-1", even_if_newer=True)


def seal_all(deps: Dependencies) -> None:
    """Seal every row there is."""
    assert seals.seal(deps, clock.now() + timedelta(minutes=1)) is not None


def found(deps: Dependencies) -> list[str]:
    """Return the findings of the hashes and the seals."""
    return [str(violation) for violation in chain_of(deps)]


def missed(deps: Dependencies, manipulations: Iterator[Manipulation]) -> tuple[int, list[str]]:
    """Return the number of manipulations, and those that no check found. The database is whole again after each."""
    count, unseen = 0, []
    for manipulation in manipulations:
        with suppress(Refused), manipulation.made():
            count += 1
            if not found(deps):
                unseen.append(manipulation.name)
    return count, unseen
