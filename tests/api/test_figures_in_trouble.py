"""`/metrics` during a fault still shows each metric that can be read, and among them the dead letters."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy.exc import ProgrammingError

from payment_service import clock
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.models import outbox_deliveries
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.callers import pay_trip
from tests.support.events import pile_up
from tests.support.postgres import Postgres
from tests.support.scraped import scraped


@pytest.fixture
def without_tables(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return a database without migrations."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    server.drop_database("without_tables")
    yield server.create_database("without_tables")
    server.drop_database("without_tables")


def test_metrics_without_tables_still_have_the_figures_of_the_process(make_app: MakeApp, without_tables: str) -> None:
    """On PostgreSQL a missing table was answered 500: no metric was visible while a migration was due."""
    client = make_app(database_url=without_tables).test_client()
    told = scraped(client)

    assert told("business_figures_up") == 0
    assert "payments_created_total" not in told.names
    assert scraped(client)("http_request_duration_seconds_count", route="/metrics", status="200") > 0


@pytest.mark.parametrize("fault", [DatabaseUnavailable(), ProgrammingError("DELETE", {}, Exception("no right"))])
def test_metrics_that_cannot_be_aggregated_show_the_figures_that_were_read(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The service dropped the values it had read, and `/metrics` reported that the database did not answer."""

    def fail(*_: object) -> int:
        raise fault

    pay_trip(client)
    monkeypatch.setattr(business_metrics, "BATCH", 1)
    monkeypatch.setattr("payment_service.repositories.tallies.aggregate", fail)
    told = scraped(client)

    assert (told("business_figures_up"), told("payments_created_total")) == (1, 1)


def test_disabled_sink_still_shows_its_pending_deliveries(make_app: MakeApp, deps: Dependencies) -> None:
    """Only the operators' page showed it, without a metric: events lay there without an alert."""
    pile_up(deps.database, ["order", "kafka", "rabbitmq"], 2)
    with deps.database.atomic("test") as connection:
        dead = outbox_deliveries.update().where(outbox_deliveries.c.sink == "order")
        connection.execute(dead.values(status="DEAD"))
    told = scraped(make_app(rabbitmq_enabled=True).test_client())

    assert (told("outbox_backlog", sink="kafka"), told("outbox_dead", sink="order")) == (2, 2)
    assert {sink: told("outbox_sink_on", sink=sink) for sink in ("kafka", "order", "rabbitmq")} == {
        "kafka": 0, "order": 0, "rabbitmq": 1
    }  # fmt: skip
    assert ("outbox_sink_on", frozenset({("sink", "kafka")})) in told.series


def test_disabled_sink_without_deliveries_is_not_shown(make_app: MakeApp, deps: Dependencies) -> None:
    pile_up(deps.database, ["kafka"], 2)
    with deps.database.atomic("test") as connection:
        sent = outbox_deliveries.update().values(status="DELIVERED", delivered_at=clock.now())
        connection.execute(sent)

    # Of the database: a process that has once sent an event to a sink continues to count.
    kafka = ("sink", "kafka")
    told = {name for name, labels in scraped(make_app().test_client()).series if kafka in labels}
    assert not [name for name in told if name.startswith("outbox_")]
