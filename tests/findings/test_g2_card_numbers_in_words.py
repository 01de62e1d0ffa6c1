"""G2: the service masks a card number in the words of a gateway or of an operator before it stores them.

Release 1.0.0 stored it and showed it.
"""

import json
from collections.abc import Callable

import click
import pytest
from flask.testing import FlaskClient

from payment_service.cli.arguments import Words
from payment_service.domain.cards import MASKED, contains_card_number, masked
from payment_service.gateways.base import GatewayRequest, SendResult
from payment_service.gateways.protocol import Reply, one_line, read_answer
from payment_service.models import idempotency_keys, payments, transactions
from payment_service.services.dependencies import Dependencies
from tests.support.callers import pay_trip
from tests.support.card_spellings import SPELLINGS
from tests.support.database import rows
from tests.support.gateways import LedgerGateway

CARD = "4111 1111 1111 1111"


def _decline(message: str) -> Callable[[GatewayRequest], SendResult]:
    def decline(asked: GatewayRequest) -> SendResult:
        named = {"gateway_key": asked.gateway_key, "kind": asked.kind.value, "status": "declined"}
        return read_answer(asked, Reply(402, json.dumps(named | {"code": "EXPIRED_CARD", "message": message}).encode()))

    return decline


def test_g2_card_number_in_a_decline_is_masked_before_it_is_stored(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """Release 1.0.0 stored and showed the gateway's message with the number."""
    gateway.script.append(_decline(f"Card {CARD} has expired"))
    answer = pay_trip(client)
    assert answer.get_json()["message"] == f"Card {MASKED} has expired"
    stored = json.dumps([rows(deps, table) for table in (payments, transactions, idempotency_keys)], default=str)
    assert MASKED in stored
    assert "1111 1111" not in stored


def test_g2_card_number_in_the_note_of_an_operator_is_masked() -> None:
    """Release 1.0.0 kept the values of `--why` and `--actor` as they were typed."""
    command = click.Command("x", params=[click.Option(["--why"], type=Words())], callback=lambda why: why)
    assert command.main(["--why", f"The bank confirmed {CARD}."], standalone_mode=False) == (
        f"The bank confirmed {MASKED}."
    )


@pytest.mark.parametrize("name", SPELLINGS)
def test_g2_masked_text_has_no_card_number_in_any_spelling(name: str) -> None:
    """Other spellings than digits in a row are masked with their separators, or as a whole."""
    text = masked(f"Declined: {SPELLINGS[name]('4012888888881881')} is not valid")
    assert MASKED in text
    assert not contains_card_number(text)


@pytest.mark.parametrize(
    "text", ["Card was declined by issuer", "Try again at 2025-11-20 07:20:12.145775", "Ref 20251120072012345"]
)
def test_g2_text_without_a_card_number_stays_as_it_is(text: str) -> None:
    """Lookalikes are no reason to change what a gateway says."""
    assert one_line(text) == masked(text) == text
