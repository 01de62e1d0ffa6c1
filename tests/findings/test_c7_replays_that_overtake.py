"""The relay sends no old event after newer ones by mistake, and every event says where it belongs.

In release 1.0.0 a replayed COMPLETED was the order service's last word after REFUNDED; HTTP events had no version.
"""

from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.db import Database
from payment_service.delivery.base import Delivered, Outcome, Rejected
from payment_service.delivery.http import HttpSink
from payment_service.delivery.relay import Relay
from payment_service.delivery.signatures import Signer
from payment_service.domain.deliveries import Delivery
from payment_service.models import outbox_deliveries
from payment_service.services import deliveries
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.database import rows
from tests.support.operators import form_token, signed_in
from tests.support.orders import charge_order, paid, refund_order
from tests.support.receiver import Receiver
from tests.support.relays import ScriptedSink, drain, running
from tests.support.waiting import wait_until


@pytest.fixture
def refunded(make_app: MakeApp) -> Flask:
    """Return a service with an order service that refused COMPLETED for good, and took REFUNDED."""
    app = make_app(order_service_url="http://127.0.0.1:9")
    client = app.test_client()
    number = paid(charge_order(client))["payment_id"]
    paid(refund_order(client, number), 200)

    def refuse_the_first(each: Delivery) -> Outcome:
        return Rejected("HTTP 410") if "COMPLETED" in each.body else Delivered()

    drain(Relay(dependencies_of(app).database, ScriptedSink(refuse_the_first, "order")))
    return app


def dead(deps: Dependencies) -> int:
    (row,) = [row for row in rows(deps, outbox_deliveries) if row["status"] == "DEAD"]
    return int(row["delivery_id"])


@pytest.mark.parametrize("batch", [1, 1000])
def test_c7_deliveries_replayed_together_are_sent_in_order(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(deliveries, "BATCH", batch)
    app = make_app(rabbitmq_enabled=True)
    client, deps = app.test_client(), dependencies_of(app)
    number = paid(charge_order(client))["payment_id"]
    paid(refund_order(client, number), 200)
    sink = ScriptedSink(lambda _: Delivered(), "rabbitmq")
    drain(Relay(deps.database, sink))
    first = [each.version for each in sink.offered]
    ids = deliveries.replayable(deps, sink="rabbitmq", status=None, since=None)
    assert sum(done for _, done in deliveries.replay(deps, ids, "ann")) == len(first) == 4
    drain(Relay(deps.database, sink))
    assert [each.version for each in sink.offered] == 2 * first


def test_c7_command_leaves_an_overtaken_delivery_as_it_is(refunded: Flask) -> None:
    deps = dependencies_of(refunded)
    run = refunded.test_cli_runner().invoke

    told = run(args=["deliveries", "replay", "--dead"])
    assert told.output.startswith("0 due again, 1 left as they are")
    assert dead(deps)

    assert run(args=["deliveries", "replay", "--dead", "--even-if-newer"]).output == "1 due again\n"


def test_c7_page_asks_for_confirmation_and_shows_later_deliveries(refunded: Flask) -> None:
    deps, operator = dependencies_of(refunded), signed_in(refunded, "ann")
    number = dead(deps)

    def replay(client: FlaskClient, **form: str) -> Any:
        return client.post(f"/ops/deliveries/{number}/replay", data={"form_token": form_token(client), **form})

    asked = replay(operator)
    assert asked.status_code == 409
    assert "payment.refunded" in asked.text
    assert dead(deps) == number

    assert replay(operator, even_if_newer="yes").status_code == 303
    assert deliveries.listed(deps, 10, sink="order", status="DEAD", since=None) == []


def test_c7_delivery_without_later_ones_is_replayed_at_once(database: Database, refunded: Flask) -> None:
    deps = dependencies_of(refunded)
    (newest,) = [row for row in rows(deps, outbox_deliveries) if row["status"] == "DELIVERED"]
    assert list(deliveries.replay(deps, [newest["delivery_id"]], "ann")) == [(1, 1)]


def test_c7_http_event_has_version_and_time(make_app: MakeApp, receiver: Receiver) -> None:
    app = make_app(order_service_url=receiver.url)
    database = dependencies_of(app).database
    client = app.test_client()
    refund_order(client, paid(charge_order(client))["payment_id"])

    with closing(HttpSink("order", receiver.url, Signer())) as sink, running(database, sink):
        wait_until(lambda: len(receiver.taken) == 2)

    versions = [int(each.headers["Payment-Version"]) for each in receiver.taken]
    times = [each.headers["Payment-Event-Time"] for each in receiver.taken]
    assert versions == sorted(set(versions))
    assert times == sorted(times)
    assert all(each.endswith("Z") for each in times)
