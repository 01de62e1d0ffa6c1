"""What only the client for Python has: its types, its options, and the session that carries its requests."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests

from payment_service_client import PaymentClient
from tests.clients.calls import PAYMENT
from tests.clients.canned import canned

LOST = requests.ConnectionError("reset")


def test_a_decimal_is_sent_and_read_with_its_digits() -> None:
    text = (
        '{"payment_id":1,"trip_id":1,"amount":0.1000000000000000055,"method":"UPI","status":"SUCCESS",'
        '"reference":"r","created_at":"2026-11-20T11:16:22.445088","refunded_amount":3,"more":[1]}'
    )
    client, network = canned(text)
    payment = client.trips.pay(1, "UPI", Decimal("1E+3"), key="k", metadata={"city": "Pune", "ratio": 0.5})

    assert network.sent[0].body == (
        b'{"idempotency_key":"k","trip_id":1,"method":"UPI","amount":1000,"metadata":{"city": "Pune", "ratio": 0.5}}'
    )
    assert (payment.amount, payment.refunded_amount) == (Decimal("0.1000000000000000055"), Decimal(3))
    assert payment.created_at == datetime(2026, 11, 20, 11, 16, 22, 445088, tzinfo=UTC)


@pytest.mark.parametrize("amount", [Decimal("NaN"), Decimal("-Infinity")])
def test_a_decimal_that_is_no_number_is_not_sent(amount: Decimal) -> None:
    client, network = canned(PAYMENT)
    with pytest.raises(ValueError, match="not an amount"):
        client.trips.pay(101, "CARD", amount)

    assert network.sent == []


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


def test_no_try_waits_much_longer_than_the_deadline() -> None:
    client, network = canned(LOST, LOST, PAYMENT, deadline=8, timeout=30)
    client.trips.pay(101, "CARD", Decimal(150))

    assert [read for _, read in network.timeouts] == sorted((read for _, read in network.timeouts), reverse=True)
    assert network.timeouts[0] == (3.05, 8)


@pytest.mark.parametrize("owned", [True, False])
def test_a_session_of_the_callers_stays_open(owned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Counter[requests.Session]()
    monkeypatch.setattr(requests.Session, "close", lambda session: closed.update([session]))
    with PaymentClient("http://service", session=None if owned else requests.Session()):
        pass

    assert closed.total() == owned
