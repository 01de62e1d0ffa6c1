"""Recovery for every gateway result of every operation: the responses, the rows, and the end of each operation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service import clock
from payment_service.gateways.base import (
    Approved,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Pending,
    SendResult,
    Unknown,
)
from payment_service.models import idempotency_keys, payment_refunds, payments, timers, transactions
from payment_service.services import recovery
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import assert_due, expire_leases, rows
from tests.support.gateways import LedgerGateway
from tests.support.operations import MOVEMENTS, Movement

NO = Declined("CARD_DECLINED", "Card was declined by issuer")
SILENCE = Unknown("the gateway did not answer in time")


def more_than_asked(instruction: GatewayRequest) -> Approved:
    return Approved(instruction.amount + 1, instruction.currency)


def other_currency(instruction: GatewayRequest) -> Approved:
    return Approved(instruction.amount, "XXX")


@pytest.fixture(params=list(MOVEMENTS.values()), ids=list(MOVEMENTS))
def movement(request: pytest.FixtureRequest) -> Movement:
    assert isinstance(request.param, Movement)
    return request.param


@pytest.fixture
def ask(client: FlaskClient, movement: Movement) -> Callable[[], TestResponse]:
    return movement.prepare(client, "asked")


def newest(deps: Dependencies, table: Any) -> dict[str, Any]:
    return max(rows(deps, table), key=lambda row: row["created_at"])


def stands(deps: Dependencies) -> tuple[str, str]:
    """Return the status of the newest payment, and of its newest operation."""
    return newest(deps, payments)["status"], newest(deps, idempotency_keys)["operation_status"]


def due_at(deps: Dependencies) -> datetime:
    """Return when the recovery worker looks at the newest key again."""
    (timer,) = [row for row in rows(deps, timers) if row["what"] == newest(deps, idempotency_keys)["key_id"]]
    moment: datetime = timer["due_at"]
    return moment


def by_repeating(deps: Dependencies, ask: Callable[[], TestResponse]) -> None:
    ask()


def by_the_worker(deps: Dependencies, ask: Callable[[], TestResponse]) -> None:
    expire_leases(deps)
    assert recover(deps)


@pytest.mark.parametrize("said", [None, NO], ids=["approved", "declined"])
def test_decided_operation_is_replayed(
    deps: Dependencies,
    gateway: LedgerGateway,
    movement: Movement,
    ask: Callable[[], TestResponse],
    said: SendResult | None,
) -> None:
    gateway.script.extend([said] if said else [])
    first = ask()
    sent = len(gateway.sent)
    again = ask()

    status, payment_status = movement.declined if said else movement.done
    assert first.status_code == status, first.text
    assert stands(deps) == (payment_status, "FAILED" if said else "SUCCEEDED")
    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(gateway.sent) == sent, "a repeat of a finished key asks nobody"
    assert rows(deps, timers) == []
    assert not list(verify(deps))


@pytest.mark.parametrize(
    "said",
    [Pending(), SILENCE, more_than_asked, other_currency],
    ids=["pending", "unknown", "wrong amount", "wrong currency"],
)
def test_undecided_operation_answers_202_and_stays_open(
    deps: Dependencies, gateway: LedgerGateway, movement: Movement, ask: Callable[[], TestResponse], said: Any
) -> None:
    gateway.script.append(said)
    begun = clock.now()
    answer = ask()
    key = newest(deps, idempotency_keys)

    assert answer.status_code == 202, answer.text
    assert_due(1, due_at(deps), since=begun)
    assert int(answer.headers["Retry-After"]) > 0
    assert "Idempotent-Replayed" not in answer.headers
    assert stands(deps) == (movement.under_way, "PENDING")
    assert (key["response_status"], key["response_data"]) == (None, None)


def test_unsent_operation_answers_503_and_a_repeat_sends_it(
    deps: Dependencies, gateway: LedgerGateway, movement: Movement, ask: Callable[[], TestResponse]
) -> None:
    gateway.script.append(NotSent("connection refused"))
    refused = ask()
    body = refused.get_json()

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert (body["code"], body["retry"]) == ("gateway_unavailable", {"safe": True, "key": "same", "after": 1})
    assert stands(deps) == (movement.under_way, "PENDING")
    assert ask().status_code == movement.done[0]
    assert stands(deps) == (movement.done[1], "SUCCEEDED")


LOOK_UPS: dict[str, tuple[GatewayResult | None, bool]] = {
    "approved": (None, True),
    "declined": (NO, True),
    "not found": (NotFound(), True),
    "pending": (Pending(), False),
    "unknown": (SILENCE, False),
    "not asked": (NotSent("connection refused"), False),
}
"""The result of a look-up (None: the ledger's), and whether it ends the operation."""


@pytest.mark.parametrize("repair", [by_repeating, by_the_worker])
@pytest.mark.parametrize(("found", "decides"), LOOK_UPS.values(), ids=LOOK_UPS)
def test_look_up_decides_an_operation_without_an_answer(
    client: FlaskClient,
    deps: Dependencies,
    gateway: LedgerGateway,
    movement: Movement,
    repair: Callable[[Dependencies, Callable[[], TestResponse]], None],
    found: GatewayResult | None,
    decides: bool,
) -> None:
    ask = movement.prepare(client, "asked")
    gateway.script.append(gateway.lose_answer if found is None else SILENCE)
    assert ask().status_code == 202
    first = gateway.sent[-1]
    gateway.found.extend([found] if found else [])
    gateway.sent.clear()
    repair(deps, ask)

    assert gateway.lookups[-1].gateway_key == first.gateway_key
    again = [replace(first, attempt=first.attempt + 1)]
    assert gateway.sent == (again if isinstance(found, NotFound) else [])
    if not decides:
        assert stands(deps) == (movement.under_way, "PENDING")
        assert newest(deps, idempotency_keys)["response_status"] is None
        gateway.approve(first)
    status, payment_status = movement.declined if found is NO else movement.done
    assert ask().status_code == status
    assert stands(deps)[0] == payment_status
    assert not list(verify(deps))


@pytest.mark.parametrize("said", [more_than_asked, other_currency])
def test_approval_of_another_amount_needs_a_person(
    deps: Dependencies, gateway: LedgerGateway, movement: Movement, ask: Callable[[], TestResponse], said: Any
) -> None:
    gateway.script.append(said)
    ask()
    gateway.found.extend([said(gateway.sent[-1])] * 2)
    by_repeating(deps, ask)
    by_the_worker(deps, ask)

    assert "gateway says" in newest(deps, idempotency_keys)["review_reason"]
    assert stands(deps) == (movement.under_way, "PENDING")


def test_worker_looks_up_with_growing_pauses(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(SILENCE)
    gateway.found.extend([SILENCE] * 9)
    begun = clock.now()
    pay_trip(client)
    assert_due(1, due_at(deps), since=begun)
    for pause in (2, 4, 8, 16, 32, 64, 128, 256):
        begun = clock.now()
        by_the_worker(deps, lambda: pay_trip(client))
        assert_due(pause, due_at(deps), since=begun)


def test_unknown_refund_reserves_its_amount_and_a_declined_one_releases_it(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    payment_id = trip_id_of(pay_trip(client, amount=150))
    gateway.script.append(SILENCE)
    unknown = refund_trip(client, payment_id, idempotency_key="unknown", amount=100)
    too_much = refund_trip(client, payment_id, idempotency_key="too much", amount=51)
    rest = refund_trip(client, payment_id, idempotency_key="rest", amount=50)

    assert (unknown.status_code, too_much.status_code, rest.status_code) == (202, 400, 200)
    assert newest(deps, payments)["refund_pending_amount"] == Decimal(100)
    gateway.found.append(NO)
    by_the_worker(deps, lambda: unknown)
    assert {row["amount"]: row["status"] for row in rows(deps, payment_refunds)} == {100: "FAILED", 50: "REFUNDED"}
    assert newest(deps, payments)["refund_pending_amount"] == 0
    assert refund_trip(client, payment_id, idempotency_key="once more", amount=100).status_code == 200
    assert newest(deps, payments)["status"] == "REFUNDED"
    assert not list(verify(deps))


def test_worker_takes_over_only_operations_of_dead_owners(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.script.append(SILENCE)
    pay_trip(client, idempotency_key="left")
    pay_trip(client, idempotency_key="finished")
    expire_leases(deps)
    monkeypatch.setattr(recovery, "BATCH", 1)

    assert dict(recover(deps)) == {"finished": 1}
    assert dict(recover(deps)) == {}
    assert {row["actor"] for row in rows(deps, transactions)} == {"anonymous", "recovery"}
