"""Lessons of other services about notices, races and refusals; numbered as in docs/reference/gateway-lessons.md."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.cli.loops import handle_all_notices
from payment_service.domain.errors import DatabaseUnavailable
from payment_service.gateways.base import GatewayRequest, GatewayResult
from payment_service.models import gateway_notices, idempotency_keys, payments, transactions
from payment_service.services import notices
from payment_service.services.dependencies import Dependencies
from payment_service.services.later import look_again
from payment_service.services.recovery import recover
from payment_service.services.verification import verify
from tests.conftest import MakeApp
from tests.support import checkouts
from tests.support.callers import pay_trip
from tests.support.database import expire_leases, recover_all, rows
from tests.support.notifying import (
    NotifyingGateway,
    decide_at_the_bank,
    deliver,
    event_about,
    leave_pending,
    let_notices_age,
    pay,
    snapshot,
    status,
)
from tests.support.paying_by_token import hold
from tests.support.waiting import at_once


@pytest.fixture
def app(make_app: MakeApp, bank: NotifyingGateway) -> Flask:
    """Return a service whose repeats of a running request get 409 at once."""
    return make_app(gateway=bank, idempotency_wait=0.0)


def moves(deps: Dependencies) -> list[str]:
    return [row["move"] for row in rows(deps, transactions) if row["version"]]


def during_the_look_up(
    monkeypatch: pytest.MonkeyPatch, bank: NotifyingGateway, happens: Callable[[], object]
) -> list[object]:
    """Let something happen once during a look-up; return its results."""
    lookup, found = bank.lookup, list[object]()

    def slow(asked: GatewayRequest) -> GatewayResult:
        monkeypatch.setattr(bank, "lookup", lookup)
        found.append(happens())
        return lookup(asked)

    monkeypatch.setattr(bank, "lookup", slow)
    return found


def test_lesson_2_three_notices_and_polls_at_once_settle_once(
    app: Flask, client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    decide_at_the_bank(bank, gateway_key)
    types = ("payment_intent.succeeded", "payment_intent.processing", "payment_intent.requires_action")

    def work() -> None:
        with suppress(DatabaseUnavailable):  # a queue longer than the lock's time-out: the worker comes again
            handle_all_notices(deps, lambda: False)
            recover(deps)

    def repeat() -> None:
        pay_trip(app.test_client(), idempotency_key="k1", payment_token="tok_visa")

    told = [partial(deliver, app.test_client(), event_about(gateway_key, type_)) for type_ in types]
    at_once([*told, work, work, repeat])
    recover_all(deps)

    assert (moves(deps), len(bank.taken())) == (["charge", "charged"], 1)
    assert list(verify(deps)) == []


def test_lesson_3_state_is_judged_after_the_slow_look_up_and_under_the_lock(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the worker handles a notice about an old refusal, another process finds and commits the same change."""
    assert pay(client, "tok_declined")["status"] == "FAILED"
    late = rows(deps, idempotency_keys)[-1]["gateway_key"]
    decide_at_the_bank(bank, late)
    happened = during_the_look_up(monkeypatch, bank, lambda: look_again(deps, deps.gateways.default, gateway_key=late))
    seen = look_again(deps, deps.gateways.default, gateway_key=late)

    assert ([str(each) for each in happened], str(seen)) == (["revised"], "unchanged")
    assert moves(deps).count("charged_late") == 1


def test_lesson_4_return_of_the_customer_and_webhook_finish_one_payment_once(
    app: Flask, client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    decide_at_the_bank(bank, gateway_key)
    other = app.test_client()

    def customer_comes_back() -> tuple[int, str]:
        answer = pay_trip(other, idempotency_key="k1", payment_token="tok_visa")
        return answer.status_code, answer.get_json()["code"]

    happened = during_the_look_up(monkeypatch, bank, customer_comes_back)
    assert deliver(client, event_about(gateway_key)).status_code == 200
    assert dict(recover(deps)) == {"finished": 1}

    assert happened == [(409, "idempotency_key_in_use")], "the webhook's worker is at it; a repeat may come again"
    assert pay(client)["status"] == "SUCCESS"
    assert moves(deps) == ["charge", "charged"]


def test_lesson_5_capture_and_its_webhook_take_a_hold_once_and_the_payment_stays_listed(
    app: Flask, client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    transaction = hold(client).get_json()["transaction_id"]
    captured = checkouts.post(client, "capture", "c1", transaction_id=transaction)
    assert captured.status_code == 200, captured.text
    of_capture = rows(deps, idempotency_keys)[-1]["gateway_key"]
    for type_ in ("payment_intent.succeeded", "payment_intent.amount_capturable_updated"):
        deliver(app.test_client(), event_about(of_capture, type_))
    notices.handle_due(deps)
    recover_all(deps)

    again = checkouts.post(client, "capture", "c2", transaction_id=transaction)
    assert again.status_code == 400, "a hold is captured once"
    assert moves(deps) == ["authorize", "authorized", "capture", "captured"]
    assert len(bank.moved) == 1
    assert checkouts.shown(client, transaction)["status"] == "captured"


@pytest.mark.parametrize("type_", ["payment_intent.of_next_year", "charge.captured"])
def test_lesson_7_notice_of_an_unknown_type_wakes_what_its_object_belongs_to(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, type_: str
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    decide_at_the_bank(bank, gateway_key)
    assert deliver(client, event_about(gateway_key, type_)).status_code == 200
    assert dict(recover(deps)) == {"finished": 1}
    assert status(deps) == "CAPTURED"


def test_lesson_11_notice_that_cannot_be_handled_delays_no_other(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(client)
    key = rows(deps, idempotency_keys)[0]["gateway_key"]

    def fails_for_one(*values: Any, gateway_key: str | None = None, **more: Any) -> Any:
        if gateway_key == "of-nobody":
            raise RuntimeError("a fault of the handler")
        return look_again(*values, gateway_key=gateway_key, **more)

    monkeypatch.setattr(notices, "look_again", fails_for_one)
    told = [deliver(client, event_about(each, "payment_intent.canceled")) for each in ("of-nobody", key)]
    assert [answer.status_code for answer in told] == [200, 200]
    assert dict(notices.handle_due(deps)) == {"again": 1, "revised": 1}
    assert [row["due_at"] is None for row in rows(deps, gateway_notices)] == [False, True]


def test_lesson_12_webhook_signature_is_checked_over_the_received_bytes(
    client: FlaskClient, deps: Dependencies
) -> None:
    sent = json.dumps(event_about("ours"), indent=2, sort_keys=True).replace("evt_", "\\u0065vt_").encode()
    assert deliver(client, sent).status_code == 200
    assert [row["event_id"][:4] for row in rows(deps, gateway_notices)] == ["evt_"]


@pytest.mark.parametrize("state", ["acts", "registered", "refused"])
def test_lesson_13_look_up_with_an_older_state_overwrites_nothing(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, state: str
) -> None:
    """The gateway shows a finished charge as one that waits: only the lifecycle table says what may follow."""
    pay(client)
    key = rows(deps, idempotency_keys)[0]["gateway_key"]
    settled = snapshot(deps)
    (intent,) = bank.intents.values()
    intent.state = state
    deliver(client, event_about(key, "payment_intent.requires_action"))
    handled = []
    for _ in range(3):
        handled.append(dict(notices.handle_due(deps)))
        let_notices_age(deps, timedelta(hours=1))
    expire_leases(deps)
    recover(deps)
    assert handled == [{"again": 1}] * 3
    assert snapshot(deps)[0] == settled[0]
    assert [row["status"] for row in rows(deps, payments)] == ["CAPTURED"]
