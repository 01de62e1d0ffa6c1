"""The search finds a payment by any id that an operator has, and the payment's page shows its whole timeline."""

import hashlib
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, update

from payment_service import clock
from payment_service.gateways.base import Declined, Unknown
from payment_service.models import idempotency_keys, outbox_deliveries, payment_refunds, payments, transactions
from payment_service.repositories import timeline
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.database import purge_answers, recover_all, rows
from tests.support.gateways import LedgerGateway
from tests.support.operators import page, signed_in, words
from tests.support.orders import charge_order, refund_order
from tests.support.tokens import bearer


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service that sends events to every sink."""
    return make_app(rabbitmq_enabled=True, notification_service_url="http://127.0.0.1:9")


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    return signed_in(app)


def found(client: FlaskClient, wanted: object, **more: str) -> list[int]:
    """Return the payments found, newest first."""
    answer = client.get("/ops/search", query_string={"q": str(wanted), **more})
    if answer.status_code == 303:
        return [int(answer.headers["Location"].removeprefix("/ops/payments/"))]
    assert answer.status_code == 200, answer.text
    return [int(number) for number in re.findall(r'<strong><a href="/ops/payments/(\d+)"', answer.text)]


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


WAYS = ("payment_id", "public_id", "reference", "transaction_id", "payable_id")


def test_search_finds_each_payment_by_each_of_its_ids(app: Flask, deps: Dependencies, operator: FlaskClient) -> None:
    client = app.test_client()
    pay_trip(client, trip_id=70001)
    pay_bill(client, "bill-key", bill_id=70002)
    charge_order(client, order_id=70003, reference="INV 2025/7 ü")
    Booker(app, "bo").paid(booking_id="BOOK/1")
    checkouts.paid(client, order_id="ORD-7")
    expected = {(way, row[way]): [row["payment_id"]] for row in rows(deps, payments) for way in WAYS if row[way]}
    assert len(expected) > 4 * len(WAYS)
    assert {(way, wanted): found(operator, wanted) for way, wanted in expected} == expected


def test_search_by_refund_operation_or_event_finds_the_payment(
    app: Flask, deps: Dependencies, operator: FlaskClient
) -> None:
    number = trip_id_of(pay_trip(app.test_client()))
    refund_trip(app.test_client(), number)
    names = [row["public_reference"] for row in rows(deps, payment_refunds)]
    names += [row[name] for row in rows(deps, idempotency_keys) for name in ("operation_id", "gateway_key")]
    names += [row["event_id"] for row in rows(deps, transactions)]

    assert len(names) > 6
    assert {tuple(found(operator, name)) for name in names} == {(number,)}


def test_search_for_something_unknown_finds_nothing(app: Flask, operator: FlaskClient) -> None:
    pay_trip(app.test_client())
    wanted = ("999", "0", "9" * 19, "9" * 30, "-1", "%", "_", "' OR 1=1 --", "a" * 64, "x" * 255)
    assert {each: found(operator, each) for each in wanted} == {key: [] for key in wanted}
    pages = {each: page(operator, f"/ops/search?q={each}".replace("%", "%25")) for each in wanted}
    assert [each for each, html in pages.items() if "Nothing was found" not in html] == []
    assert found(operator, "00000000-0000-4000-8000-000000000000") == []
    assert "Nothing was found" not in page(operator, "/ops/search?q=")


def test_search_by_payable_shows_many_payments_page_by_page(app: Flask, operator: FlaskClient) -> None:
    client = app.test_client()
    made = [trip_id_of(pay_trip(client, idempotency_key=f"try-{key}", trip_id=4711)) for key in range(27)]
    made.append(pay_bill(client, bill_id=4711).get_json()["payment_id"])
    newest_first = made[::-1]

    first = page(operator, "/ops/search?q=4711")
    assert found(operator, "4711") == newest_first[:25]
    following = re.search(r'rel="next" href="/ops/search\?q=4711&amp;before=(\d+)"', first)
    assert following is not None
    assert found(operator, "4711", before=following[1]) == newest_first[25:]
    assert 'rel="next"' not in page(operator, f"/ops/search?q=4711&before={following[1]}")


@pytest.mark.parametrize("is_purged", [False, True])
def test_search_finds_a_key_by_its_hash_before_and_after_the_purge(
    app: Flask, deps: Dependencies, operator: FlaskClient, is_purged: bool
) -> None:
    client = app.test_client()
    owned = bearer("ann")
    anns = trip_id_of(pay_trip(client, idempotency_key="anns", headers=owned))
    refund_trip(client, anns, idempotency_key="anns-refund", headers=owned, amount=1)
    if is_purged:
        purge_answers(deps)
    shown = page(operator, f"/ops/search?q={hashed('anns-refund').upper()}")
    assert "answered 200" in words(shown)
    assert "owner ann" in words(shown)
    assert ("kept until" in words(shown)) is not is_purged
    assert ("kept until" in story_of(operator, anns)) is not is_purged
    assert found(operator, hashed("anns")) == found(operator, hashed("anns-refund")) == [anns]


def story_of(client: FlaskClient, number: int) -> str:
    return words(page(client, f"/ops/payments/{number}")).partition("Timeline")[2]


def test_timeline_shows_everything_in_the_order_of_events(
    app: Flask, deps: Dependencies, operator: FlaskClient, gateway: LedgerGateway
) -> None:
    client, ann = app.test_client(), bearer("ann")
    number = trip_id_of(pay_trip(client, idempotency_key="k", headers={**ann, "X-Request-ID": "the-request"}))
    refund_trip(client, number, idempotency_key="r", headers=ann, amount=50, reason="late")
    gateway.script.append(Declined("CLOSED", "The window is closed"))
    refund_trip(client, number, idempotency_key="s", headers=ann, amount=1)
    with deps.database.atomic("test") as connection:
        arrived = {"status": "DELIVERED", "attempts": 3, "delivered_at": clock.now()}
        connection.execute(update(outbox_deliveries).where(outbox_deliveries.c.sink == "rabbitmq").values(arrived))
    refund, declined = (row["refund_id"] for row in rows(deps, payment_refunds))
    story = story_of(operator, number)
    in_order = (
        "Key claimed by POST:/payments", "charge of 150.00 INR asked of the gateway", "by ann · request the-request",
        "payment.created", "charge succeeded", "processing → captured 150.00", "payment.completed", "Key answered",
        "refund of 50.00 INR asked of the gateway", "refund succeeded", "captured → partially refunded 50.00",
        f"Refund {refund} refunded", "payment.refunded", "refund of 1.00 INR", "refund failed", "The window is closed",
        f"Refund {declined} failed", "arrived at rabbitmq",
    )  # fmt: skip
    places = [story.find(text) for text in in_order]
    assert dict(zip(in_order, places, strict=True)) == dict(zip(in_order, sorted(places), strict=True))
    assert min(places) > 0
    assert [row for row in rows(deps, transactions) if str(row["event_id"]) not in story] == []
    assert "rabbitmq delivered" in story
    assert "3 tries" in story


def test_page_of_an_undecided_payment_says_that_it_is_undecided(
    app: Flask, operator: FlaskClient, gateway: LedgerGateway
) -> None:
    gateway.script.append(Unknown("time-out"))
    number = pay_trip(app.test_client()).get_json()["payment_id"]
    [key] = rows(dependencies_of(app), idempotency_keys)

    story = story_of(operator, number)
    assert "no decision yet" in story
    assert f"operation {key['operation_id']}" in story, "what `flask decide` asks for"
    recover_all(app.extensions["payment_service"])
    assert "no decision yet" not in story_of(operator, number)
    assert "taken up 2 times" in story_of(operator, number)


HOSTILE = "<script>alert(1)</script>"
ATTRIBUTE = "\"'><img src=x onerror=alert(1)>"


def test_script_in_a_callers_text_is_shown_and_never_run(app: Flask, deps: Dependencies, operator: FlaskClient) -> None:
    client, hostile = app.test_client(), f"{HOSTILE}{ATTRIBUTE}"
    subject = "<script>alert('sub')</script>"
    order = charge_order(client, order_id=1, reference=hostile, headers=bearer(subject)).get_json()
    refund_order(client, order["payment_id"], reason=hostile, amount=1, headers=bearer(subject))
    booking = Booker(app, subject, email="<script>alert(1)</script>@example.com").paid(booking_id=hostile)
    assert booking
    with deps.database.atomic("test") as connection:
        connection.execute(update(outbox_deliveries).values(status="DEAD", last_error=hostile))
        connection.execute(update(payments).values(failure_code=hostile, gateway_response=hostile, metadata=hostile))
        connection.execute(update(idempotency_keys).values(failure_message=hostile, review_reason=hostile))
    maria = signed_in(app, f"maria {ATTRIBUTE}")
    of_order, of_booking = (f"/ops/payments/{row['payment_id']}" for row in rows(deps, payments))
    pages = {path: page(maria, path) for path in ("/ops", "/ops/deliveries", of_order, of_booking)}
    found = [maria.get("/ops/search", query_string={"q": wanted}) for wanted in (hostile, f"nothing {hostile}")]
    refused = maria.get(f"/ops/payments/{HOSTILE}")

    assert [path for path, html in pages.items() if "&lt;img src=x" not in html] == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;@example.com" in pages[of_booking]
    assert [answer.status_code for answer in (*found, refused)] == [200, 200, 404]
    run = (*pages.values(), *(answer.text for answer in found))
    assert [html for html in run if "<script" in html or "<img src=x" in html] == []
    assert "<script" not in refused.text


def test_long_timeline_is_cut(
    app: Flask, deps: Dependencies, operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = trip_id_of(pay_trip(app.test_client()))
    event = rows(deps, transactions)[0]
    del event["transaction_log_id"]
    more: list[dict[str, Any]] = [
        {**event, "event_id": clock.new_id(), "version": 10 + number, "created_at": clock.now()}
        for number in range(timeline.MOST + 5)
    ]
    with deps.database.atomic("test") as connection:
        connection.execute(insert(transactions), more)
    html = page(operator, f"/ops/payments/{number}")

    assert "only the first 200 rows are shown" in words(html)
    assert html.count('<li class="event">') == timeline.MOST
