"""A checkout caller without a key reads only `success` and never repeats: a reported false stays false.

Release 1.0.0 answered `"success": false` for an undecided charge, and captured the money when the gateway approved it
later.
"""

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind, Purpose
from payment_service.gateways.base import Approved, Declined, GatewayRequest, NotFound, NotSent, Pending, Unknown
from payment_service.models import idempotency_keys, payment_refunds, payments, transactions
from payment_service.services import gateway_calls, manual_resolution, reversals
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.checkouts import body_of, process
from tests.support.database import expire_leases, recover_all, rows
from tests.support.gateways import LedgerGateway

LOST = Unknown("the answer was lost")


def told_false(client: FlaskClient, **fields: Any) -> str:
    """Return the id of an undecided payment after its caller has heard that it failed."""
    body = body_of(process(client, **fields), 202)
    assert (body["success"], body["status"], body["transaction_id"]) == (False, "processing", None)
    return str(body["payment_id"])


def shown(client: FlaskClient, payment_id: str) -> dict[str, Any]:
    return body_of(client.get(f"/api/v1/payments/payment/{payment_id}"))


def kept(gateway: LedgerGateway) -> Decimal:
    """Return the money of all charges that the gateway still holds."""
    taken = {Kind.CHARGE: 1, Kind.REFUND: -1}
    return sum((each.amount * taken.get(each.kind, 0) for each in gateway.ledger.values()), Decimal(0))


def events(deps: Dependencies) -> list[str]:
    return [row["event_type"] for row in rows(deps, transactions) if row["event_type"]]


def test_c1_late_approval_is_reversed_in_full(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(gateway.lose_answer)
    payment_id = told_false(client)

    recover_all(deps)
    during = shown(client, payment_id)
    assert (during["status"], during["transaction_id"], during["captured_amount"]) == ("processing", None, 100.0)
    assert list(verify(deps)) == []

    recover_all(deps)
    after = shown(client, payment_id)
    assert (after["status"], after["refunded_amount"], after["transaction_id"]) == ("failed", 100.0, None)
    assert [row["failure_code"] for row in rows(deps, payments)] == ["reversed"]
    assert kept(gateway) == 0
    assert events(deps) == ["payment.created", "payment.failed", "payment.refunded"]
    assert list(verify(deps)) == []


def test_c1_late_hold_is_released(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(gateway.lose_answer)
    payment_id = told_false(client, capture=False)

    recover_all(deps)
    assert shown(client, payment_id)["status"] == "processing"
    recover_all(deps)

    assert shown(client, payment_id)["status"] == "failed"
    assert gateway.count(Kind.VOID) == 1
    assert list(verify(deps)) == []


def test_c1_owner_that_learns_of_the_approval_in_time_answers_success(
    make_app: MakeApp, gateway: LedgerGateway
) -> None:
    app = make_app(keyless_answer_seconds=5.0)
    gateway.script.append(gateway.lose_answer)
    gateway.found.extend([Pending(), NotFound()])

    body = body_of(process(app.test_client()))

    assert (body["success"], body["status"]) == (True, "captured")
    assert [row["purpose"] for row in rows(dependencies_of(app), idempotency_keys)] == [None]
    assert len(gateway.lookups) == 3


def test_c1_only_half_of_the_threads_wait(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(keyless_answer_seconds=5.0, web_threads=2)
    waiting = dependencies_of(app).waiting
    assert waiting.acquire(blocking=False)
    gateway.script.append(gateway.lose_answer)

    told_false(app.test_client())

    assert gateway.lookups == []
    waiting.release()


@pytest.mark.parametrize("key", ["key", None], ids=["with a key", "without"])
def test_c1_only_requests_without_a_key_are_reversed(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, key: str | None
) -> None:
    gateway.script.append(gateway.lose_answer)
    payment_id = body_of(process(client, key), 202)["payment_id"]

    recover_all(deps)
    recover_all(deps)

    assert shown(client, payment_id)["status"] == ("captured" if key else "failed")


def test_c1_unsent_charge_ends_at_once(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(NotSent("connection refused"))

    body = body_of(process(client))

    assert (body["success"], body["status"], body["error"]) == (False, "failed", gateway_calls.NOT_CHARGED.message)
    recover_all(deps)
    assert gateway.ledger == {}
    assert list(verify(deps)) == []


def test_c1_charge_unknown_to_the_gateway_is_made_and_reversed(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """If recovery gave it up, the money would stay with a sender that wakes up later."""
    gateway.script.append(LOST)
    payment_id = told_false(client)

    for _ in ("the charge", "its reversal"):
        recover_all(deps)

    assert shown(client, payment_id)["status"] == "failed"
    assert {each.kind for each in gateway.ledger.values()} == {Kind.CHARGE, Kind.REFUND}
    assert kept(gateway) == 0


def test_c1_owner_that_sends_after_the_reversal_charges_nothing(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    """The owner falls asleep between its look at the clock and the send; recovery completes the charge meanwhile."""

    def sleep(asked: GatewayRequest) -> Approved:
        for _ in ("the charge", "its reversal"):
            recover_all(deps)
        return gateway.approve(asked)

    gateway.script.append(sleep)
    body = process(client).get_json()

    assert body["success"] is False
    assert kept(gateway) == 0
    assert list(verify(deps)) == []
    assert "Idempotent-Replayed" not in process(client, "another").headers


def test_c1_reversal_that_is_declined_is_tried_again_under_another_key(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.extend([gateway.lose_answer, Declined("REFUND_REFUSED", "Not now"), LOST])
    payment_id = told_false(client)
    recover_all(deps)

    recover_all(deps)  # declined
    assert shown(client, payment_id)["status"] == "processing"
    expire_leases(deps)
    recover(deps)  # its answer is lost: the same key is looked up and sent again
    recover_all(deps)

    assert shown(client, payment_id)["status"] == "failed"
    asked = [each.gateway_key for each in gateway.sent if each.kind is Kind.REFUND]
    assert (len(asked), len(set(asked))) == (3, 2)
    assert [row["status"] for row in rows(deps, payment_refunds)] == ["FAILED", "REFUNDED"]
    assert kept(gateway) == 0
    assert list(verify(deps)) == []


def test_c1_other_amount_needs_a_person_and_its_approval_is_reversed(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    def approves_less(request: GatewayRequest) -> Unknown:
        gateway.approve(request)
        return LOST

    gateway.script.append(approves_less)
    payment_id = told_false(client)
    gateway.found.append(Approved(Decimal(60), "USD"))
    recover_all(deps)
    (key,) = rows(deps, idempotency_keys)
    assert key["review_reason"]

    expire_leases(deps)
    manual_resolution.decide(deps, key["operation_id"], approved=True, why="the bank says so", actor="ann")
    assert shown(client, payment_id)["status"] == "processing"
    recover_all(deps)

    assert shown(client, payment_id)["status"] == "failed"
    assert gateway.count(Kind.REFUND) == 1


def test_c1_reversal_is_the_only_operation_of_its_kind(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.lose_answer)
    told_false(client)
    recover_all(deps)
    recover_all(deps)
    recover_all(deps)

    found = {(row["purpose"], row["request_path"]) for row in rows(deps, idempotency_keys)}
    assert found == {
        (Purpose.TOLD_FALSE, "POST:/api/v1/payments/process"),
        (Purpose.REVERSAL, f"{reversals.PATH}1"),
    }
    assert gateway.count(Kind.REFUND) == 1
