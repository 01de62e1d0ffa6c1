"""The overview shows exactly each hour's events and the waiting work, and no statement reads a whole table."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select, text, update

from payment_service import clock
from payment_service.domain.hourly_stats import HOUR, first_hour, hour_of
from payment_service.gateways.base import Declined, Unknown
from payment_service.models import hourly_tallies, outbox_deliveries, transactions
from payment_service.services import business_metrics
from payment_service.services.dashboard import overview
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases
from tests.support.events import pile_up
from tests.support.gateways import LedgerGateway
from tests.support.operators import page, signed_in, words
from tests.support.postgres import as_owner

Hours = dict[str, int]


@pytest.fixture(autouse=True)
def within_one_hour() -> None:
    """Begin no test in the last half minute of an hour: its counts would fall into two."""
    left = 3600 - clock.now().timestamp() % 3600
    if left < 30:
        clock.sleep(left)


@pytest.fixture
def busy(client: FlaskClient, gateway: LedgerGateway) -> FlaskClient:
    """Return a service that has processed one of everything."""
    gateway.script.extend([gateway.approve, gateway.approve, Declined("NO", "no"), Unknown("time-out")])
    first, second = (trip_id_of(pay_trip(client, idempotency_key=f"paid-{n}")) for n in range(2))
    pay_trip(client, idempotency_key="declined")
    pay_trip(client, idempotency_key="unknown")
    pay_bill(client)
    refund_trip(client, first, idempotency_key="part", amount=50)
    refund_trip(client, second, idempotency_key="whole")
    return client


def happened(deps: Dependencies) -> Counter[str]:
    """Return the day's counts, all hours together."""
    told: Counter[str] = Counter()
    for hour in overview(deps).day:
        told.update(hour.reached)
        told.update(made=hour.created, undecided=hour.undecided)
    return +told


DAY = {
    "made": 5, "PROCESSING": 5, "CAPTURED": 3, "FAILED": 1, "PARTIALLY_REFUNDED": 1, "REFUNDED": 1, "undecided": 1,
}  # fmt: skip

UNMOVED = 3
"""Changes within one status: an attempt without a decision, and two requested refunds."""


def test_overview_counts_hours_exactly_before_and_after_an_aggregation(busy: FlaskClient, deps: Dependencies) -> None:
    assert happened(deps) == DAY
    with deps.database.atomic("test") as connection:
        assert connection.execute(select(func.count()).select_from(hourly_tallies)).scalar_one() == 0
    assert business_metrics.aggregate(deps) > 8
    assert happened(deps) == DAY
    pay_bill(busy, "another")
    assert happened(deps) == {**DAY, "made": 6, "PROCESSING": 6, "CAPTURED": 4}
    business_metrics.aggregate(deps)
    assert happened(deps) == {**DAY, "made": 6, "PROCESSING": 6, "CAPTURED": 4}


@pytest.mark.parametrize("folded", [False, True])
def test_overview_counts_each_change_in_its_hour_and_none_older_than_a_day(
    busy: FlaskClient, deps: Dependencies, folded: bool
) -> None:
    now = clock.now()
    with deps.database.atomic("test") as connection:
        as_owner(connection)
        number = transactions.c.transaction_log_id
        journal = connection.execute(select(number).order_by(number)).scalars().all()
        for row, moment in zip(journal, (now - 23 * HOUR, now - 24 * HOUR, now - 3 * HOUR), strict=False):
            connection.execute(update(transactions).where(number == row).values(created_at=moment))
    if folded:
        business_metrics.aggregate(deps)
    changes = {hour.start: sum(hour.reached.values()) for hour in overview(deps).day}
    assert changes[first_hour(now)] == changes[hour_of(now) - 3 * HOUR] == 1
    assert sum(changes.values()) == len(journal) - 1 - UNMOVED


def test_overview_shows_figures_as_chart_text_and_table(app: Flask, busy: FlaskClient) -> None:
    html = page(signed_in(app))

    assert "5 payments were made; 3 captured, 0 authorized, 2 refunded, 0 cancelled, 1 failed." in words(html)
    assert html.count('<rect class="hour"') == 24
    assert re.search(r'<svg viewBox="0 0 720 200" [^>]*role="img" aria-labelledby="chart-title chart-text"', html)
    assert len(re.findall(r'<tr><th scope="row"><time', html)) == 24
    assert "5 payments ever made" in words(html)
    assert re.search("captured 1 .*partially refunded 1 .*refunded 1 .*failed 1", words(html))


def test_overview_of_an_empty_hour_divides_nothing_by_zero(app: Flask) -> None:
    assert "0 payments were made" in words(page(signed_in(app)))


def test_overview_shows_operations_that_stand_still(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(rabbitmq_enabled=True)
    deps, operator = dependencies_of(app), signed_in(app)
    assert "0 unknown outcomes all decided" in words(page(operator))
    gateway.script.append(Unknown("time-out"))
    number = pay_trip(app.test_client()).get_json()["payment_id"]
    expire_leases(deps)
    pile_up(deps.database, ["order", "rabbitmq"], 3, first=number + 100)
    with deps.database.atomic("test") as connection:
        died = update(outbox_deliveries).where(outbox_deliveries.c.sink == "order").values(status="DEAD")
        connection.execute(died)
    said = words(page(operator))

    assert "1 unknown outcomes oldest" in said
    assert "3 dead deliveries" in said
    assert re.search("order off 0 \N{EN DASH} 3 rabbitmq 4 [0-9]+ s 0", said), said
    assert f"undecided payment {number} trips · charge since" in said


READ_WHOLE = ("payments", "transactions", "payment_refunds", "outbox_deliveries", "idempotency_keys", "reservations",
              "timers", "hourly_tallies", "operator_actions")  # fmt: skip


@contextmanager
def statements(deps: Dependencies) -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements that the database receives within the block."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(deps.database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(deps.database.engine, "before_cursor_execute", note)


def test_pages_scan_no_whole_table(make_app: MakeApp) -> None:
    app = make_app(rabbitmq_enabled=True)
    deps, operator = dependencies_of(app), signed_in(app)
    pile_up(deps.database, ["rabbitmq", "order"], 3000)
    with deps.database.atomic("test") as connection:
        one_of_ten = outbox_deliveries.c.delivery_id % 10 == 0
        connection.execute(update(outbox_deliveries).values(status="DELIVERED", delivered_at=clock.now()))
        connection.execute(update(outbox_deliveries).where(one_of_ten).values(status="DEAD"))
        connection.execute(text("ANALYZE"))
    paths = ["/ops", "/ops/deliveries?before=5000", "/ops/payments/1500"]
    paths += [f"/ops/search?q={wanted}" for wanted in ("1500", "R1500", "a" * 64, str(clock.new_id()))]
    with statements(deps) as sent:
        for path in paths:
            operator.get(path)
    assert len(sent) > 20
    assert [(table, said) for said, table in whole(deps, sent)] == []


def whole(deps: Dependencies, sent: list[tuple[str, Any]]) -> Iterator[tuple[str, str]]:
    """Return the statements that read a large table whole, each with the table."""
    is_postgresql = deps.database.engine.dialect.name == "postgresql"
    with deps.database.atomic("test") as connection:
        if is_postgresql:  # the database reads small tables whole, unless there is no other way
            connection.core.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for said, parameters in sent:
            if not re.match(r"\s*(SELECT|WITH)", said):
                continue
            explain = "EXPLAIN " if is_postgresql else "EXPLAIN QUERY PLAN "
            plan = "\n".join(str(row[-1]) for row in connection.core.exec_driver_sql(explain + said, parameters))
            for table in READ_WHOLE:
                by_sequence = f"Seq Scan on {table}\\b" if is_postgresql else rf"SCAN {table}(?! USING)"
                if re.search(by_sequence, plan):
                    yield f"{said}\n{plan}", table


def test_day_of_the_overview_ends_with_the_current_hour() -> None:
    now = clock.now()
    assert hour_of(now) - first_hour(now) == timedelta(hours=23)
