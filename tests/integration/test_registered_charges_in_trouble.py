"""Registered charges with callers that ask once, with lost notes, or given up by people or callers."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service import clock
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.gateways.base import GatewayRequest, NotSent, Pending, Spent, Unknown
from payment_service.models import idempotency_keys, payments, transactions
from payment_service.repositories import keys
from payment_service.services import manual_resolution
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.bookers import Booker
from tests.support.database import expire_leases, recover_all, rows
from tests.support.paying_by_token import BACK, hold, key_row, pay, status
from tests.support.registering import RegisteringGateway, lost
from tests.support.waiting import wait_until


@pytest.fixture
def bank() -> RegisteringGateway:
    return RegisteringGateway()


@pytest.fixture
def app(make_app: MakeApp, bank: RegisteringGateway) -> Flask:
    return make_app(gateway=bank, keyless_answer_seconds=0.3)


def ask_once(client: FlaskClient, card: str = "tok_visa", **details: Any) -> Any:
    """Charge a checkout without a key."""
    return hold(client, None, card, capture=True, **details)


def test_lost_note_of_the_reference_advises_a_keyless_caller_no_repeat(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After "safe to repeat" the caller would make another payment beside the one that recovery completes."""

    def away(*_values: Any) -> bool:
        raise DatabaseUnavailable

    with monkeypatch.context() as patched:
        patched.setattr(keys, "note_reference", away)
        answer = ask_once(client, return_url=BACK)
    assert answer.status_code == 202
    recover_all(deps)
    assert len(bank.taken()) == 1
    assert list(verify(deps)) == []


def test_loss_of_the_database_advises_a_keyless_caller_no_repeat(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait reads the gateway's id of the charge: after "safe to repeat" its caller would make another payment."""

    def away(*_values: Any) -> None:
        raise DatabaseUnavailable

    bank.before_confirm.append(lost)
    with monkeypatch.context() as patched:
        patched.setattr(keys, "find", away)
        answer = ask_once(client)
    assert (answer.status_code, answer.json["success"]) == (202, False)
    recover_all(deps)
    assert (status(deps), bank.taken()) == ("FAILED", [])
    assert list(verify(deps)) == []


def test_refused_cancel_leaves_the_charge_undecided(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    """The failed cancel says nothing about the charge, which was sent."""
    bank.before_cancel.append(lambda _asked: NotSent("429"))
    assert ask_once(client, "tok_declined").json["status"] == "processing"
    assert status(deps) == "PROCESSING"
    recover_all(deps)
    (intent,) = bank.intents.values()
    assert (status(deps), intent.state) == ("FAILED", "cancelled")


def test_keyless_caller_gets_the_outcome_of_the_look_up(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    def lose_answer(asked: GatewayRequest) -> Unknown:
        bank.confirm(asked)
        return Unknown("the answer was lost")

    bank.before_confirm.append(lose_answer)
    answer = ask_once(client)
    assert (answer.status_code, answer.json["success"]) == (200, True)
    assert bank.moved == {}, "nothing was given back"
    assert status(deps) == "CAPTURED"


def test_charge_with_a_negative_answer_is_not_begun_later(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    bank.before_confirm.append(lost)
    assert ask_once(client).json["success"] is False
    recover_all(deps)
    (intent,) = bank.intents.values()
    assert (status(deps), intent.state, intent.confirms) == ("FAILED", "cancelled", [])


def test_hold_is_captured_under_the_next_key_after_a_replayed_failure(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = hold(client)
    original, seen = bank.send, []

    def spent_once(asked: GatewayRequest) -> Any:
        seen.append(asked.send_key)
        return Spent("500, replayed") if len(seen) == 1 else original(asked)

    monkeypatch.setattr(bank, "send", spent_once)
    body = {"transaction_id": held.json["transaction_id"]}
    assert client.post("/api/v1/payments/capture", json=body, headers={"Idempotency-Key": "c1"}).status_code == 202
    recover_all(deps)
    assert (status(deps), seen[1]) == ("CAPTURED", f"{seen[0]}/1")


def test_operator_declines_only_charges_that_the_gateway_has_cancelled(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    pay(client, card="tok_3ds", return_url=BACK)
    expire_leases(deps)
    operation = key_row(deps)["operation_id"]
    bank.before_cancel.append(lost)
    with pytest.raises(manual_resolution.TooEarly):
        manual_resolution.decide(deps, operation, approved=False, why="asked", actor="ops")
    assert status(deps) == "REQUIRES_ACTION"
    expire_leases(deps)
    manual_resolution.decide(deps, operation, approved=False, why="asked", actor="ops")
    assert (status(deps), bank.intents["pi_1"].state) == ("FAILED", "cancelled")


def test_charge_of_a_customer_who_has_acted_is_not_cancelled_while_the_bank_decides(
    make_app: MakeApp, bank: RegisteringGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(gateway=bank, gateway_action_ttl=5.0)
    deps, client = dependencies_of(app), app.test_client()
    pay(client, card="tok_3ds", return_url=BACK)
    told_at = clock.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(bank, "lookup", lambda asked: Pending(asked.reference))
        assert "next_action" not in pay(client, card="tok_3ds", return_url=BACK).json
        wait_until(lambda: clock.monotonic() > told_at + 5.0)
        recover_all(deps)
        recover_all(deps)
    assert (key_row(deps)["cancel_asked"], key_row(deps)["review_reason"]) == (None, None)
    assert [row for row in rows(deps, transactions) if row["version"] is None] == []
    bank.act("pi_1")
    recover_all(deps)
    assert status(deps) == "CAPTURED"


def test_cancellation_of_a_booking_answers_202_until_the_gateway_confirms_it(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    booker = Booker(client.application, "user-1")
    number = booker.made()
    assert booker.process(number, json={"payment_token": "tok_3ds", "return_url": BACK}).status_code == 202
    assert booker.patch(number, "cancel-1", status="cancelled").status_code == 202
    bank.act("pi_1")  # the customer was faster
    recover(deps)
    assert booker.status(number) == "completed"
    again: Any = booker.patch(number, "cancel-1", status="cancelled")
    assert again.json["payment"]["status"] == "completed"


def test_token_of_a_refused_request_is_not_stored(client: FlaskClient, deps: Dependencies) -> None:
    booker = Booker(client.application, "user-1")
    number = booker.made()
    booker.patch(number, status="cancelled")
    assert booker.process(number, "p1", json={"payment_token": "tok_visa"}).status_code == 400
    assert [row["terms"] for row in rows(deps, idempotency_keys) if row["terms"]] == []


def test_free_trip_needs_no_token(client: FlaskClient, deps: Dependencies, bank: RegisteringGateway) -> None:
    assert pay(client, card=None, amount=0).json["status"] == "SUCCESS"
    assert bank.intents == {}
    assert rows(deps, payments)[0]["status"] == "CAPTURED"
