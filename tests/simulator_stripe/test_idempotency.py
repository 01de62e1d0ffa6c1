"""Idempotency keys work as documented: which answers are kept, and that a kill keeps effect and answer together."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.simulator_stripe.test_intents import refused
from tests.support.stripe_bank import NO_REDIRECTS, StripeBank, new_key, stripe_bank

ORDINARY = {"amount": 15_000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True,
            "automatic_payment_methods": NO_REDIRECTS}  # fmt: skip


def under(key: str) -> dict[str, Any]:
    return {"idempotency_key": key}


def test_repeat_gets_the_first_answer(bank: StripeBank) -> None:
    key = new_key()
    first = bank.intents.create(ORDINARY, under(key))
    again = bank.intents.create(ORDINARY, under(key))
    assert again.to_dict() == first.to_dict()
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.headers["Request-Id"]
    assert again.last_response.headers["Request-Id"] != first.last_response.headers["Request-Id"]


def test_key_with_other_parameters_or_another_path_answers_400(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.intents.create(ORDINARY, under(key))
    errors = [
        refused(bank.intents.create, ORDINARY | {"amount": 15_001}, under(key)),
        refused(bank.intents.create, ORDINARY | {"description": "new"}, under(key)),
        refused(bank.intents.confirm, intent.id, {}, under(key)),
    ]
    assert [(type(error), error.http_status) for error in errors] == [(stripe.IdempotencyError, 400)] * 3


def test_repeat_shows_the_state_of_the_first_answer(bank: StripeBank) -> None:
    key = new_key()
    hold = bank.intents.create(ORDINARY | {"capture_method": "manual"}, under(key))
    bank.intents.capture(hold.id)
    assert bank.intents.create(ORDINARY | {"capture_method": "manual"}, under(key)).status == "requires_capture"


def test_repeat_of_a_decline_or_a_refusal_by_state_is_replayed(bank: StripeBank) -> None:
    key = new_key()
    declined = ORDINARY | {"payment_method": "pm_card_chargeDeclined"}
    first, again = (refused(bank.intents.create, declined, under(key)) for _ in range(2))
    assert (first.http_status, again.http_status) == (402, 402)
    assert again.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    hold, late = bank.held(), new_key()
    bank.intents.cancel(hold.id)
    errors = [refused(bank.intents.capture, hold.id, {}, under(late)) for _ in range(2)]
    assert ["Idempotent-Replayed" in (error.headers or {}) for error in errors] == [False, True]


def test_invalid_request_leaves_the_key_free(bank: StripeBank) -> None:
    key = new_key()
    wrong = ({"colour": "red"}, {"amount": "much"}, {"capture_method": "later"})
    errors = [refused(bank.intents.create, ORDINARY | each, under(key)) for each in wrong]
    assert [error.http_status for error in errors] == [400, 400, 400]
    nobody = StripeBank(bank.simulator, key="sk_live_x")
    assert refused(nobody.intents.create, ORDINARY, under(key)).http_status == 401
    assert bank.intents.create(ORDINARY, under(key)).status == "succeeded"


def test_key_in_use_answers_409(bank: StripeBank) -> None:
    key = new_key()
    bank.simulator.arm("slow", ms=2500, times=1)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(bank.intents.create, ORDINARY, under(key))
        bank.simulator.wait_until_struck()
        error = refused(bank.intents.create, ORDINARY, under(key))
        assert (error.http_status, error.error and error.error.code) == (409, "idempotency_key_in_use")
        assert slow.result(30).status == "succeeded"
    assert bank.intents.create(ORDINARY, under(key)).id == slow.result().id


def test_sends_at_once_with_one_key_charge_once(bank: StripeBank) -> None:
    key = new_key()

    def send(_: int) -> str:
        try:
            return str(bank.intents.create(ORDINARY | {"metadata": {"gateway_key": key}}, under(key)).id)
        except stripe.APIError as error:
            return "busy" if error.http_status == 409 else str(error)

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(send, range(32))) - {"busy"}
    assert len(answers) == 1
    assert len(bank.moved(key)) == 1


def test_forgotten_key_is_a_new_request(bank: StripeBank) -> None:
    key = new_key()
    first = bank.intents.create(ORDINARY, under(key))
    assert bank.admin("forget", idempotency_key=key) == {"forgotten": 1}
    assert bank.intents.create(ORDINARY, under(key)).id != first.id


def test_answer_500_after_the_effect_is_replayed_and_a_look_up_shows_the_effect(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.made(key=key)
    bank.simulator.arm("error_after_effect", gateway_key=key, times=1)
    errors = [refused(bank.intents.confirm, intent.id, {}, under(key)) for _ in range(2)]
    assert [error.http_status for error in errors] == [500, 500]
    assert bank.intents.retrieve(intent.id).status == "succeeded"
    assert len(bank.moved(key)) == 1


def test_answer_500_before_the_effect_is_replayed_and_the_next_key_charges(bank: StripeBank) -> None:
    key = new_key()
    intent = bank.made(key=key)
    bank.simulator.arm("error_before_effect", gateway_key=key, times=1)
    errors = [refused(bank.intents.confirm, intent.id, {}, under(key)) for _ in range(2)]
    assert [error.http_status for error in errors] == [500, 500]
    assert [(error.headers or {}).get("Idempotent-Replayed") for error in errors] == [None, "true"]
    assert bank.intents.retrieve(intent.id).status == "requires_confirmation"
    assert bank.intents.confirm(intent.id, {}, under(f"{key}/2")).status == "succeeded"


@pytest.mark.parametrize("status", [429, 503])
def test_request_that_never_reached_the_endpoint_is_not_stored(bank: StripeBank, status: int) -> None:
    key = new_key()
    intent = bank.made(key=key)
    bank.simulator.arm("error_before_effect", gateway_key=key, times=1, status=status)
    assert refused(bank.intents.confirm, intent.id, {}, under(key)).http_status == status
    assert bank.intents.confirm(intent.id, {}, under(key)).status == "succeeded"


def test_bank_without_keys_stores_no_answers(tmp_path: Path) -> None:
    with stripe_bank(tmp_path, not_idempotent=True) as bank:
        key = new_key()
        assert bank.intents.create(ORDINARY, under(key)).id != bank.intents.create(ORDINARY, under(key)).id


@pytest.mark.parametrize("pause", [0.0, 0.001, 0.003, 0.006])
def test_kill_keeps_effect_and_answer_together_or_neither(tmp_path: Path, pause: float) -> None:
    with stripe_bank(tmp_path) as bank, ThreadPoolExecutor(1) as pool:
        keys = [new_key() for _ in range(25)]
        intents = {key: bank.made(key=key) for key in keys}

        def confirm_all() -> None:
            for key in keys:
                try:
                    bank.intents.confirm(intents[key].id, {}, under(key))
                except stripe.APIConnectionError:
                    return

        walk = pool.submit(confirm_all)
        while not any(bank.simulator.count().values()):
            time.sleep(0.001)
        time.sleep(pause)
        bank.simulator.kill()
        walk.result(20)
        bank.simulator.start()

        before = {key: len(bank.moved(key)) for key in keys}
        answers = {key: bank.intents.confirm(intents[key].id, {}, under(key)) for key in keys}
        replayed = {key: answer.last_response.headers.get("Idempotent-Replayed") for key, answer in answers.items()}
        assert {answer.status for answer in answers.values()} == {"succeeded"}
        assert replayed == {key: "true" if before[key] else None for key in keys}
        assert {key: len(bank.moved(key)) for key in keys} == dict.fromkeys(keys, 1)
