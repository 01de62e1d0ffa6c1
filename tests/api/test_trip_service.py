import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from pytest_httpserver import HTTPServer
from sqlalchemy import update
from werkzeug import Request, Response

from payment_service.channels.trips import fares
from payment_service.http_client import HttpClient
from payment_service.models import idempotency_keys
from payment_service.services import retention
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import ABSENT, pay_bill, pay_trip, refund_trip
from tests.support.database import count
from tests.support.gateways import LedgerGateway
from tests.support.scripted_server import scripted_server

COMPLETED = {"status": "COMPLETED", "distance": 10, "surge_multiplier": 1}


class TripService:
    """The trip service; `says` is its answer about trip 101, `asked` counts the questions."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("").rstrip("/")
        self.says: Any = COMPLETED
        self.status = 200
        self.asked = 0
        server.expect_request("/v1/trips/101", method="GET").respond_with_handler(self._answer)

    def _answer(self, _request: Request) -> Response:
        self.asked += 1
        body = self.says if isinstance(self.says, str | bytes) else json.dumps(self.says)
        return Response(body, self.status, content_type="application/json")


@pytest.fixture
def trips(httpserver: HTTPServer) -> TripService:
    return TripService(httpserver)


@pytest.fixture
def client(make_app: MakeApp, trips: TripService) -> FlaskClient:
    return make_app(trip_service_url=trips.url).test_client()


def test_charge_of_a_completed_trip_has_the_requested_amount(client: FlaskClient, trips: TripService) -> None:
    answer = pay_trip(client, amount=150)
    assert (answer.status_code, answer.get_json()["amount"]) == (200, 150.0)
    assert trips.asked == 1


@pytest.mark.parametrize(
    ("distance", "surge", "fare"),
    [
        ("10", "1", 30.0), ("10", "1.5", 45.0), ("12.34", "1.2", 43.02), ("0", "1", 5.0), ("3.33", "1", 13.32),
        ("10", "null", 30.0), ('"10"', '"1.5"', 45.0), ("0.1", "1.1", 5.78),
    ],
)  # fmt: skip
def test_charge_without_an_amount_has_the_fare(
    client: FlaskClient, trips: TripService, gateway: LedgerGateway, distance: str, surge: str, fare: float
) -> None:
    trips.says = f'{{"status": "COMPLETED", "distance": {distance}, "surge_multiplier": {surge}}}'
    assert pay_trip(client, amount=ABSENT).get_json()["amount"] == fare
    assert gateway.sent[0].amount == Decimal(str(fare))


def test_fare_follows_the_tariff_of_the_settings(make_app: MakeApp, trips: TripService) -> None:
    trips.says = {"status": "COMPLETED", "distance": 4}
    app = make_app(trip_service_url=trips.url, base_fare=Decimal(7), rate_per_km=Decimal("0.25"))
    assert pay_trip(app.test_client(), amount=ABSENT).get_json()["amount"] == 8.0


def test_charge_without_a_trip_service_needs_an_amount(make_app: MakeApp) -> None:
    client = make_app().test_client()
    answer = pay_trip(client, amount=ABSENT)
    assert answer.status_code == 400
    assert answer.get_json()["error"] == "Missing required fields: amount"
    assert pay_trip(client).status_code == 200


@pytest.mark.parametrize("word", ["IN_PROGRESS", "completed", "CANCELLED", "", None, 1])
def test_charge_of_a_trip_that_is_not_completed_answers_400_until_it_is(
    client: FlaskClient, trips: TripService, gateway: LedgerGateway, word: object
) -> None:
    trips.says = {**COMPLETED, "status": word}
    answers = [pay_trip(client, idempotency_key="trip-101-charge") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert {answer.get_json()["code"] for answer in answers} == {"trip_not_completed"}
    assert [answer.get_json()["retry"] for answer in answers] == [{"safe": True, "key": "same", "after": None}] * 2
    assert not gateway.sent
    trips.says = COMPLETED
    assert pay_trip(client, idempotency_key="trip-101-charge").get_json()["status"] == "SUCCESS"


@pytest.mark.parametrize("status", [404, 400, 410, 422])
def test_charge_of_an_unknown_trip_answers_400(client: FlaskClient, trips: TripService, status: int) -> None:
    trips.status = status
    answer = pay_trip(client)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "trip_not_completed")
    trips.status = 200
    assert pay_trip(client).status_code == 200


def test_charge_without_a_reachable_trip_service_answers_503_and_leaves_the_key_free(
    make_app: MakeApp, trips: TripService, gateway: LedgerGateway
) -> None:
    answer = pay_trip(make_app(trip_service_url="http://127.0.0.1:9").test_client())
    assert answer.status_code == 503
    assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert answer.headers["Retry-After"] == "1"
    assert not gateway.sent
    assert pay_trip(make_app(trip_service_url=trips.url).test_client()).status_code == 200


@pytest.mark.parametrize("status", [401, 403, 407, 408, 429])
def test_refusal_by_the_trip_service_that_says_nothing_of_the_trip_answers_503(
    client: FlaskClient, trips: TripService, gateway: LedgerGateway, deps: Dependencies, status: int
) -> None:
    trips.status = status
    answer = pay_trip(client)
    assert (answer.status_code, answer.get_json()["code"]) == (503, "unavailable")
    assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}
    assert (gateway.sent, count(deps, idempotency_keys)) == ([], 0)
    trips.status = 200
    assert pay_trip(client).get_json()["status"] == "SUCCESS"


@pytest.mark.parametrize("status", [500, 502, 503, 301, 302, 204])
def test_error_of_the_trip_service_answers_503(client: FlaskClient, trips: TripService, status: int) -> None:
    trips.status = status
    assert pay_trip(client).status_code == 503
    trips.status = 200
    assert pay_trip(client).status_code == 200


GARBAGE: dict[str, object] = {
    "html": "<html>",
    "nothing": "",
    "a list": [COMPLETED],
    "a text": '"COMPLETED"',
    "null": "null",
    "no UTF-8": b"\xff\xfe{",
    "too deep": "[" * 50000,
    "too long": '{"status": "COMPLETED", "note": "' + "x" * 70000 + '"}',
    "digits": '{"status": "COMPLETED", "distance": ' + "9" * 5000 + "}",
    "no distance": {"status": "COMPLETED"},
    "a negative distance": {**COMPLETED, "distance": -1},
    "no number": {**COMPLETED, "distance": "far"},
    "NaN": '{"status": "COMPLETED", "distance": NaN}',
    "infinity": '{"status": "COMPLETED", "distance": Infinity}',
    "the text NaN": {**COMPLETED, "distance": "NaN"},
    "a huge distance": '{"status": "COMPLETED", "distance": 1e400000000}',
    "a long way": {**COMPLETED, "distance": 10**12},
    "a list of distances": {**COMPLETED, "distance": []},
    "no surge": {**COMPLETED, "surge_multiplier": 0},
    "a negative surge": {**COMPLETED, "surge_multiplier": -1},
    "a NaN surge": '{"status": "COMPLETED", "distance": 1, "surge_multiplier": NaN}',
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
def test_unreadable_answer_of_the_trip_service_leaves_the_key_free(
    client: FlaskClient, trips: TripService, gateway: LedgerGateway, said: object
) -> None:
    trips.says = said
    answer = pay_trip(client, amount=ABSENT)
    assert answer.status_code == 503, answer.text
    assert not gateway.sent
    trips.says = COMPLETED
    assert pay_trip(client, amount=ABSENT).get_json()["amount"] == 30.0


@pytest.mark.parametrize(
    "bytes_said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", b"not HTTP at all\r\n\r\n"]
)
def test_broken_connection_to_the_trip_service_answers_503(make_app: MakeApp, bytes_said: bytes) -> None:
    with scripted_server(bytes_said) as server:
        assert pay_trip(make_app(trip_service_url=server.url).test_client()).status_code == 503


def test_lost_connection_to_the_trip_service_is_tried_again_once(make_app: MakeApp) -> None:
    body = json.dumps(COMPLETED).encode()
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    with scripted_server(b"", whole) as server:
        assert pay_trip(make_app(trip_service_url=server.url).test_client()).status_code == 200
        assert server.accepted == 2


@pytest.mark.parametrize("pause", [0.05, 0.5])
def test_slow_answer_of_the_trip_service_answers_503_in_time(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    monkeypatch.setattr(fares, "_CLIENT", HttpClient((1.0, 0.3), 1))
    with scripted_server(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b" " * 40, pause=pause) as server:
        began = time.monotonic()
        answer = pay_trip(make_app(trip_service_url=server.url).test_client())
        assert answer.status_code == 503
        assert time.monotonic() - began < 5


def test_repeat_while_the_trip_service_is_down_gets_the_stored_answer(
    make_app: MakeApp, trips: TripService, gateway: LedgerGateway
) -> None:
    first = pay_trip(make_app(trip_service_url=trips.url).test_client(), amount=ABSENT)
    again = pay_trip(make_app(trip_service_url="http://127.0.0.1:9").test_client(), amount=ABSENT)
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def test_repeat_of_a_purged_key_while_the_trip_service_is_down_is_answered(
    make_app: MakeApp, trips: TripService, gateway: LedgerGateway
) -> None:
    first = pay_trip(make_app(trip_service_url=trips.url).test_client(), amount=ABSENT)
    app = make_app(trip_service_url="http://127.0.0.1:9")
    forget_the_answers(dependencies_of(app))
    again = pay_trip(app.test_client(), amount=ABSENT)
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == 1


def forget_the_answers(deps: Dependencies) -> None:
    """Make the stored responses expire, and purge them."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(expires_at=datetime.now(UTC) - timedelta(days=1)))
    assert sum(retention.purge(deps)) > 0


def test_refund_and_bill_send_no_request_to_the_trip_service(client: FlaskClient, trips: TripService) -> None:
    number = pay_trip(client).get_json()["payment_id"]
    assert refund_trip(client, number).status_code == 200
    assert pay_bill(client).status_code == 201
    assert trips.asked == 1


def test_debug_mode_charges_no_trip_that_is_not_completed(make_app: MakeApp) -> None:
    client = make_app(trip_service_url="http://127.0.0.1:9", debug=True).test_client()
    assert pay_trip(client).status_code == 503
