"""The faults of the trips document's original, in its own numbering: each test fails on that fault."""

import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from sqlalchemy import event, update
from werkzeug import Response

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined
from payment_service.models import idempotency_keys
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import ABSENT, TRIP, at_once, pay_trip, refund_trip, trip_id_of, with_raw
from tests.support.gateways import LedgerGateway
from tests.support.scraped import scraped

NOWHERE = "postgresql+psycopg2://nobody:nothing@127.0.0.1:9/none"


@pytest.fixture
def trip(httpserver: HTTPServer) -> dict[str, object]:
    """Return the trip service's answer about trip 101; a test may change it."""
    says: dict[str, object] = {"status": "IN_PROGRESS", "distance": 10, "surge_multiplier": 1}
    httpserver.expect_request("/v1/trips/101").respond_with_handler(
        lambda _: Response(json.dumps(says), content_type="application/json")
    )
    return says


def test_defect_1_repeat_of_a_finished_payment_gets_its_answer(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """The original never marked a payment as finished: every repeat got "already in progress" without end."""
    client = make_app().test_client()
    first = pay_trip(client)
    repeats = [pay_trip(client), pay_trip(make_app().test_client())]
    assert [(repeat.status_code, repeat.data) for repeat in repeats] == [(200, first.data)] * 2
    assert len(gateway.sent) == 1


def test_defect_2_20_payments_at_once_all_succeed(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """Payment numbers were the highest one plus one: most of 20 simultaneous payments crashed and burnt their keys."""
    answers = at_once(make_app(), 20, lambda client, number: pay_trip(client, idempotency_key=f"key {number}"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.get_json()["payment_id"] for answer in answers}) == 20
    assert len(gateway.ledger) == 20


def test_defect_3_refund_above_the_payment_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    """Paid 100, refunded 5000: the original did not limit a refund's amount."""
    number = trip_id_of(pay_trip(client, amount=100))
    answer = refund_trip(client, number, amount=5000)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "amount_exceeds_available")
    assert gateway.count(Kind.REFUND) == 0
    assert client.get(f"/payments/{number}").get_json()["refunded_amount"] == 0.0


def test_defect_4_20_refunds_at_once_refund_no_more_than_was_paid(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """Without a lock each of 20 simultaneous refunds of a payment found all of it still there."""
    app = make_app()
    client = app.test_client()
    whole = trip_id_of(pay_trip(client, amount=10))
    answers = at_once(app, 20, lambda each, at: refund_trip(each, whole, idempotency_key=f"whole {at}"))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 19
    parts = trip_id_of(pay_trip(client, idempotency_key="parts", amount=10))
    answers = at_once(app, 20, lambda each, at: refund_trip(each, parts, idempotency_key=f"part {at}", amount=3))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [400] * 17
    refunded = sum(sent.amount for sent in gateway.ledger.values() if sent.kind is Kind.REFUND)
    assert refunded == 19
    assert [client.get(f"/payments/{number}").get_json()["refunded_amount"] for number in (whole, parts)] == [10.0, 9.0]


def test_defect_5_impossible_refund_answers_400_and_leaves_the_key_free(client: FlaskClient) -> None:
    """Unknown and already refunded payments were 500, and the key was used up by it."""
    number = trip_id_of(pay_trip(client))
    assert refund_trip(client, number + 1).status_code == 400
    assert refund_trip(client, number).status_code == 200
    again = refund_trip(client, number, idempotency_key="again")
    assert (again.status_code, again.get_json()["code"]) == (400, "illegal_move")
    assert refund_trip(client, number, idempotency_key="again").data == again.data


def test_defect_6_nan_answers_400_and_breaks_no_list(client: FlaskClient) -> None:
    """NaN was stored, answered as invalid JSON, and spoilt every average from then on."""
    bodies = [with_raw(TRIP, "amount", text) for text in ("NaN", '"NaN"', "Infinity", '"-Infinity"', "1e400")]
    answers = [client.post("/payments", data=body, content_type="application/json") for body in bodies]
    assert [answer.status_code for answer in answers] == [400] * len(bodies)
    assert pay_trip(client).status_code == 200
    listed = client.get("/payments").text
    assert "NaN" not in listed
    assert len(json.loads(listed)["payments"]) == 1


def test_defect_7_key_of_a_dead_process_can_be_used_again(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """A key claimed by a crashed process stayed "in progress" without end; the original never checked its expiry."""
    died = make_app(failpoints="gateway.answered=raise")
    assert pay_trip(died.test_client()).status_code == 500
    successor = make_app(failpoints="", idempotency_wait=0.1)
    assert pay_trip(successor.test_client()).status_code == 409
    with dependencies_of(successor).database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(leased_until=datetime.now(UTC) - timedelta(days=2)))
    answer = pay_trip(successor.test_client())
    assert (answer.status_code, answer.get_json()["status"]) == (200, "SUCCESS")
    assert gateway.count(Kind.CHARGE) == 1


def test_defect_8_fault_of_the_database_is_not_reported_as_a_key_in_use(make_app: MakeApp) -> None:
    """Any error of the database during a claim was reported as "already in progress"."""
    answer = pay_trip(make_app(database_url=NOWHERE).test_client())
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unavailable")


def test_defect_9_trip_that_is_completed_later_can_be_paid(
    make_app: MakeApp, httpserver: HTTPServer, trip: dict[str, object]
) -> None:
    """A trip not yet completed used its only key up: it could never be paid once it was."""
    client = make_app(trip_service_url=httpserver.url_for("")).test_client()
    assert pay_trip(client, idempotency_key="trip-101-charge").status_code == 400
    trip["status"] = "COMPLETED"
    assert pay_trip(client, idempotency_key="trip-101-charge").get_json()["status"] == "SUCCESS"


def test_defect_10_failed_payment_answers_200_and_not_202(client: FlaskClient, gateway: LedgerGateway) -> None:
    """FAILED was answered 202, "accepted", so that its caller waited for a result that was already final."""
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    answer = pay_trip(client)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "FAILED")


def test_defect_11_partial_refund_leaves_the_rest_refundable(client: FlaskClient) -> None:
    """The smallest refund made the whole payment REFUNDED, and the rest could not be refunded."""
    number = trip_id_of(pay_trip(client, amount=150))
    assert refund_trip(client, number, idempotency_key="1", amount=1).status_code == 200
    assert client.get(f"/payments/{number}").get_json()["status"] == "SUCCESS"
    assert refund_trip(client, number, idempotency_key="2").get_json()["refund_amount"] == 149.0
    assert client.get(f"/payments/{number}").get_json()["status"] == "REFUNDED"


def test_defect_12_amount_is_never_rounded(client: FlaskClient, gateway: LedgerGateway) -> None:
    """12.345 became 12.35 by way of a binary float."""
    assert pay_trip(client, amount=12.345).status_code == 400
    texts = ["0.1", "0.29", "1.15", "19.99", "12.34", "4.35", "999999999999.99"]
    for text in texts:
        body = with_raw({**TRIP, "idempotency_key": text}, "amount", text)
        client.post("/payments", data=body, content_type="application/json")
    assert [str(sent.amount.normalize()) for sent in gateway.sent] == texts


@pytest.mark.parametrize("amount", [150, ABSENT])
def test_defect_12_debug_mode_verifies_trips_too(make_app: MakeApp, gateway: LedgerGateway, amount: object) -> None:
    """With DEBUG, as shipped, a trip counted as completed when the trip service could not answer."""
    app = make_app(debug=True, trip_service_url="http://127.0.0.1:9")
    assert pay_trip(app.test_client(), amount=amount).status_code == 503
    assert not gateway.sent


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_defect_12_wrong_method_answers_405(client: FlaskClient, method: str) -> None:
    """A wrong method was 500."""
    answer = client.open("/payments", method=method)
    assert (answer.status_code, "POST" in answer.headers["Allow"]) == (405, True)


def test_defect_12_connections_are_kept(make_app: MakeApp) -> None:
    """Every statement opened its own connection to the database."""
    app = make_app()
    opened: list[object] = []
    event.listen(dependencies_of(app).database.engine, "connect", lambda *_: opened.append(threading.get_ident()))
    for number in range(20):
        pay_trip(app.test_client(), idempotency_key=f"key {number}")
    assert len(opened) <= 1


def test_defect_12_restart_keeps_every_payment(make_app: MakeApp) -> None:
    """Every start dropped the tables and filled them with samples."""
    paid = pay_trip(make_app().test_client()).get_json()
    after = make_app().test_client()
    assert after.get(f"/payments/{paid['payment_id']}").get_json() == paid
    assert after.get("/payments").get_json()["payments"] == [paid]


def test_defect_13_another_key_pays_the_same_trip_again(client: FlaskClient, gateway: LedgerGateway) -> None:
    """No fault but the document's own rule: a new key is a new payment, also of the same trip."""
    one, other = (pay_trip(client, idempotency_key=key).get_json() for key in ("demo-client-1", "demo-client-2"))
    assert one["payment_id"] != other["payment_id"]
    assert one["trip_id"] == other["trip_id"]
    assert gateway.count(Kind.CHARGE) == 2


def test_defect_12_metrics_are_in_the_format_of_prometheus(client: FlaskClient) -> None:
    """`/metrics` was JSON, which the scrape that the manifests configured could not read."""
    pay_trip(client)
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert scraped(client)("payments_created_total") == 1
