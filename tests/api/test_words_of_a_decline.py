"""The service keeps the gateway's message unchanged: up to its full length, with the operation it is about."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, Declined, GatewayRequest, Unknown
from payment_service.gateways.protocol import TEXT_LIMIT
from payment_service.models import idempotency_keys, payment_refunds, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.support import checkouts
from tests.support.bookers import Booker, error_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_answers, purge_answers, recover_all, rows
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, detail, paid, refund_order

ENDINGS = pytest.mark.parametrize("end", [expire_answers, purge_answers], ids=["expired", "purged"])
End = Callable[[Dependencies], None]

LONGEST = "x" * TEXT_LIMIT
POOR = Declined("INSUFFICIENT_FUNDS", "Insufficient funds in account")


def approve_at_length(gateway: LedgerGateway) -> Callable[[GatewayRequest], Approved]:
    """Approve with an authorization code and a reference of the protocol's greatest length."""

    def approve(instruction: GatewayRequest) -> Approved:
        approved = gateway.approve(instruction)
        return Approved(approved.amount, approved.currency, LONGEST, LONGEST)

    return approve


def test_columns_have_room_for_the_longest_texts_of_the_protocol() -> None:
    """SQLite would accept a longer text; PostgreSQL could never store the charge."""
    told = [
        payments.c.authorization_code,
        payments.c.failure_code,
        payments.c.gateway_response,
        idempotency_keys.c.gateway_reference,
        idempotency_keys.c.failure_message,
    ]
    widths: list[Any] = [getattr(column.type, "length", None) for column in told]
    assert all(width is None or width >= TEXT_LIMIT for width in widths), widths


def test_longest_authorization_code_is_stored(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(approve_at_length(gateway))
    body = paid(charge_order(client))
    assert (body["status"], body["authorization_code"]) == ("COMPLETED", LONGEST)
    assert [row["gateway_reference"] for row in rows(deps, idempotency_keys)] == [LONGEST]
    assert not list(verify(deps))


def test_recovery_stores_the_longest_authorization_code(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.lose_answer)
    assert pay_trip(client).status_code == 202
    gateway.found.append(Approved(Decimal("150.00"), "INR", LONGEST, LONGEST))
    recover_all(deps)
    assert pay_trip(client).get_json()["status"] == "SUCCESS"
    assert [row["authorization_code"] for row in rows(deps, payments)] == [LONGEST]
    assert gateway.count(Kind.CHARGE) == 1


def test_longest_decline_is_stored(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined(LONGEST, LONGEST, LONGEST))
    body = pay_trip(client).get_json()
    assert (body["status"], body["failure_code"], body["message"]) == ("FAILED", LONGEST, LONGEST)
    assert pay_trip(client).get_json() == body


def test_longest_decline_of_a_refund_is_stored(client: FlaskClient, gateway: LedgerGateway) -> None:
    number = trip_id_of(pay_trip(client))
    gateway.script.append(Declined(LONGEST, LONGEST))
    assert error_of(refund_trip(client, number)) == f"Refund declined: {LONGEST}"


@ENDINGS
def test_declined_refund_of_a_trip_keeps_its_own_text(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, end: End
) -> None:
    number = trip_id_of(pay_trip(client))
    gateway.script.append(POOR)
    first = refund_trip(client, number, idempotency_key="declined", amount=5)
    assert refund_trip(client, number, idempotency_key="approved", amount=5).status_code == 200
    end(deps)
    again = refund_trip(client, number, idempotency_key="declined", amount=5)
    assert error_of(first) == error_of(again) == "Refund declined: Insufficient funds in account"


@ENDINGS
def test_declined_refund_of_an_order_keeps_its_own_text(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, end: End
) -> None:
    number = paid(charge_order(client))["payment_id"]
    gateway.script.append(POOR)
    first = refund_order(client, number, "declined", amount=5)
    assert refund_order(client, number, "approved", amount=5).status_code == 200
    end(deps)
    again = refund_order(client, number, "declined", amount=5)
    assert detail(first) == detail(again) == "Refund declined: Insufficient funds in account"


@ENDINGS
def test_declined_refund_of_a_booking_keeps_its_own_text(
    ada: Booker, deps: Dependencies, gateway: LedgerGateway, end: End
) -> None:
    payment_id = ada.paid()
    gateway.script.append(POOR)
    first = ada.refund(payment_id, "declined")
    assert ada.refund(payment_id, "approved").status_code == 200
    end(deps)
    again = ada.refund(payment_id, "declined")
    assert error_of(first, 402) == error_of(again, 402) == "Refund declined: Insufficient funds in account"


def test_approval_of_a_later_capture_removes_the_earlier_decline(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    transaction = checkouts.held(client)
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    declined = checkouts.body_of(checkouts.post(client, "capture", transaction_id=transaction, amount=10))
    assert checkouts.shown(client, transaction)["provider_response"]["code"] == "CARD_DECLINED"
    captured = checkouts.body_of(checkouts.post(client, "capture", transaction_id=transaction, amount=20))
    shown = checkouts.shown(client, transaction)

    assert (declined["success"], captured["success"], shown["captured_amount"]) == (False, True, 20.0)
    assert "CARD_DECLINED" not in str(shown["provider_response"])
    assert shown["error_message"] is None
    assert [row["failure_code"] for row in rows(deps, payments)] == [None]


REASONS: tuple[Any, ...] = ({}, [], 0, False, "", None, 0.5, {"a": 1}, True)


@pytest.mark.parametrize("reason", REASONS, ids=repr)
def test_reason_that_is_blank_or_no_text_is_stored_as_null(
    client: FlaskClient, deps: Dependencies, reason: object
) -> None:
    """A trip's metadata may hold any value; only a text is a reason."""
    number = trip_id_of(pay_trip(client))
    assert refund_trip(client, number, amount=1, metadata={"reason": reason}).status_code == 200
    assert [row["reason"] for row in rows(deps, payment_refunds)] == [None]


def test_reason_is_stored_as_it_was_sent(client: FlaskClient, deps: Dependencies) -> None:
    number = trip_id_of(pay_trip(client))
    refund_trip(client, number, amount=1, metadata={"reason": "too long a way"})
    assert [row["reason"] for row in rows(deps, payment_refunds)] == ["too long a way"]


def test_decline_of_a_refund_is_stored_after_a_lost_answer(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    number = trip_id_of(pay_trip(client))
    gateway.script.append(Unknown("silence"))
    assert refund_trip(client, number, idempotency_key="declined", amount=5).status_code == 202
    gateway.found.append(POOR)
    recover_all(deps)
    assert refund_trip(client, number, idempotency_key="approved", amount=5).status_code == 200
    purge_answers(deps)
    again = refund_trip(client, number, idempotency_key="declined", amount=5)
    assert error_of(again) == "Refund declined: Insufficient funds in account"
