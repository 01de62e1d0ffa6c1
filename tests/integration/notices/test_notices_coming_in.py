"""Webhooks: the service stores a signed notice once, and no other request leaves a trace."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.domain.errors import DatabaseUnavailable
from payment_service.models import gateway_notices, timers
from payment_service.repositories import notices as repository
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.callers import at_once
from tests.support.database import count, rows
from tests.support.notifying import (
    HOOK,
    NotifyingGateway,
    deliver,
    event_about,
    leave_pending,
    snapshot,
)

FORGED: dict[str, Any] = {
    "another secret": {"secrets": ["whsec_somebody"]},
    "no secret": {"secrets": []},
    "old": {"age": 301.0},
    "future": {"age": -302.0},
}


def test_8_equal_notices_at_once_are_stored_once_and_all_answered_200(app: Flask, deps: Dependencies) -> None:
    event = event_about("unknown-here")
    answers = at_once(app, 8, lambda client, _: deliver(client, event))
    assert [(answer.status_code, answer.json) for answer in answers] == [(200, {"received": True})] * 8
    (notice,) = rows(deps, gateway_notices)
    assert (notice["event_id"], notice["gateway"], notice["content"]) == (event["id"], "remote", None)
    assert deliver(app.test_client(), event).status_code == 200
    assert count(deps, gateway_notices) == 1


@pytest.mark.parametrize("how", FORGED)
def test_forged_notice_answers_400_and_stores_nothing(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, how: str
) -> None:
    gateway_key = leave_pending(client, bank, deps)
    before = snapshot(deps), rows(deps, timers)
    answer = deliver(client, event_about(gateway_key), **FORGED[how])
    assert (answer.status_code, answer.get_json()["code"]) == (400, "notice_not_genuine")
    assert (count(deps, gateway_notices), (snapshot(deps), rows(deps, timers))) == (0, before)


def test_notice_of_the_other_mode_or_without_a_valid_signature_answers_400(
    client: FlaskClient, deps: Dependencies
) -> None:
    other = deliver(client, event_about("a", livemode=True))
    unsigned = client.post(HOOK, json=event_about("a"))
    body = json.dumps(event_about("a")).encode()
    tampered = client.post(HOOK, data=body + b" ", headers={"Stripe-Signature": "t=1,v1=ab"})
    assert [answer.status_code for answer in (other, unsigned, tampered)] == [400, 400, 400]
    assert count(deps, gateway_notices) == 0


@pytest.mark.parametrize(
    "secrets", [["whsec_old"], ["whsec_new"], ["whsec_old", "whsec_new"], ["whsec_other", "whsec_new"]], ids="+".join
)
def test_notice_signed_with_either_of_two_secrets_is_accepted(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway, secrets: list[str]
) -> None:
    bank.secrets = ["whsec_new", "whsec_old"]
    assert deliver(client, event_about("a"), secrets=secrets).status_code == 200
    assert count(deps, gateway_notices) == 1


def test_forged_and_stored_notices_are_counted(client: FlaskClient) -> None:
    def counted(outcome: str) -> float:
        text = client.get("/metrics").text
        line = f'gateway_notices_total{{gateway="remote",outcome="{outcome}"}}'
        return next((float(each.rpartition(" ")[2]) for each in text.splitlines() if each.startswith(line)), 0.0)

    before = {outcome: counted(outcome) for outcome in ("stored", "duplicate", "forged")}
    event = event_about("a")
    deliver(client, event)
    deliver(client, event)
    deliver(client, event, secrets=["whsec_somebody"])
    assert {outcome: counted(outcome) - before[outcome] for outcome in before} == dict.fromkeys(before, 1.0)


@pytest.mark.parametrize("path", ["/webhooks/nobody", "/webhooks/remote/live", "/webhooks/", "/v1/webhooks/remote"])
def test_notice_for_an_unknown_gateway_answers_404(client: FlaskClient, path: str) -> None:
    assert deliver(client, event_about("a"), path=path).status_code == 404


def test_notice_for_a_gateway_without_notices_answers_404(make_app: MakeApp) -> None:
    assert deliver(make_app().test_client(), event_about("a")).status_code == 404


def test_notice_without_a_database_answers_503(
    client: FlaskClient, deps: Dependencies, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise DatabaseUnavailable

    event = event_about("a")
    with monkeypatch.context() as patch:
        patch.setattr(repository, "store", away)
        assert deliver(client, event).status_code == 503
    assert deliver(client, event).status_code == 200
    assert count(deps, gateway_notices) == 1


def test_notice_above_256_kilobytes_is_refused(client: FlaskClient, deps: Dependencies) -> None:
    event = event_about("a")
    room = 256 * 1024 - len(json.dumps(event | {"filling": ""}))
    largest = json.dumps(event | {"filling": "x" * room}).encode()
    assert len(largest) == 256 * 1024
    refused = deliver(client, largest + b" ")
    assert (refused.status_code, refused.get_json()["code"]) == (413, "body_too_large")
    assert "256 kB" in refused.get_json()["error"]
    assert deliver(client, largest).status_code == 200
    assert count(deps, gateway_notices) == 1
    assert client.post("/payments", data=largest, content_type="application/json").status_code == 413


def test_content_of_a_notice_is_stored_only_without_a_look_up(
    client: FlaskClient, deps: Dependencies, bank: NotifyingGateway
) -> None:
    bank.capabilities = replace(bank.capabilities, found_by_notice=True)
    event = event_about("a")
    deliver(client, event)
    (notice,) = rows(deps, gateway_notices)
    assert json.loads(notice["content"]) == event
