"""The service never asks a caller without a key to repeat where the repeat would be another charge or refund."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import pytest
from flask import Flask
from structlog.testing import CapturingLogger
from werkzeug.test import TestResponse

from payment_service.connection import Connection, TransactionLost
from payment_service.db import Database
from payment_service.domain.errors import DatabaseUnavailable, GatewayUnavailable
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.gateways.base import Approved, GatewayRequest, NotSent
from payment_service.models import idempotency_keys, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from payment_service.web import errors
from tests.conftest import Lines
from tests.support import checkouts, orders
from tests.support.bookers import Booker, error_of
from tests.support.database import recover_all, rows
from tests.support.gateways import LedgerGateway

NO_ADVICE = {"safe": False, "key": None, "after": None}

Ask = Callable[[], TestResponse]


def _charge(app: Flask) -> Ask:
    return lambda: checkouts.process(app.test_client())


def _hold(app: Flask) -> Ask:
    return lambda: checkouts.process(app.test_client(), capture=False)


def _capture(app: Flask) -> Ask:
    transaction = checkouts.held(app.test_client())
    return lambda: checkouts.post(app.test_client(), "capture", transaction_id=transaction)


def _void(app: Flask) -> Ask:
    transaction = checkouts.held(app.test_client())
    return lambda: checkouts.post(app.test_client(), "void", transaction_id=transaction)


def _refund(app: Flask) -> Ask:
    transaction = checkouts.paid(app.test_client())
    return lambda: checkouts.refund(app.test_client(), transaction, 5.0)


def _refund_of_order(app: Flask) -> Ask:
    number = orders.paid(orders.charge_order(app.test_client()))["payment_id"]
    return lambda: orders.refund_order(app.test_client(), number, amount=4)


MOVEMENTS: Mapping[str, tuple[Kind, Callable[[Flask], Ask]]] = {
    "charge": (Kind.CHARGE, _charge),
    "hold": (Kind.AUTHORIZE, _hold),
    "capture": (Kind.CAPTURE, _capture),
    "void": (Kind.VOID, _void),
    "refund": (Kind.REFUND, _refund),
    "refund of an order": (Kind.REFUND, _refund_of_order),
}
NEVER_ASKED_AGAIN = {Kind.CHARGE, Kind.AUTHORIZE}
"""The charges that a checkout caller without a key never repeats: the service reverses a late approval."""

every_movement = pytest.mark.parametrize(("kind", "prepare"), MOVEMENTS.values(), ids=MOVEMENTS)


@contextmanager
def database_lost_with_the_claim() -> Iterator[None]:
    """Let the database hear the claim's COMMIT, but lose its answer and every later connection."""
    real = Database.atomic
    lost: list[str] = []

    @contextmanager
    def atomic(database: Database, name: str) -> Iterator[Connection]:
        if lost:
            raise DatabaseUnavailable from ConnectionError("connection refused")
        with real(database, name) as connection:
            yield connection
        lost.append(name)
        raise TransactionLost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "atomic", atomic)
        yield


def assert_sent_to_look_it_up(answer: TestResponse) -> None:
    """Check that the outcome is unknown, and that nothing in the response asks for a repeat."""
    assert answer.status_code == 503, answer.text
    body = answer.get_json()
    assert (body["code"], body["retry"]) == ("outcome_unknown", NO_ADVICE)
    assert "Retry-After" not in answer.headers
    assert "same key" not in answer.text
    assert "look it up before asking again" in answer.text


def assert_done_once(deps: Dependencies, gateway: LedgerGateway, kind: Kind, *, is_committed: bool = False) -> None:
    """Check that the recovery worker completes the operation: it happened once, or nothing of it is left.

    `is_committed`: the first owner has committed the outcome, heard or not.
    """
    recover_all(deps)
    if kind in NEVER_ASKED_AGAIN and not is_committed:
        recover_all(deps)
        undone = Kind.REFUND if kind is Kind.CHARGE else Kind.VOID
        assert gateway.count(kind) == gateway.count(undone) <= 1
        assert [row["status"] for row in rows(deps, payments)] == ["FAILED"]
        assert not list(verify(deps))
        return
    assert gateway.count(kind) == 1
    found = [row["operation_status"] for row in rows(deps, idempotency_keys) if row["kind"] == kind]
    assert found == [OperationStatus.SUCCEEDED]
    assert not list(verify(deps))


@every_movement
def test_claim_whose_commit_is_unknown_advises_no_repeat(
    app: Flask, deps: Dependencies, gateway: LedgerGateway, kind: Kind, prepare: Callable[[Flask], Ask]
) -> None:
    ask = prepare(app)
    with database_lost_with_the_claim():
        answer = ask()
    assert_sent_to_look_it_up(answer)
    assert gateway.count(kind) == 0
    assert_done_once(deps, gateway, kind)


@every_movement
def test_request_that_never_reached_the_database_advises_a_safe_repeat(
    app: Flask, gateway: LedgerGateway, kind: Kind, prepare: Callable[[Flask], Ask]
) -> None:
    def unreachable(_database: Database, _name: str) -> NoReturn:
        raise DatabaseUnavailable

    ask = prepare(app)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "atomic", unreachable)
        answer = ask()
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unavailable")
    assert answer.get_json()["retry"] == {"safe": True, "key": None, "after": 1}
    assert ask().status_code in (200, 201)
    assert gateway.count(kind) == 1


def test_cause_of_an_unknown_outcome_is_logged(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(errors, "log", log)
    with database_lost_with_the_claim():
        assert_sent_to_look_it_up(checkouts.process(app.test_client()))
    [said] = log.calls
    assert said.args == ("request.unavailable",)
    assert said.kwargs == {"code": "outcome_unknown", "cause": "ConnectionError: connection refused"}


@every_movement
def test_crash_after_the_charge_advises_no_repeat(
    app: Flask,
    deps: Dependencies,
    gateway: LedgerGateway,
    lines: Lines,
    kind: Kind,
    prepare: Callable[[Flask], Ask],
) -> None:
    def crash(instruction: GatewayRequest) -> Approved:
        gateway.approve(instruction)
        raise RuntimeError("a fault of ours")

    ask = prepare(app)
    gateway.script.append(crash)
    lines()
    answer = ask()
    assert_sent_to_look_it_up(answer)
    assert "a fault of ours" not in answer.text
    assert "movement.crashed" in [line["event"] for line in lines()]
    assert_done_once(deps, gateway, kind)


def test_crash_after_the_charge_under_a_key_advises_a_repeat(app: Flask, gateway: LedgerGateway) -> None:
    def crash(instruction: GatewayRequest) -> Approved:
        gateway.approve(instruction)
        raise RuntimeError("a fault of ours")

    gateway.script.append(crash)
    answer = checkouts.process(app.test_client(), "key")
    assert (answer.status_code, answer.get_json()["code"]) == (500, "internal_error")
    assert answer.get_json()["retry"] == {"safe": True, "key": "same", "after": 1}


def test_request_with_an_implied_key_advises_a_repeat_without_naming_a_key(app: Flask, gateway: LedgerGateway) -> None:
    ada = Booker(app, "ada")
    payment_id = ada.made()
    gateway.script.append(NotSent("connection refused"))
    answer = ada.process(payment_id)

    assert (answer.status_code, answer.get_json()["code"]) == (503, "gateway_unavailable")
    assert answer.get_json()["retry"] == {"safe": True, "key": None, "after": 1}
    assert answer.headers["Retry-After"] == "1"
    assert error_of(answer, 503) == GatewayUnavailable().message
    assert ada.process(payment_id).get_json()["payment"]["status"] == "completed"
    assert gateway.count(Kind.CHARGE) == 1


def test_request_to_an_unreachable_gateway_is_not_reported_as_unsent() -> None:
    """The recovery worker sends an accepted request, whether its caller comes back or not."""
    assert "nothing" not in GatewayUnavailable().message
    assert "same key" not in GatewayUnavailable().message
    assert "carried through" in GatewayUnavailable().message


def test_refusal_without_a_key_names_no_key(app: Flask) -> None:
    client = app.test_client()
    transaction = checkouts.paid(client)
    ada = Booker(app, "ada")
    booking = ada.paid()
    refused = [
        checkouts.refund(client, transaction, 500.0),
        checkouts.post(client, "capture", transaction_id=transaction),
        ada.process(booking),
        ada.patch(booking, status="cancelled"),
        orders.refund_order(client, orders.paid(orders.charge_order(client))["payment_id"], amount=99999),
    ]
    assert [answer.status_code for answer in refused] == [400] * 5
    assert {answer.get_json()["retry"]["key"] for answer in refused} == {None}


def test_refusal_under_a_key_advises_a_new_key(app: Flask) -> None:
    client = app.test_client()
    refused = checkouts.refund(client, checkouts.paid(client), 500.0, "key")
    assert (refused.status_code, refused.get_json()["retry"]["key"]) == (400, "new")
