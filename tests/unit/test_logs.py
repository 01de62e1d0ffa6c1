import json
import logging
from collections.abc import Callable
from decimal import Decimal

import pytest
import structlog

from payment_service.config import Settings
from payment_service.gateways.base import Approved, GatewayRequest, SendResult
from payment_service.logs import MASKED, configure_logging, flush_logs, mask
from tests.conftest import MakeApp
from tests.support.callers import pay_bill, pay_trip, refund_trip
from tests.support.gateways import LedgerGateway
from tests.support.tokens import SECRET, bearer, token

CARD = "4111 1111 1111 1111"
Captured = Callable[[], list[dict[str, object]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Captured:
    """What was logged since the last call: every line must be a JSON object, and nothing goes to standard output."""

    def read() -> list[dict[str, object]]:
        flush_logs()
        out, err = capsys.readouterr()
        assert out == ""
        return [json.loads(line) for line in err.splitlines()]

    return read


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "cookie", "set_cookie", "token", "access_token", "jwt_secret_key", "password",
        "db_password", "cvv", "cvc", "pin", "pan", "idempotency_key", "Idempotency-Key", "X-Api-Key",
    ],
)  # fmt: skip
def test_a_secrets_name_masks_it(name: str) -> None:
    assert mask(None, "", {"event": "x", name: "canary"}) == {"event": "x", name: MASKED}


@pytest.mark.parametrize(
    "value", [CARD, "4111111111111111", f"paid with {CARD}", [CARD], {"note": {"deep": CARD}}, (CARD,)]
)
def test_a_card_numbers_look_masks_it(value: object) -> None:
    assert "1111" not in str(mask(None, "", {"event": "x", "note": value}))


def test_a_secret_deep_inside_is_masked() -> None:
    masked = mask(None, "", {"event": "x", "headers": {"Authorization": "canary", "Accept": "*/*"}})
    assert masked == {"event": "x", "headers": {"Authorization": MASKED, "Accept": "*/*"}}


def test_a_tokens_look_masks_it() -> None:
    masked = mask(None, "", {"event": f"sent Bearer {token()} twice", "list": [token()]})
    assert token().split(".")[1] not in str(masked)
    assert str(masked["event"]).startswith("sent Bearer ")


def test_what_is_no_secret_stays() -> None:
    event = {
        "event": "request",
        "status": 200,
        "route": "/payments/<payment_id>",
        "milliseconds": 1.5,
        "list": [1, None],
    }
    assert mask(None, "", dict(event)) == event
    assert mask(None, "", {"event": "x", "panel": "a", "pinned": "b", "monkey": "c", "moment": "20251120072012"}) == {
        "event": "x", "panel": "a", "pinned": "b", "monkey": "c", "moment": "20251120072012",
    }  # fmt: skip


def test_our_lines_and_the_libraries_are_json_alike(lines: Captured) -> None:
    configure_logging("INFO")
    structlog.get_logger("ours").info("an event", number=1)
    logging.getLogger("theirs").warning("careful with %s", "a\nline end")
    logging.getLogger("theirs").debug("not said")
    ours, theirs = lines()
    assert (ours["event"], ours["number"], ours["level"], ours["logger"]) == ("an event", 1, "info", "ours")
    assert (theirs["event"], theirs["level"]) == ("careful with a\nline end", "warning")
    assert {"timestamp", "level", "logger", "event"} <= ours.keys() & theirs.keys()


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [Unspeakable(), 10**5000, [Unspeakable()]], ids=["repr", "too long", "inside"])
def test_what_cannot_be_written_down_stops_nobody(lines: Captured, value: object) -> None:
    """A line stands between the gateway's answer and its being written down."""
    configure_logging("INFO")
    structlog.get_logger("ours").warning("movement.undecided", why=value)
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == ("movement.undecided", "warning", "ours")
    assert {"timestamp", "unwritable"} <= line.keys()


def test_a_logger_named_by_a_secret_is_masked(lines: Captured) -> None:
    configure_logging("INFO")
    logging.getLogger("lib.4111111111111111").warning("hello")
    (line,) = lines()
    assert line["logger"] == MASKED


def test_debug_enables_debug_logs() -> None:
    assert Settings.from_env({"DEBUG": "true", "LOG_LEVEL": "INFO"}).log_level == "DEBUG"
    assert Settings.from_env({"DEBUG": "false", "LOG_LEVEL": "WARNING"}).log_level == "WARNING"


def test_every_request_is_one_line_with_its_route_and_id(make_app: MakeApp, lines: Captured) -> None:
    client = make_app(log_level="INFO").test_client()
    lines()
    answer = client.get("/payments/4711", headers={"X-Request-ID": "my-id"})
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert answer.status_code == line["status"] == 404
    assert (line["method"], line["route"], line["request_id"]) == ("GET", "/payments/<payment_id>", "my-id")
    assert "4711" not in json.dumps(line["route"])


def test_no_canary_is_ever_written_down(make_app: MakeApp, gateway: LedgerGateway, lines: Captured) -> None:
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
    for secret in ("canary", "4111 1111", "41111111", SECRET, who["Authorization"].split()[1]):
        assert secret not in written, secret


def crash(_instruction: GatewayRequest) -> SendResult:
    raise RuntimeError("something broke")


def test_a_failing_statement_does_not_show_its_values(
    make_app: MakeApp, gateway: LedgerGateway, lines: Captured
) -> None:
    """A reference too long for its column: a crash on PostgreSQL; the bills' key is in the values of the statement."""
    gateway.script.append(Approved(Decimal(525), "INR", reference="R" * 300))
    client = make_app(log_level="INFO").test_client()
    assert pay_bill(client, key="canary-key").status_code in {201, 500}
    assert "canary-key" not in json.dumps(lines())
