"""Reconciliation finds each kind of difference and no other, and changes nothing, on both databases."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from payment_service import clock
from payment_service.domain.errors import DatabaseUnavailable, GatewayUnavailable
from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, Unknown
from payment_service.gateways.listed import Entry
from payment_service.models import payments
from payment_service.repositories import reconciliation as repository
from payment_service.services.dependencies import Dependencies
from payment_service.services.notices import handle_due
from payment_service.services.verification import verify
from tests.support.callers import refund_trip
from tests.support.database import recover_all
from tests.support.desk import A_DAY, NAME, Desk
from tests.support.gateways import LedgerGateway
from tests.support.listed import ListedLedger
from tests.support.reconciled import DIFFERENCES, SAME, Seed, charge_done_after_a_told_decline

ALONE = ("other_amount_on_another_day", "charge_declined_though_it_succeeded")
"""These tests script the answer to the next look-up, so each of them runs alone."""


@pytest.fixture
def desk(client: FlaskClient, gateway: LedgerGateway, deps: Dependencies) -> Desk:
    return Desk(client, gateway, deps)


@pytest.mark.parametrize("seed", DIFFERENCES, ids=lambda seed: seed.__name__)
def test_each_difference_is_reported_and_nothing_is_changed(desk: Desk, seed: Seed) -> None:
    desk.paid()
    seed(desk)
    before = desk.contents()
    kind, what = DIFFERENCES[seed]
    result, lines = desk.run()
    [line] = [line for line in lines if line.difference]
    assert line.difference is not None
    assert (line.difference.kind, line.difference.what) == (kind, what.format(number=line.payment_id))
    assert desk.contents() == before
    [row] = desk.rows()
    assert (row["gateway"], row["differences"], row["is_complete"]) == (NAME, 1, True)
    assert row["movements"] == result.found.movements == sum(line.entry is not None for line in lines)


def test_money_after_a_decline_is_reversed_without_a_notice(desk: Desk, deps: Dependencies) -> None:
    """Rule 4 of the protocol: notices get lost, and a reported outcome stays true."""
    charge_done_after_a_told_decline(desk)
    desk.run()
    assert dict(handle_due(deps)) == {"revised": 1}
    recover_all(deps)
    [payment] = desk.rows(payments)
    assert (payment["status"], payment["refunded_amount"]) == ("FAILED", payment["captured_amount"])
    assert desk.gateway.count(Kind.REFUND) == 1
    assert list(verify(deps)) == []


@pytest.mark.parametrize("seed", SAME, ids=lambda seed: seed.__name__)
def test_equal_movements_are_no_difference(desk: Desk, seed: Seed) -> None:
    desk.paid()
    seed(desk)
    assert desk.found() == []


def test_all_differences_at_once_are_distinguished(desk: Desk) -> None:
    single = {seed: told for seed, told in DIFFERENCES.items() if seed.__name__ not in ALONE}
    for seed in single:
        seed(desk)
    kinds = sorted(kind for kind, _ in desk.found())
    assert kinds == sorted(kind for kind, _ in single.values())


def test_operations_of_other_days_are_not_compared(desk: Desk, gateway: LedgerGateway) -> None:
    for days in (5, 4, 3):
        _, key = desk.paid()
        moment = clock.now() - timedelta(days=days)
        desk.alter(key, created_at=moment, updated_at=moment)
        del gateway.ledger[key]
    gateway.lookups.clear()
    assert desk.found() == []
    assert gateway.lookups == []
    three = clock.now() - timedelta(days=3)
    assert [kind for kind, _ in desk.found(three - timedelta(hours=1), three + timedelta(hours=1))] == ["not_there"]
    assert len(gateway.lookups) == 1


def test_operation_decided_in_the_period_is_compared(desk: Desk, gateway: LedgerGateway) -> None:
    """The operation was undecided on the day of its request, when no reconciliation could compare it."""
    _, key = desk.paid()
    desk.alter(key, created_at=clock.now() - timedelta(days=2))
    del gateway.ledger[key]
    assert [kind for kind, _ in desk.found()] == ["not_there"]


def test_first_key_of_a_period_is_found_by_its_number(desk: Desk, deps: Dependencies) -> None:
    now = clock.now()
    for hours in range(9, 0, -1):
        _, key = desk.paid()
        desk.alter(key, created_at=now - timedelta(hours=hours))

    def keys_since(hours: int) -> int:
        with deps.database.reading() as connection:
            number = repository.number_before(connection, now - timedelta(hours=hours, minutes=30))
            return len(repository.after(connection, number))

    assert [keys_since(hours) for hours in range(11)] == [min(hours, 9) for hours in range(11)]


def test_payments_of_another_gateway_are_not_compared(desk: Desk, gateway: LedgerGateway) -> None:

    _, key = desk.paid()
    del gateway.ledger[key]
    with desk.deps.database.atomic("test") as connection:
        connection.execute(update(payments).values(gateway="another"))
    assert desk.found() == []


def test_list_that_breaks_off_is_reported_as_incomplete(
    desk: Desk, gateway: LedgerGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = desk.paid()
    assert refund_trip(desk.client, number).status_code == 200

    def broken(self: ListedLedger[GatewayRequest], *_: object) -> Iterator[Entry]:
        for asked in list(self.values())[:1]:
            yield Entry(asked.gateway_key, asked.kind, asked.amount, asked.currency)
        raise GatewayUnavailable("the list broke off")

    monkeypatch.setattr(ListedLedger, "__call__", broken)
    result, lines = desk.run()
    assert result.cut_short == "the list broke off"
    assert all(line.difference is None for line in lines), "what was not read is not missing"
    [row] = desk.rows()
    assert (row["is_complete"], row["differences"]) == (False, 0)
    assert gateway.lookups == []


def test_unreachable_gateway_is_no_difference(desk: Desk, gateway: LedgerGateway) -> None:
    _, key = desk.paid()
    del gateway.ledger[key]
    gateway.found.append(Unknown("no answer in time"))
    result, lines = desk.run()
    assert result.cut_short == "the gateway cannot be asked: no answer in time"
    assert lines == []
    assert [row["is_complete"] for row in desk.rows()] == [False]


def test_loss_of_the_database_cuts_the_report_short(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.paid()

    def away(*_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(repository, "after", away)
    result, lines = desk.run()
    assert result.cut_short is not None
    assert len(lines) == 1, "what was compared before is told"
    assert [row["is_complete"] for row in desk.rows()] == [False]


def test_open_period_is_recorded_up_to_the_moment_that_was_read(desk: Desk) -> None:
    desk.paid()
    begun = clock.now()
    desk.run(until=begun + A_DAY)
    [row] = desk.rows()
    assert begun <= row["until"] <= clock.now()
