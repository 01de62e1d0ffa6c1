"""The simulator's own rules: the requests that it always refuses, and faults only where a test orders them."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest
from payment_service.gateways.protocol import encode
from payment_service.gateways.simulated import SuccessRates
from simulator import create_simulator
from tests.support.instructions import instruct


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[FlaskClient]:
    app = create_simulator(tmp_path / "gateway.sqlite", rates=SuccessRates())
    yield app.test_client()
    app.extensions["ledger"].close()


def post(bank: FlaskClient, instruction: GatewayRequest) -> TestResponse:
    return bank.post("/operations", json=encode(instruction))


def said(response: TestResponse) -> tuple[int, Any]:
    body = response.get_json()
    return response.status_code, body.get("code", body["status"])


def opened(bank: FlaskClient, kind: Kind, amount: str = "100.00", **changes: Any) -> GatewayRequest:
    parent = instruct(kind, amount, **changes)
    assert said(post(bank, parent)) == (200, "approved")
    return parent


def under(bank: FlaskClient, parent: GatewayRequest, kind: Kind, amount: str, currency: str = "USD") -> tuple[int, Any]:
    return said(post(bank, instruct(kind, amount, currency=currency, parent_key=parent.gateway_key)))


def effects(bank: FlaskClient) -> list[tuple[str, str]]:
    body = bank.get("/effects?limit=500").get_json()
    return [(row["kind"], row["amount"]) for row in body["effects"]]


def test_refund_above_the_captured_amount_is_declined(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    assert under(bank, charge, Kind.REFUND, "60.00") == (200, "approved")
    assert under(bank, charge, Kind.REFUND, "40.01") == (402, "EXCEEDS_CAPTURED")
    assert under(bank, charge, Kind.REFUND, "40.00") == (200, "approved")
    assert under(bank, charge, Kind.REFUND, "0.01") == (402, "EXCEEDS_CAPTURED")
    assert effects(bank) == [("charge", "100.00"), ("refund", "60.00"), ("refund", "40.00")]


def test_capture_above_the_hold_and_refund_before_it_are_declined(bank: FlaskClient) -> None:
    hold = opened(bank, Kind.AUTHORIZE)
    assert under(bank, hold, Kind.REFUND, "1.00") == (402, "EXCEEDS_CAPTURED")
    assert under(bank, hold, Kind.CAPTURE, "70.00") == (200, "approved")
    assert under(bank, hold, Kind.CAPTURE, "30.01") == (402, "EXCEEDS_AUTHORIZED")
    assert under(bank, hold, Kind.REFUND, "70.01") == (402, "EXCEEDS_CAPTURED")
    assert under(bank, hold, Kind.REFUND, "70.00") == (200, "approved")
    assert under(bank, hold, Kind.VOID, "100.00") == (402, "ALREADY_CAPTURED")


def test_capture_of_a_released_hold_is_declined(bank: FlaskClient) -> None:
    hold = opened(bank, Kind.AUTHORIZE)
    assert under(bank, hold, Kind.VOID, "100.00") == (200, "approved")
    assert under(bank, hold, Kind.CAPTURE, "1.00") == (402, "ALREADY_VOIDED")
    assert under(bank, hold, Kind.VOID, "100.00") == (402, "ALREADY_VOIDED")


def test_capture_or_void_of_a_charge_is_declined(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    assert under(bank, charge, Kind.CAPTURE, "100.00") == (402, "PARENT_UNKNOWN")
    assert under(bank, charge, Kind.VOID, "100.00") == (402, "PARENT_UNKNOWN")


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.VOID, Kind.REFUND])
def test_later_operation_needs_an_approved_parent(bank: FlaskClient, kind: Kind) -> None:
    declined = instruct(Kind.AUTHORIZE, "402.01")
    assert said(post(bank, declined)) == (402, "INSUFFICIENT_FUNDS")
    assert under(bank, declined, kind, "1.00") == (402, "PARENT_UNKNOWN")
    assert under(bank, instruct(), kind, "1.00") == (402, "PARENT_UNKNOWN")
    assert said(post(bank, instruct(kind, "1.00"))) == (402, "PARENT_UNKNOWN")
    assert effects(bank) == []


def test_refund_in_another_currency_is_declined(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    assert under(bank, charge, Kind.REFUND, "1.00", "EUR") == (402, "CURRENCY_MISMATCH")


def test_pending_refund_reserves_its_amount(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    bank.post("/faults", json={"fault": "pending", "times": 1})
    assert under(bank, charge, Kind.REFUND, "60.00") == (202, "pending")
    assert under(bank, charge, Kind.REFUND, "60.00") == (402, "EXCEEDS_CAPTURED")
    assert under(bank, charge, Kind.REFUND, "40.00") == (200, "approved")


def test_pending_refund_that_fails_releases_its_amount(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    bank.post("/faults", json={"fault": "pending", "times": 1, "code": "CARD_DECLINED"})
    refund = instruct(Kind.REFUND, "60.00", parent_key=charge.gateway_key)
    assert said(post(bank, refund)) == (202, "pending")
    assert said(bank.get(f"/operations/{refund.gateway_key}")) == (200, "CARD_DECLINED")
    assert under(bank, charge, Kind.REFUND, "100.00") == (200, "approved")


def test_second_send_is_answered_and_a_changed_one_answers_409(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    assert said(post(bank, replace(charge, amount=Decimal(100)))) == (200, "approved")
    changed = [
        replace(charge, amount=Decimal("100.01")),
        replace(charge, currency="EUR"),
        replace(charge, kind=Kind.AUTHORIZE),
        replace(charge, parent_key="v1-0"),
    ]
    assert [said(post(bank, each)) for each in changed] == [(409, "KEY_CONFLICT")] * 4
    assert effects(bank) == [("charge", "100.00")]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 100},
        {"amount": "1e2"},
        {"amount": "-1"},
        {"amount": "1" * 13},
        {"currency": "usd"},
        {"kind": "gift"},
        {"kind": ["charge"]},
        {"gateway_key": ""},
        {"gateway_key": None},
        {"method": 1},
        {"parent_key": 1},
    ],
)
def test_unreadable_request_has_no_effect(bank: FlaskClient, change: dict[str, Any]) -> None:
    response = bank.post("/operations", json=encode(instruct()) | change)
    assert said(response) == (400, "BAD_INSTRUCTION")
    assert bank.post("/operations", data="{").status_code == 400
    assert effects(bank) == []


def test_fault_hits_its_target_and_the_narrowest_comes_first(bank: FlaskClient) -> None:
    chosen = instruct(Kind.AUTHORIZE)
    faults = [
        {"fault": "decline", "code": "FOR_ALL", "times": 1},
        {"fault": "decline", "code": "FOR_HOLDS", "kind": "authorize", "times": 1},
        {"fault": "decline", "code": "FOR_150", "asked": "150.00", "times": 1},
        {"fault": "decline", "code": "FOR_151", "asked": "151", "times": 1},
        {"fault": "decline", "code": "FOR_ONE", "gateway_key": chosen.gateway_key, "times": 1},
    ]
    assert [bank.post("/faults", json=fault).status_code for fault in faults] == [201] * 5
    assert said(post(bank, chosen)) == (402, "FOR_ONE")
    left = ["FOR_ALL", "FOR_HOLDS", "FOR_150", "FOR_151"]
    assert [fault["code"] for fault in bank.get("/faults").get_json()] == left
    assert said(post(bank, instruct(Kind.AUTHORIZE))) == (402, "FOR_150")
    assert said(post(bank, instruct(Kind.AUTHORIZE))) == (402, "FOR_HOLDS")
    assert said(post(bank, instruct(Kind.AUTHORIZE))) == (402, "FOR_ALL")
    assert said(post(bank, instruct(Kind.AUTHORIZE))) == (200, "approved")
    assert said(post(bank, instruct(Kind.AUTHORIZE, "151.00"))) == (402, "FOR_151")


def test_fault_hits_until_it_is_removed(bank: FlaskClient) -> None:
    bank.post("/faults", json={"fault": "decline", "kind": "charge"})
    assert [said(post(bank, instruct()))[0] for _ in range(3)] == [402, 402, 402]
    assert said(post(bank, instruct(Kind.AUTHORIZE))) == (200, "approved")
    assert bank.delete("/faults").status_code == 204
    assert said(post(bank, instruct())) == (200, "approved")


def test_faults_are_used_up_in_the_order_of_arming(bank: FlaskClient) -> None:
    bank.post("/faults", json={"fault": "decline", "code": "FIRST", "times": 2})
    bank.post("/faults", json={"fault": "decline", "code": "THEN", "times": 1})
    codes = [said(post(bank, instruct()))[1] for _ in range(4)]
    assert codes == ["FIRST", "FIRST", "THEN", "approved"]


def test_fault_makes_a_look_up_deny_a_known_operation(bank: FlaskClient) -> None:
    charge = opened(bank, Kind.CHARGE)
    bank.post("/faults", json={"fault": "not_found", "on": "lookup", "times": 1})
    assert bank.get(f"/operations/{charge.gateway_key}").status_code == 404
    assert said(bank.get(f"/operations/{charge.gateway_key}")) == (200, "approved")


@pytest.mark.parametrize(
    "fault",
    [
        None,
        [],
        {},
        {"fault": "explode"},
        {"fault": "slow", "on": "friday"},
        {"fault": "slow", "ms": "20"},
        {"fault": "slow", "times": True},
        {"fault": "slow", "kind": "gift"},
        {"fault": "wrong_amount", "amount": "much"},
        {"fault": "wrong_amount", "amount": {}},
        {"fault": "decline", "asked": "much"},
        {"fault": "slow", "colour": "red"},
    ],
)
def test_invalid_fault_is_refused(bank: FlaskClient, fault: Any) -> None:
    assert bank.post("/faults", json=fault).status_code == 400
    assert bank.get("/faults").get_json() == []
