"""The business metrics at `/metrics` are exact at any moment, also when processes aggregate or die."""

import threading
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.gateways.base import Approved, Declined, GatewayRequest, Pending, Unknown
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.database import recover_all
from tests.support.gateways import LedgerGateway
from tests.support.scraped import Scraped, scraped

DOCUMENTED = (
    "payments_created_total",
    "payments_failed_total",
    "total_amount_processed",
    "total_refunds",
    "refunds_processed_total",
    "payment_processing_errors",
    "payments_by_status",
    "payments_by_method",
)


def standing(told: Scraped) -> dict[str, float]:
    """Return the number of payments in each status that has any."""
    by_status = {status: told("payments_by_status", status=status) for status in told.label_values["status"]}
    return {status: count for status, count in by_status.items() if count and not status.isdecimal()}


@pytest.fixture
def busy(client: FlaskClient, gateway: LedgerGateway) -> FlaskClient:
    """Return a service that has processed one of everything."""
    gateway.script.extend([gateway.approve, gateway.approve, Declined("CARD_DECLINED", "no"), Unknown("time-out")])
    first, second = (trip_id_of(pay_trip(client, idempotency_key=f"paid-{n}", amount=150.10)) for n in range(2))
    pay_trip(client, idempotency_key="declined", method="UPI")
    pay_trip(client, idempotency_key="unknown", method="UPI")
    pay_bill(client, "bill", amount="525.05", method="Net banking")
    refund_trip(client, first, idempotency_key="part", amount=50.05)
    refund_trip(client, second, idempotency_key="whole")
    return client


def test_metrics_of_an_empty_service_have_every_documented_name(client: FlaskClient) -> None:
    told = scraped(client)

    assert set(DOCUMENTED) - {"payments_by_method"} <= told.names
    assert sum(told(name) for name in DOCUMENTED) == 0
    canonical = {
        "PENDING", "PROCESSING", "AUTHORIZED", "CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED", "FAILED", "CANCELLED",
    }  # fmt: skip
    words = {"PENDING", "PROCESSING", "COMPLETED", "REFUNDED", "FAILED", "CANCELLED"}
    found: dict[str, set[str]] = {}
    for labels in (dict(labels) for name, labels in told.series if name == "payments_by_status"):
        found.setdefault(labels["channel"], set()).add(labels["status"])
    assert found == {
        "trips": {"PENDING", "SUCCESS", "REFUNDED", "FAILED", "CANCELLED"},
        "bills": canonical,
        "bookings": words,
        "orders": words,
        "checkout": canonical,
    }


@pytest.mark.parametrize("path", ["/metrics", "/v1/metrics"])
def test_figures_count_every_change(busy: FlaskClient, path: str) -> None:
    told = scraped(busy, path)

    assert told("payments_created_total") == 5
    assert told("payments_failed_total") == 1
    assert told("total_amount_processed") == 825.25
    assert (told("total_refunds"), told("refunds_processed_total")) == (200.15, 2)
    assert told("payment_processing_errors") == 1
    assert standing(told) == {"CAPTURED": 1, "SUCCESS": 1, "REFUNDED": 1, "FAILED": 1, "PENDING": 1}
    assert told("payments_by_status", channel="bills", status="CAPTURED") == 1
    assert {method: told("payments_by_method", method=method) for method in ("CARD", "UPI", "NET_BANKING")} == {
        "CARD": 2, "UPI": 2, "NET_BANKING": 1
    }  # fmt: skip


def test_aggregation_changes_no_business_metric(busy: FlaskClient, deps: Dependencies) -> None:
    before = business_metrics.current(deps).totals
    assert business_metrics.aggregate(deps) > 8
    assert business_metrics.aggregate(deps) == 0

    assert sorted(map(repr, business_metrics.current(deps).totals.tallies)) == sorted(map(repr, before.tallies))
    pay_trip(busy, idempotency_key="after")
    assert business_metrics.current(deps).totals.created == before.created + 1


def test_reading_the_metrics_aggregates_a_backlog(
    busy: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_metrics, "BATCH", 3)
    before = scraped(busy)
    while business_metrics.aggregate(deps):
        pass

    assert scraped(busy)("payments_created_total") == before("payments_created_total")
    pay_trip(busy, idempotency_key="one")
    pay_trip(busy, idempotency_key="two")
    scraped(busy)
    assert business_metrics.aggregate(deps) == 1  # the reader has aggregated three of four journal rows


def test_aggregations_at_once_count_every_change_once(
    app: Flask, busy: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(business_metrics, "BATCH", 2)
    before = business_metrics.current(deps).totals.moves
    folders = [threading.Thread(target=lambda: [business_metrics.aggregate(deps) for _ in range(4)]) for _ in range(4)]
    for folder in folders:
        folder.start()
    for number in range(6):
        pay_trip(busy, idempotency_key=f"meanwhile-{number}")
    for folder in folders:
        folder.join()

    after = business_metrics.current(deps).totals.moves
    assert after["trips", "charged"] == before["trips", "charged"] + 6
    assert after["trips", "partly_refunded"] == before["trips", "partly_refunded"]
    assert sum(after.values()) == sum(before.values()) + 12


def test_aggregation_that_dies_changes_nothing(
    busy: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    from payment_service.repositories import tallies

    before = business_metrics.current(deps).totals.moves
    whole = tallies.aggregate
    with monkeypatch.context() as patch:
        patch.setattr(tallies, "aggregate", lambda *arguments: whole(*arguments) and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            business_metrics.aggregate(deps)

    assert business_metrics.current(deps).totals.moves == before


def test_money_is_counted_by_currency(make_app: MakeApp) -> None:
    app = make_app()
    pay_trip(app.test_client(), idempotency_key="rupees", amount=100)
    booker = Booker(app, "user-1")
    booker.paid(amount=20, currency="USD")
    booker.made()
    told = scraped(app.test_client())

    assert told("amount_processed_total", currency="INR") == 100
    assert told("amount_processed_total", currency="USD") == 20
    assert told("payments_created_total") == 3
    assert told("payment_moves_total", channel="bookings", move="create") == 2


def test_free_trip_and_fractions_of_a_fils_are_summed_exactly(client: FlaskClient, deps: Dependencies) -> None:
    pay_trip(client, idempotency_key="free", amount=0)
    for number in range(10):
        pay_trip(client, idempotency_key=f"tenth-{number}", amount="0.10")

    assert business_metrics.current(deps).totals.taken == {"INR": Decimal("1.00")}


def test_undecided_operation_is_shown_with_its_age_until_it_is_decided(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([gateway.lose_answer, Pending()])
    pay_trip(client, idempotency_key="unknown")
    pay_trip(client, idempotency_key="pending")
    undecided = scraped(client)
    recover_all(deps)
    decided = scraped(client)

    assert (undecided("unknown_outcomes"), undecided("keys_in_flight")) == (2, 0)
    assert 0 <= undecided("unknown_outcomes_oldest_seconds") < 60
    assert decided("unknown_outcomes") == decided("unknown_outcomes_oldest_seconds") == 0
    assert decided("payment_processing_errors") == 1  # the gateway's "later" is no error


def test_key_of_a_running_request_counts_as_in_flight(client: FlaskClient, gateway: LedgerGateway) -> None:
    seen: list[Scraped] = []

    def meanwhile(instruction: GatewayRequest) -> Approved:
        seen.append(scraped(client.application.test_client()))
        return gateway.approve(instruction)

    gateway.script.append(meanwhile)
    pay_trip(client)

    assert [(told("keys_in_flight"), told("unknown_outcomes")) for told in seen] == [(1, 0)]
    assert scraped(client)("keys_in_flight") == 0


def test_each_sink_shows_its_pending_deliveries(make_app: MakeApp, deps: Dependencies) -> None:
    from payment_service.models import outbox_deliveries

    client = make_app(rabbitmq_enabled=True, trip_notification_service_url="http://127.0.0.1:9").test_client()
    pay_trip(client)
    with deps.database.atomic("test") as connection:
        dead = outbox_deliveries.update().where(outbox_deliveries.c.sink == "trip_notification")
        connection.execute(dead.values(status="DEAD"))
    told = scraped(client)

    assert told("outbox_backlog", sink="rabbitmq") == 2
    assert 0 < told("outbox_oldest_seconds", sink="rabbitmq") < 60
    assert told("outbox_dead", sink="trip_notification") > 0
    assert told("outbox_backlog", sink="trip_notification") == 0
    assert told("outbox_oldest_seconds", sink="trip_notification") == 0


def test_metrics_without_a_database_still_have_the_figures_of_the_process(make_app: MakeApp) -> None:
    client = make_app(database_url="postgresql+psycopg2://u:p@127.0.0.1:9/none").test_client()
    told = scraped(client)

    assert told("business_figures_up") == 0
    assert not set(DOCUMENTED) & told.names
    assert scraped(client)("http_request_duration_seconds_count", route="/metrics", status="200") > 0


def test_metrics_with_a_database_say_that_it_is_up(client: FlaskClient) -> None:
    assert scraped(client)("business_figures_up") == 1
