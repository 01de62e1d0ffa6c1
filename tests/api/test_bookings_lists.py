from typing import Any

import pytest

from tests.support.bookers import Booker


def amounts(page: dict[str, object]) -> list[float]:
    listed = page["payments"]
    assert isinstance(listed, list)
    return [payment["amount"] for payment in listed]


def counted(page: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in page["pagination"].items() if name != "before"}


def make(booker: Booker, number: int, **fields: object) -> None:
    for amount in range(1, number + 1):
        booker.made(amount=amount, **fields)


def test_list_without_payments_is_empty(ada: Booker) -> None:
    assert ada.page() == {
        "payments": [],
        "pagination": {
            "page": 1,
            "per_page": 20,
            "total": 0,
            "pages": 0,
            "has_next": False,
            "has_prev": False,
            "before": None,
        },
    }


def test_list_shows_own_payments_newest_first_and_20_on_a_page(ada: Booker, bob: Booker) -> None:
    make(bob, 2)
    make(ada, 21)
    first, second = ada.page(), ada.page("?page=2")
    assert amounts(first) == [float(amount) for amount in range(21, 1, -1)]
    assert counted(first) == {
        "page": 1,
        "per_page": 20,
        "total": 21,
        "pages": 2,
        "has_next": True,
        "has_prev": False,
    }
    assert amounts(second) == [1.0]
    assert counted(second) == {
        "page": 2,
        "per_page": 20,
        "total": 21,
        "pages": 2,
        "has_next": False,
        "has_prev": True,
    }
    assert amounts(bob.page()) == [2.0, 1.0]


def test_list_shows_a_payment_as_the_look_up_does(ada: Booker) -> None:
    payment_id = ada.paid()
    assert ada.page()["payments"] == [ada.show(payment_id).get_json()["payment"]]


def test_per_page_sets_the_size_of_a_page(ada: Booker) -> None:
    make(ada, 5)
    page = ada.page("?page=2&per_page=2")
    assert amounts(page) == [3.0, 2.0]
    assert counted(page) == {
        "page": 2,
        "per_page": 2,
        "total": 5,
        "pages": 3,
        "has_next": True,
        "has_prev": True,
    }


def test_page_past_the_end_is_empty(ada: Booker) -> None:
    make(ada, 1)
    page = ada.page("?page=9")
    assert page["payments"] == []
    assert counted(page) == {
        "page": 9,
        "per_page": 20,
        "total": 1,
        "pages": 1,
        "has_next": False,
        "has_prev": True,
    }


@pytest.mark.parametrize(
    "nonsense", ["0", "-1", "abc", "", "1.5", "%00", "1e3", "+1", "%20", "\u0661", "null", "9" * 40, "4111111111111111"]
)
def test_invalid_parameter_counts_as_the_default(ada: Booker, nonsense: str) -> None:
    make(ada, 1)
    page = ada.page(f"?page={nonsense}&per_page={nonsense}")
    assert (page["pagination"]["page"], page["pagination"]["per_page"]) == (1, 20)
    assert amounts(page) == [1.0]


@pytest.mark.parametrize(("asked", "given"), [("1", 1), ("100", 100), ("101", 100), ("999999999", 100)])
def test_page_has_at_most_100_payments(ada: Booker, asked: str, given: int) -> None:
    assert ada.page(f"?per_page={asked}")["pagination"]["per_page"] == given


def test_largest_page_number_is_no_error(ada: Booker) -> None:
    make(ada, 1)
    page = ada.page("?page=999999999&per_page=100")
    assert (page["payments"], page["pagination"]["page"]) == ([], 999999999)


def test_parameter_given_twice_counts_once(ada: Booker) -> None:
    assert ada.page("?page=2&page=3&unknown=1")["pagination"]["page"] == 2


def test_list_of_a_booking_shows_own_payments_newest_first(ada: Booker, bob: Booker) -> None:
    make(ada, 2, booking_id="BOOK-7")
    make(ada, 1, booking_id="BOOK-8")
    make(bob, 3, booking_id="BOOK-7")
    answer = ada("GET", "/booking/BOOK-7")
    assert list(answer.get_json()) == ["payments"]
    assert amounts(answer.get_json()) == [2.0, 1.0]


@pytest.mark.parametrize("booking", ["unknown", "BOOK", "%25", "_", "x" * 300, "4111"])
def test_list_of_a_booking_without_payments_is_empty(ada: Booker, booking: str) -> None:
    make(ada, 1)
    answer = ada("GET", f"/booking/{booking}")
    assert (answer.status_code, answer.get_json()) == (200, {"payments": []})


def test_payment_is_listed_by_a_booking_id_with_any_characters(ada: Booker) -> None:
    quoted = {
        booking: booking.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
        for booking in ("a/b/c", "a//b", "gr\u00fcn 7", "100%", "?#", "process")
    }
    for booking in quoted:
        ada.made(booking_id=booking)
    listed = {booking: ada("GET", f"/booking/{path}").get_json()["payments"] for booking, path in quoted.items()}
    assert {booking: len(found) for booking, found in listed.items()} == dict.fromkeys(quoted, 1)


def test_service_lists_payments_of_every_user(ada: Booker, bob: Booker, desk: Booker) -> None:
    make(ada, 1)
    make(bob, 1)
    assert {payment["user_id"] for payment in desk.page()["payments"]} == {"ada", "bob"}
    assert len(desk("GET", "/booking/BOOK-001").get_json()["payments"]) == 2
