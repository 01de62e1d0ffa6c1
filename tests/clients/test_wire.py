"""The client sends well-formed requests, and reads or refuses each form of answer."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from payment_service_client import Declined, OutcomeUnknown, PaymentError, Terms
from tests.clients.canned import PAYMENT, canned

BILL = {
    "payment_id": 1,
    "bill_id": 7,
    "amount": "525.00",
    "method": "UPI",
    "reference": "b",
    "paid_at": "2026-11-20T12:15:59",
}


@pytest.mark.parametrize(
    ("amount", "text"),
    [("150.00", b"150.00"), ("0.1", b"0.1"), ("1E+3", b"1000"), ("123456789012.34", b"123456789012.34"), ("7", b"7")],
)
def test_an_amount_is_a_number_with_its_own_digits(amount: str, text: bytes) -> None:
    client, network = canned(PAYMENT)
    client.trips.pay(101, "CARD", Decimal(amount), key="k", metadata={"city": "Pune", "ratio": 0.5})

    assert network.sent[0].body == (
        b'{"idempotency_key":"k","trip_id":101,"method":"CARD","amount":%s,"metadata":{"city": "Pune", "ratio": 0.5}}'
        % text
    )


@pytest.mark.parametrize(
    ("amount", "error"), [(150.1, TypeError), (Decimal("NaN"), ValueError), (Decimal("-Infinity"), ValueError)]
)
def test_invalid_amount_is_not_sent(amount: Any, error: type[Exception]) -> None:
    client, network = canned(PAYMENT)
    with pytest.raises(error):
        client.trips.pay(101, "CARD", amount)

    assert network.sent == []


def test_amounts_come_back_as_they_were_written() -> None:
    client, _ = canned(
        '{"payment_id":1,"trip_id":1,"amount":0.1000000000000000055,"method":"UPI","status":"SUCCESS",'
        '"reference":"r","created_at":"2026-11-20T11:16:22.445088","refunded_amount":3,"more":[1]}'
    )
    payment = client.trips.get(1)

    assert (payment.amount, payment.refunded_amount) == (Decimal("0.1000000000000000055"), Decimal(3))
    assert payment.created_at == datetime(2026, 11, 20, 11, 16, 22, 445088, tzinfo=UTC)


def test_a_bill_that_is_not_decided_is_shown_and_not_asked_for_again() -> None:
    client, network = canned((202, {**BILL, "status": "PENDING", "message": "m"}, {}))

    assert (client.bills.get(1).status, client.bills.get(1).amount) == ("PENDING", Decimal("525.00"))
    assert len(network.sent) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"amount": True},
        {"amount": "many"},
        {"amount": None},
        {"payment_id": "1"},
        {"payment_id": True},
        {"created_at": 7},
        {"status": None},
    ],
)
def test_an_answer_of_another_shape_is_no_success(change: dict[str, Any]) -> None:
    client, _ = canned({**PAYMENT, **change})
    with pytest.raises(OutcomeUnknown, match="another shape") as caught:
        client.trips.pay(101, "CARD", Decimal(150), key="k")
    with pytest.raises(PaymentError) as at_reading:
        client.trips.get(1)

    assert (caught.value.key, caught.value.code) == ("k", "unreadable_answer")
    assert type(at_reading.value) is PaymentError


def test_an_answer_without_a_field_is_no_success() -> None:
    client, _ = canned({name: value for name, value in PAYMENT.items() if name != "reference"})
    with pytest.raises(OutcomeUnknown, match="no reference in the answer"):
        client.trips.pay(101, "CARD", Decimal(150))


@pytest.mark.parametrize("key", ["", " blank ", "a,b", 'a"b', "a\\b", "clé", "new\nline", "x" * 256])
def test_a_key_that_a_header_cannot_carry_is_not_sent(key: str) -> None:
    client, network = canned(PAYMENT)
    with pytest.raises(ValueError, match="a key has"):
        client.bills.pay(7, Decimal(525), "UPI", key=key)

    assert network.sent == []


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_an_identifier_that_changes_the_path_is_not_sent(identifier: str) -> None:
    client, network = canned(PAYMENT)
    with pytest.raises(ValueError, match="not an identifier"):
        client.bookings.get(identifier)

    assert network.sent == []


def test_an_identifier_is_one_part_of_the_path() -> None:
    client, network = canned({"payments": []})

    assert client.bookings.get_by_booking("a/b?c d") == ()
    assert network.sent[0].path_url == "/api/payments/booking/a%2Fb%3Fc%20d"


def test_terms_travel_in_headers() -> None:
    client, network = canned(PAYMENT)
    client.trips.pay(101, "CARD", Decimal(150), terms=Terms("tok_1", "https://shop.example/back"))
    headers = network.sent[0].headers

    assert (headers["Payment-Token"], headers["Payment-Return-Url"]) == ("tok_1", "https://shop.example/back")


def test_lists_say_which_channel_they_are_of() -> None:
    client, network = canned([], {"total": 0, "page": 1, "page_size": 10, "before": None, "payments": []})
    client.bills.list()
    client.orders.list()

    assert [request.path_url for request in network.sent] == [
        "/v1/payments?skip=0&limit=100",
        "/v1/payments?page=1&page_size=10",
    ]


def test_a_period_is_sent_as_it_was_given() -> None:
    client, network = canned({"payments": [], "next_cursor": None})
    client.trips.list(since=date(2026, 11, 1), until=datetime(2026, 11, 2, 12, 30, tzinfo=UTC))

    assert network.sent[0].path_url == "/payments?from=2026-11-01&to=2026-11-02T12%3A30%3A00%2B00%3A00"


def test_a_netrc_file_does_not_replace_the_token(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine service login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    client, network = canned(PAYMENT, token="a-token")
    client.trips.get(1)

    assert network.sent[0].headers["Authorization"] == "Bearer a-token"


def test_a_redirect_is_not_followed() -> None:
    client, network = canned((307, "", {"Location": "http://service/elsewhere"}))
    with pytest.raises(PaymentError):
        client.trips.pay(101, "CARD", Decimal(150))

    assert len(network.sent) == 1


def test_a_body_without_fields_is_left_out() -> None:
    client, network = canned({})
    with pytest.raises(OutcomeUnknown):
        client.bookings.process("a")
    with pytest.raises(OutcomeUnknown):
        client.trips.refund(1, key="r")

    assert network.sent[0].body is None
    assert json.loads(cast("bytes", network.sent[1].body)) == {"idempotency_key": "r"}


def test_a_refund_that_failed_is_declined_in_a_change_and_shown_in_a_look_up() -> None:
    refund = {
        "payment_id": 1,
        "refund_id": 2,
        "refund_amount": 5,
        "status": "FAILED",
        "timestamp": "2026-11-20T12:15:59",
    }
    client, _ = canned(refund, {"refunds": [refund]})
    with pytest.raises(Declined, match="declined by the gateway") as declined:
        client.trips.refund(1, Decimal(5), key="r")

    assert (declined.value.code, declined.value.key) == ("payment_declined", "r")
    assert client.trips.refunds(1)[0].status == "FAILED"
