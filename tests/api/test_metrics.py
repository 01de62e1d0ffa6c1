"""The technical metrics count requests, keys and gateway results, by labels that no caller can invent."""

from typing import Any

from flask.testing import FlaskClient

from payment_service.delivery.base import Delivered, Outcome, Rejected, RetryLater, SinkUnavailable
from payment_service.delivery.relay import Relay
from payment_service.gateways.base import Approved, Declined, GatewayRequest, NotSent, Pending, Unknown
from payment_service.metrics.exposition import names
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases, recover_all
from tests.support.gateways import LedgerGateway
from tests.support.relays import ScriptedSink
from tests.support.scraped import grown, scraped
from tests.support.waiting import wait_until


def test_every_outcome_of_a_key_is_counted(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, make_app: MakeApp
) -> None:
    outcomes = grown(lambda: scraped(client), "idempotency_outcomes_total", "outcome")
    pay_trip(client, idempotency_key="a")
    pay_trip(client, idempotency_key="a")
    pay_trip(client, idempotency_key="a", amount=151)
    gateway.script.append(NotSent("refused"))
    pay_trip(client, idempotency_key="b")
    expire_leases(deps)
    pay_trip(client, idempotency_key="b")
    impatient = make_app(idempotency_wait=0.0).test_client()
    gateway.script.append(lambda instruction: _in_between(gateway, instruction, impatient))
    pay_trip(client, idempotency_key="c")

    assert outcomes() == {"new": 3, "replayed": 1, "mismatch": 1, "taken_over": 1, "conflict": 1}


def _in_between(gateway: LedgerGateway, instruction: GatewayRequest, other: FlaskClient) -> Approved:
    assert pay_trip(other, idempotency_key="c").status_code == 409
    return gateway.approve(instruction)


def test_key_that_the_worker_takes_over_is_counted(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.lose_answer)
    pay_trip(client)
    outcomes = grown(lambda: scraped(client), "idempotency_outcomes_total", "outcome")
    calls = grown(lambda: scraped(client), "gateway_call_duration_seconds_count", "kind")
    gateways = grown(lambda: scraped(client), "gateway_call_duration_seconds_count", "gateway")
    recover_all(deps)

    assert (outcomes(), calls(), gateways()) == ({"taken_over": 1}, {"lookup": 1}, {"remote": 1})


def test_every_answer_of_the_gateway_is_counted_and_timed(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.latency = 0.02
    words: list[Any] = [gateway.approve, Declined("NO", "no"), Unknown("?"), NotSent("!"), Pending()]
    outcomes = grown(lambda: scraped(client), "gateway_call_duration_seconds_count", "outcome")
    seconds = grown(lambda: scraped(client), "gateway_call_duration_seconds_sum", "kind")
    gateways = grown(lambda: scraped(client), "gateway_call_duration_seconds_count", "gateway")
    for number, word in enumerate(words):
        gateway.script.append(word)
        pay_trip(client, idempotency_key=f"word-{number}")

    assert outcomes() == dict.fromkeys(("approved", "declined", "unknown", "not_sent", "pending"), 1)
    assert 0.1 <= seconds()["charge"] < 5
    assert gateways() == {"remote": 5}


def test_requests_are_counted_by_the_rule_of_their_route(client: FlaskClient) -> None:
    by_route = grown(lambda: scraped(client), "http_request_duration_seconds_count", "route")
    by_method = grown(lambda: scraped(client), "http_request_duration_seconds_count", "method")
    number = trip_id_of(pay_trip(client, method="CARD"))
    client.get(f"/payments/{number}")
    client.get("/payments/123456789")
    client.get("/nothing/like/this-99")
    client.open("/payments", method="BREW")

    assert by_route() == {
        "/payments": 1, "/payments/<payment_id>": 2, "unmatched": 2, "/metrics": 2
    }  # fmt: skip
    assert by_method()["other"] == 1


def test_labels_hold_no_text_of_a_caller(client: FlaskClient, deps: Dependencies) -> None:
    number = trip_id_of(pay_trip(client, idempotency_key="canary-key", trip_id=987654))
    pay_bill(client, "canary-reference", method="INV-2025-canary", bill_id=987655)
    refund_trip(client, number, idempotency_key="canary-refund")
    client.get("/payments/canary?canary=canary", headers={"X-Request-ID": "canary-request"})
    before = scraped(client)
    business_metrics.aggregate(deps)
    told = scraped(client)

    labels = [labels for each in (before, told) for labels in each.label_values.items()]
    written = {value for label, values in labels if label != "status" for value in values}
    assert [value for value in written if "canary" in value or "98765" in value or str(number) == value] == []
    assert told("payments_by_method", method="OTHER") == 1


def test_every_outcome_of_a_delivery_is_counted(make_app: MakeApp) -> None:
    app = make_app(rabbitmq_enabled=True)
    client = app.test_client()
    answers: list[Outcome] = [SinkUnavailable("gone"), RetryLater("busy"), Rejected("no"), Delivered()]
    sink = ScriptedSink(lambda _: answers.pop(0), "rabbitmq")
    outcomes = grown(lambda: scraped(client), "deliveries_total", "outcome")
    relay = Relay(dependencies_of(app).database, sink)
    pay_trip(client)
    wait_until(lambda: not relay.run_once() and not answers)

    assert outcomes() == dict.fromkeys(("down", "failed", "dead", "delivered"), 1)
    assert scraped(client)("outbox_backlog", sink="rabbitmq") == 0


def test_metric_names_are_those_of_a_scrape(client: FlaskClient) -> None:
    pay_trip(client)
    told = scraped(client).names

    assert told <= names()
    assert {name for name in names() if name.startswith(("payment", "outbox", "unknown", "keys"))} - told <= {
        "outbox_backlog", "outbox_oldest_seconds", "outbox_dead", "outbox_unrouted", "outbox_sink_on",
    }  # fmt: skip
