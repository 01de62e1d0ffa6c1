"""Charges at a gateway that registers an object first: the guarantee of each rule of the protocol."""

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.gateways.base import Contradiction, GatewayRequest, SendResult, Spent, Unknown
from payment_service.models import payments
from payment_service.services import manual_resolution
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp
from tests.support.database import expire_leases, recover_all, rows
from tests.support.paying_by_token import ask_to_cancel, hold, key_row, pay, status
from tests.support.registering import RegisteringGateway, lost


@pytest.fixture
def bank() -> RegisteringGateway:
    return RegisteringGateway()


@pytest.fixture
def app(make_app: MakeApp, bank: RegisteringGateway) -> Flask:
    return make_app(gateway=bank)


def test_charge_is_registered_then_confirmed_and_its_reference_kept(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    answer = pay(client)
    assert (answer.status_code, answer.json["status"]) == (200, "SUCCESS")
    (intent,) = bank.intents.values()
    assert (intent.state, intent.confirms) == ("taken", [intent.request.gateway_key])
    assert key_row(deps)["gateway_reference"] == rows(deps, payments)[0]["charge_reference"] == intent.reference
    assert list(verify(deps)) == []


def test_missing_token_is_refused_and_the_key_stays_free(client: FlaskClient, bank: RegisteringGateway) -> None:
    refused = pay(client, card=None)
    assert (refused.status_code, refused.json["code"]) == (400, "payment_token_required")
    assert bank.intents == {}
    assert pay(client).json["status"] == "SUCCESS"


def test_token_in_a_header_is_accepted_and_not_part_of_the_fingerprint(
    client: FlaskClient, bank: RegisteringGateway
) -> None:
    body = {"idempotency_key": "k1", "trip_id": 101, "method": "CARD", "amount": 150.0}
    first = client.post("/payments", json=body, headers={"Payment-Token": "tok_visa"})
    again = client.post("/payments", json=body | {"payment_token": "tok_other"})
    assert first.data == again.data
    assert [intent.request.terms.token for intent in bank.intents.values()] == ["tok_visa"]


def test_token_is_deleted_when_the_charge_is_decided(client: FlaskClient, deps: Dependencies) -> None:
    pay(client)
    assert (key_row(deps)["terms"], key_row(deps)["action"]) == (None, None)


def test_lost_answer_is_found_by_the_reference_and_registers_nothing_again(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    def lose_answer(asked: GatewayRequest) -> SendResult:
        bank.confirm(asked)
        return Unknown("the answer was lost")

    bank.before_confirm.append(lose_answer)
    assert pay(client).status_code == 202
    recover_all(deps)
    assert status(deps) == "CAPTURED"
    assert len(bank.intents) == len(bank.taken()) == 1


def test_lost_confirmation_is_sent_again_for_the_same_object(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    bank.before_confirm.append(lost)
    assert pay(client).status_code == 202
    recover_all(deps)
    assert (status(deps), len(bank.intents), len(bank.taken())) == ("CAPTURED", 1, 1)


@pytest.mark.parametrize("is_finished", [True, False])
def test_owner_without_its_fence_confirms_nothing(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway, is_finished: bool
) -> None:
    """Rule: the commit of the object's id is fenced. An overtaken owner answers with the other owner's outcome."""

    def overtaken(_asked: GatewayRequest) -> None:
        expire_leases(deps)
        if not is_finished:
            bank.before_confirm.append(lost)
        recover(deps)  # registers an object of its own, and confirms it

    bank.before_register.append(overtaken)
    answer = pay(client)
    assert answer.status_code == (200 if is_finished else 409)
    assert len(bank.intents) == 2
    assert len(bank.taken()) == int(is_finished)
    recover_all(deps)
    assert pay(client).json["status"] == "SUCCESS"
    assert len(bank.taken()) == 1
    assert list(verify(deps)) == []


def test_two_owners_of_one_object_charge_once(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    def asleep(asked: GatewayRequest) -> SendResult | None:
        expire_leases(deps)
        recover(deps)
        return bank.confirm(asked)

    bank.before_confirm.append(asleep)
    assert pay(client).status_code == 200
    assert len(bank.taken()) == len(bank.intents) == 1
    assert status(deps) == "CAPTURED"


def test_refused_charge_is_cancelled_before_its_answer(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    """Rules 1 and 2: the mark is committed first, and a cancel has a key of its own."""
    seen: list[str | None] = []
    bank.before_cancel.append(lambda _asked: seen.append(key_row(deps)["cancel_asked"]))
    answer = pay(client, card="tok_declined")
    assert (answer.json["status"], answer.json["failure_code"]) == ("FAILED", "CARD_DECLINED")
    (intent,) = bank.intents.values()
    assert (intent.state, seen) == ("cancelled", ["refused"])
    assert not set(intent.cancels) & set(intent.confirms)


def test_refused_charge_is_pending_until_its_cancel_is_confirmed(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    """Rule 4: a refusal that its gateway may revise is no decline."""
    bank.before_cancel.append(lost)
    assert pay(client, card="tok_declined").status_code == 202
    assert status(deps) == "PROCESSING"
    recover_all(deps)
    assert status(deps) == "FAILED"
    (intent,) = bank.intents.values()
    assert (intent.state, intent.cancels) == ("cancelled", [f"{intent.request.gateway_key}/x2"])


def test_charge_that_succeeded_before_its_cancel_is_answered_as_a_success(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    bank.before_cancel.append(lost)
    pay(client, card="tok_declined")
    (intent,) = bank.intents.values()
    bank.act(intent.reference)  # a holder of its secret has confirmed it once more
    recover_all(deps)
    assert status(deps) == "CAPTURED"
    assert list(verify(deps)) == []


def test_hold_approved_during_its_cancel_is_not_answered_as_held(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    def marked_meanwhile(asked: GatewayRequest) -> SendResult:
        ask_to_cancel(deps)
        return bank.confirm(asked)

    bank.before_confirm.append(marked_meanwhile)
    assert hold(client).status_code == 202
    assert status(deps) == "PROCESSING"
    recover_all(deps)
    assert status(deps) == "CANCELLED"


def test_next_send_key_is_used_only_after_a_replayed_failure(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    """Rule 3: fresh keys for each confirmation charge twice once a row was lost."""
    bank.before_confirm.append(lambda _asked: Unknown("500"))
    pay(client)
    bank.before_confirm.append(lambda _asked: Spent("500, replayed"))
    recover_all(deps)
    assert (status(deps), key_row(deps)["resend"]) == ("PROCESSING", 1)
    recover_all(deps)
    (intent,) = bank.intents.values()
    assert intent.confirms == [f"{intent.request.gateway_key}/1"]
    assert status(deps) == "CAPTURED"


def test_contradiction_needs_a_person(client: FlaskClient, deps: Dependencies, bank: RegisteringGateway) -> None:
    """Rule 3: a key that the gateway knows with other parameters means a lost row."""
    bank.before_confirm.append(lambda _asked: Contradiction("the key was used with other parameters"))
    assert pay(client).status_code == 202
    assert "other parameters" in str(key_row(deps)["review_reason"])


def test_operator_declines_only_when_no_request_is_under_way(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    """Rule 5."""
    bank.before_confirm.append(lost)
    pay(client)
    with pytest.raises(manual_resolution.TooEarly):
        manual_resolution.decide(deps, key_row(deps)["operation_id"], approved=False, why="asked", actor="ops")


def test_answer_shows_the_payment_intent_of_the_gateway(client: FlaskClient) -> None:
    held = hold(client)
    assert (held.status_code, held.json["payment_intent_id"]) == (200, "pi_1")


def test_refund_names_its_charge_by_the_gateways_reference(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    number = pay(client).json["payment_id"]
    back: Any = client.post(f"/payments/{number}/refunds", json={"idempotency_key": "r1", "amount": 50.0})
    assert back.json["status"] == "REFUNDED"
    (moved,) = bank.moved.values()
    assert (moved.parent_reference, moved.reference) == ("pi_1", None)


def test_payment_of_a_gateway_that_is_not_configured_is_not_refunded_elsewhere(
    make_app: MakeApp, client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    number = pay(client).json["payment_id"]
    with deps.database.atomic("test") as connection:
        connection.execute(payments.update().values(gateway="elsewhere/live"))
    refused: Any = client.post(f"/payments/{number}/refunds", json={"idempotency_key": "r1", "amount": 50.0})
    assert (refused.status_code, refused.json["code"]) == (503, "gateway_unavailable")
    assert bank.moved == {}


def test_repeats_at_once_register_and_charge_once(
    client: FlaskClient, deps: Dependencies, bank: RegisteringGateway
) -> None:
    app, answers = client.application, []
    threads = [threading.Thread(target=lambda: answers.append(pay(app.test_client()).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(answers) <= {200, 409}
    assert len(bank.intents) == len(bank.taken()) == 1
    assert list(verify(deps)) == []
