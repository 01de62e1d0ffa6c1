"""The service logs one line for each request, without the secrets of callers."""

import json
from decimal import Decimal

from payment_service.gateways.base import Approved, GatewayRequest, SendResult
from tests.conftest import Lines, MakeApp
from tests.support.callers import pay_bill, pay_trip, refund_trip
from tests.support.gateways import LedgerGateway
from tests.support.tokens import SECRET, bearer

CARD = "4111 1111 1111 1111"


def test_request_is_logged_in_one_line_with_its_route_and_id(make_app: MakeApp, lines: Lines) -> None:
    client = make_app(log_level="INFO").test_client()
    lines()
    answer = client.get("/payments/4711", headers={"X-Request-ID": "my-id"})
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert answer.status_code == line["status"] == 404
    assert (line["method"], line["route"], line["request_id"]) == ("GET", "/payments/<payment_id>", "my-id")
    assert "4711" not in json.dumps(line["route"])


def test_log_has_no_secret_of_a_caller(make_app: MakeApp, gateway: LedgerGateway, lines: Lines) -> None:
    client = make_app(
        log_level="DEBUG", webhook_secret="canary-webhook", rabbitmq_password="canary-rabbit"
    ).test_client()
    who = bearer("user-1", email="canary@example.com")
    number = pay_trip(client, headers=who, idempotency_key="canary-key-1", metadata={"n": "canary-data"}).get_json()[
        "payment_id"
    ]
    refund_trip(client, number, headers=who, idempotency_key="canary-key-2", metadata={"reason": "canary-reason"})
    pay_bill(client, key="canary-key-3", headers=who)
    pay_bill(client, key="canary-key-3", headers=who, bill_id=2)
    pay_bill(client, key="canary-key-4", method=f"canary {CARD}")
    client.get(
        "/payments?trip_id=canary-query&status=canary-word", headers={"Cookie": "canary=cookie", "User-Agent": CARD}
    )
    client.get("/canary/path/4111111111111111", headers={"X-Request-ID": "4111111111111111"})
    client.get("/payments", headers={"Authorization": "Bearer canary.canary.canary"})
    client.post("/payments", data='{"canary": ', content_type="application/json")
    gateway.script.append(crash)
    assert pay_bill(client, key="canary-key-5").status_code == 500
    written = json.dumps(lines())
    assert "request" in written
    # Not only "4111": a time or a hash may contain that.
    secrets = ("canary", "4111 1111", "41111111", SECRET, who["Authorization"].split()[1])
    assert [secret for secret in secrets if secret in written] == []


def crash(_instruction: GatewayRequest) -> SendResult:
    raise RuntimeError("something broke")


def test_failing_statement_is_logged_without_its_values(
    make_app: MakeApp, gateway: LedgerGateway, lines: Lines
) -> None:
    """A reference too long for its column: a crash on PostgreSQL; the bills' key is in the values of the statement."""
    gateway.script.append(Approved(Decimal(525), "INR", reference="R" * 300))
    client = make_app(log_level="INFO").test_client()
    assert pay_bill(client, key="canary-key").status_code in {201, 500}
    assert "canary-key" not in json.dumps(lines())
