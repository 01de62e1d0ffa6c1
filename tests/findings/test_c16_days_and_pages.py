"""A plain date in `to`, and pages of a list that grows. Release 1.0.0 left the day out and repeated rows."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from marshmallow import Schema
from sqlalchemy import update

from payment_service.models import payments
from payment_service.repositories import payments as repositories
from payment_service.services.dependencies import Dependencies
from payment_service.web.listing import Moment
from tests.support.bookers import Booker
from tests.support.callers import pay_trip, trip_id_of
from tests.support.orders import create_order


@pytest.mark.parametrize(
    ("moment", "is_listed"),
    [("2025-11-03T00:00:00", True), ("2025-11-03T23:59:59.999999", True), ("2025-11-04T00:00:00", False)],
)
@pytest.mark.parametrize("day", ["2025-11-03", "20251103"])
def test_c16_plain_date_in_to_includes_that_day(
    client: FlaskClient, deps: Dependencies, moment: str, is_listed: bool, day: str
) -> None:
    """Release 1.0.0 took the date for its first moment, which `to` leaves out."""
    number = trip_id_of(pay_trip(client))
    with deps.database.atomic("test") as connection:
        made = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        connection.execute(update(payments).values(created_at=made))
    found = client.get("/payments", query_string={"from": "2025-11-03", "to": day}).get_json()["payments"]
    assert [payment["payment_id"] for payment in found] == [number] * is_listed


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-11-03", datetime(2025, 11, 4, tzinfo=UTC)),
        ("2025-11-03T00:00:00", datetime(2025, 11, 3, tzinfo=UTC)),
        ("2025-11-03T12:00:00+02:00", datetime(2025, 11, 3, 10, tzinfo=UTC)),
        ("9999-12-31", datetime(9999, 12, 31, tzinfo=UTC)),
    ],
)
def test_c16_only_a_plain_date_means_the_whole_day(text: str, moment: datetime) -> None:
    """A time is the moment that it names, and the last day there is has no next one."""
    assert Schema.from_dict({"to": Moment(after_date=True)})().load({"to": text})["to"] == moment


def listed(client: FlaskClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/v1/payments", query_string=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.get_json()
    return body


def test_c16_pages_of_bookings_do_not_shift(client: FlaskClient) -> None:
    """Release 1.0.0 showed a row of the first page again on the second one, once a payment had arrived."""
    ada = Booker(client.application, "ada")
    ids = [ada.made(amount=number) for number in range(1, 6)]
    first = ada.page("?per_page=2")
    assert [payment["payment_id"] for payment in first["payments"]] == ids[:2:-1]
    ada.made(amount=9)
    before = first["pagination"]["before"]
    pages = [ada.page(f"?per_page=2&page={page}&before={before}") for page in (1, 2, 3)]
    shown = [[payment["payment_id"] for payment in page["payments"]] for page in pages]
    assert shown == [ids[:2:-1], [ids[2], ids[1]], [ids[0]]]
    names = ("total", "pages", "has_next", "before")
    assert [[page["pagination"][name] for name in names] for page in pages] == [
        [5, 3, True, before],
        [5, 3, True, before],
        [5, 3, False, before],
    ]
    assert ada.page("?per_page=2")["pagination"]["total"] == 6


def test_c16_payment_created_during_a_read_hides_no_other(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would push the last row of the first page out, which the second page leaves out as well."""
    ada, count = Booker(client.application, "ada"), repositories.count
    ids = [ada.made(amount=number) for number in range(1, 4)]

    def count_and_let_arrive(*args: Any) -> Any:
        found = count(*args)
        ada.made(amount=9)
        return found

    monkeypatch.setattr(repositories, "count", count_and_let_arrive)
    first = ada.page("?per_page=2")
    second = ada.page(f"?per_page=2&page=2&before={first['pagination']['before']}")
    assert [payment["payment_id"] for payment in first["payments"] + second["payments"]] == ids[::-1]


@pytest.mark.parametrize("nonsense", ["", "x", "p4", "cDQ%3D"])
def test_c16_invalid_before_is_ignored_in_bookings(client: FlaskClient, nonsense: str) -> None:
    """As for every parameter of this list."""
    ada = Booker(client.application, "ada")
    ada.made()
    assert ada.page(f"?before={nonsense}") == ada.page()


def test_c16_pages_of_orders_do_not_shift(client: FlaskClient) -> None:
    """As in bookings."""
    ids = [create_order(client, order_id=number, reference="").get_json()["payment_id"] for number in range(1, 5)]
    first = listed(client, page=1, page_size=3)
    create_order(client, order_id=9, reference="")

    second = listed(client, page=2, page_size=3, before=first["before"])
    assert [payment["payment_id"] for payment in second["payments"]] == ids[:1]
    assert (second["total"], second["before"]) == (4, first["before"])
    assert listed(client, before=first["before"])["total"] == 4
    assert listed(client, page=1, user_id=1)["before"] is None
    assert client.get("/v1/payments?page=1&before=x").status_code == 422
