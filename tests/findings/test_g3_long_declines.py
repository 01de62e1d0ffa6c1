"""G3: a decline is a decline, with a message of any length and any content."""

import json
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, GatewayRequest, SendResult
from payment_service.gateways.protocol import TEXT_LIMIT, Reply, read_answer, read_finding
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway
from tests.support.instructions import instruct

ASKED = instruct(gateway_key="v1-asked")
DECLINED = {"gateway_key": "v1-asked", "kind": "charge", "status": "declined", "code": "EXPIRED_CARD", "message": "No"}

MESSAGES = {
    "x" * (TEXT_LIMIT + 1): "x" * TEXT_LIMIT,
    "no money " * 3000: ("no money " * 100)[:TEXT_LIMIT].rstrip(),
    "Card expired.\r\nAsk your bank.": "Card expired. Ask your bank.",
    "Card expired\n": "Card expired",
    "Card\texpired\x00\x1b[0m": "Card expired [0m",
    "Karte abgelaufen \ud800 \u2028\u202e": "Karte abgelaufen",
    "carte\u00a0expirée": "carte expirée",
    "": "EXPIRED_CARD",
    " \n ": "EXPIRED_CARD",
}


@pytest.mark.parametrize(("sent", "kept"), MESSAGES.items(), ids=lambda text: repr(text)[:30])
def test_g3_decline_with_any_message_is_a_decline(sent: str, kept: str) -> None:
    """Release 1.0.0 took a decline with a line end or more than 255 characters for no decision at all."""
    reply = Reply(402, json.dumps(DECLINED | {"message": sent}).encode())
    expected = Declined("EXPIRED_CARD", kept)
    assert read_answer(ASKED, reply) == read_finding(ASKED, reply) == expected


@pytest.mark.parametrize(
    "body", [DECLINED | {"message": None}, {name: DECLINED[name] for name in DECLINED if name != "message"}]
)
def test_g3_decline_without_a_message_shows_its_code(body: dict[str, object]) -> None:
    """Release 1.0.0 took it for no decision."""
    assert read_answer(ASKED, Reply(200, json.dumps(body).encode())) == Declined("EXPIRED_CARD", "EXPIRED_CARD")


def test_g3_code_and_reference_of_a_decline_are_cleaned_and_shortened() -> None:
    """Release 1.0.0 took a decline with such a code or reference for no decision."""
    body = DECLINED | {"code": "EXPIRED_CARD\n", "reference": "R" * 300}
    found = read_answer(ASKED, Reply(402, json.dumps(body).encode()))
    assert found == Declined("EXPIRED_CARD", "No", "R" * TEXT_LIMIT)


def _decline(message: str) -> Callable[[GatewayRequest], SendResult]:
    def decline(asked: GatewayRequest) -> SendResult:
        body = DECLINED | {"gateway_key": asked.gateway_key, "kind": asked.kind.value, "message": message}
        return read_answer(asked, Reply(402, json.dumps(body).encode()))

    return decline


def test_g3_charge_with_a_long_decline_fails(client: FlaskClient, gateway: LedgerGateway) -> None:
    """Release 1.0.0 answered PENDING permanently."""
    gateway.script.append(_decline("Card expired.\n" + "Ask your bank. " * 100))
    answer = pay_trip(client)
    body = answer.get_json()
    assert (answer.status_code, body["status"], body["failure_code"]) == (200, "FAILED", "EXPIRED_CARD")
    assert body["message"].startswith("Card expired. Ask your bank. Ask")
    assert pay_trip(client).data == answer.data


def test_g3_refund_with_a_long_decline_releases_its_amount(client: FlaskClient, gateway: LedgerGateway) -> None:
    """Release 1.0.0 kept the amount reserved permanently."""
    number = trip_id_of(pay_trip(client))
    gateway.script.append(_decline("Not\nnow"))
    assert refund_trip(client, number).status_code == 400
    assert refund_trip(client, number, idempotency_key="another").status_code == 200
    assert gateway.count(Kind.REFUND) == 1
