"""`flask verify`: the money in the tables must follow from operations that happened; only violations alarm."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Table, delete, update

from payment_service.domain.lifecycle import Move, Status
from payment_service.gateways.base import Approved, Declined, GatewayRequest, Unknown
from payment_service.gateways.listed import Entry
from payment_service.models import idempotency_keys, payments, reservations, tallies, timers, transactions
from payment_service.services import business_metrics
from payment_service.services.dependencies import Dependencies
from payment_service.services.recovery import recover
from payment_service.services.verification import money_of
from tests.support import checkouts, orders
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.database import expire_leases
from tests.support.gateways import LedgerGateway
from tests.support.listed import ListedLedger
from tests.support.postgres import as_owner


def alter(deps: Dependencies, table: Table, *where: Any, **values: object) -> None:
    """Write into every row of a table, or those that fit, what the service would never write."""
    with deps.database.atomic("test") as connection:
        as_owner(connection)
        connection.execute(update(table).where(*where).values(values))


def found(deps: Dependencies) -> list[tuple[str, str]]:
    """Return invariant and row of every violation."""
    return [(violation.invariant, violation.row) for violation in money_of(deps)]


def declined_trip(client: FlaskClient, gateway: LedgerGateway) -> int:
    """Return the number of a payment that nothing was taken for."""
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    return trip_id_of(pay_trip(client, idempotency_key="declined"))


def pretend_captured(deps: Dependencies) -> None:
    """Make declined payments look paid: their rows, and the last row of their audit trail with them."""
    alter(deps, payments, status=Status.CAPTURED, captured_amount=payments.c.amount)
    alter(deps, payments, authorized_amount=payments.c.amount)
    last, amount = transactions.c.version == 2, transactions.c.amount
    alter(deps, transactions, last, status=Status.CAPTURED, move=Move.CHARGED, captured_amount=amount)


def test_other_amount_of_an_undecided_operation_at_the_bank_is_reported(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    def move_more(instruction: GatewayRequest) -> Approved:
        return gateway.approve(replace(instruction, amount=instruction.amount + 100))

    gateway.script.append(move_more)
    assert pay_trip(client).status_code == 202
    assert [invariant for invariant, _ in found(deps)] == ["S4"]


def test_requests_of_callers_make_no_violation(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    number = trip_id_of(pay_trip(client))
    refund_trip(client, number, amount=10)
    refund_trip(client, number, idempotency_key="the rest")
    pay_trip(client, idempotency_key="free", amount=0)
    declined_trip(client, gateway)
    checkouts.post(client, "capture", transaction_id=checkouts.held(client), amount=40)
    checkouts.post(client, "void", transaction_id=checkouts.held(client))
    checkouts.held(client)
    gateway.script.append(Unknown("silence"))
    pay_trip(client, idempotency_key="undecided")
    assert found(deps) == []


def test_captured_money_without_an_operation_is_reported(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    number = declined_trip(client, gateway)
    assert found(deps) == []
    pretend_captured(deps)

    told = list(money_of(deps))
    assert {(each.invariant, each.row) for each in told} == {("S3", f"payment {number}")}
    assert [each.what.split()[0] for each in told] == ["captured", "authorized"]


def test_captured_amount_above_the_charge_is_reported(client: FlaskClient, deps: Dependencies) -> None:
    checkouts.post(client, "capture", transaction_id=checkouts.held(client), amount=40)
    assert found(deps) == []
    alter(deps, payments, captured_amount=payments.c.authorized_amount)
    assert "S3" in dict(found(deps))


def test_charge_missing_on_its_payment_is_reported(client: FlaskClient, deps: Dependencies) -> None:
    number = trip_id_of(pay_trip(client))
    alter(deps, payments, captured_amount=Decimal(0), authorized_amount=Decimal(0), status=Status.FAILED)
    assert ("S3", f"payment {number}") in found(deps)


@pytest.mark.parametrize("lose", ["passed without a timer", "answered"])
def test_operation_without_a_timer_or_lease_is_reported(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, lose: str
) -> None:
    gateway.script.append(Unknown("silence"))
    number = pay_trip(client).get_json()["payment_id"]
    expire_leases(deps)
    gateway.found.append(Unknown("silence"))
    assert recover(deps) == {"undecided": 1}
    expire_leases(deps)
    recover(deps, limit=0)  # the watermark passes it, which has a timer
    assert found(deps) == []
    if lose == "answered":
        alter(deps, idempotency_keys, response_status=200, response_data="{}")
    else:
        with deps.database.atomic("test") as connection:
            connection.execute(delete(timers))

    [told] = money_of(deps)
    assert told.invariant == "L3"
    assert told.row.endswith(f" of payment {number}")
    assert told.what == "undecided, and no key is left to end it"


RESERVATIONS: dict[str, Callable[[Dependencies], None]] = {
    "a transaction given back": lambda deps: forget(deps, "transaction"),
    "another transaction": lambda deps: alter(deps, payments, transaction_id="TXN0"),
    "a reference of another": lambda deps: alter(deps, payments, reference="another"),
    "a payable of another": lambda deps: alter(deps, payments, payable_id="another"),
    "a payable kept by a failed payment": lambda deps: alter(deps, payments, status=Status.FAILED),
}


def forget(deps: Dependencies, kind: str) -> None:
    with deps.database.atomic("test") as connection:
        connection.execute(delete(reservations).where(reservations.c.kind == kind))


@pytest.mark.parametrize("spoil", RESERVATIONS.values(), ids=RESERVATIONS)
def test_reservation_that_does_not_fit_its_payment_is_reported(
    client: FlaskClient, deps: Dependencies, spoil: Callable[[Dependencies], None]
) -> None:
    orders.paid(orders.charge_order(client))
    pay_trip(client)
    assert found(deps) == []
    spoil(deps)
    assert "R1" in dict(found(deps))


def test_payment_with_a_key_bound_to_nothing_is_reported(client: FlaskClient, deps: Dependencies) -> None:
    number = trip_id_of(pay_trip(client))
    alter(deps, payments, idempotency_hash="0" * 64)
    assert found(deps) == [("K1", f"payment {number}")]


def test_tally_that_is_not_the_sum_of_the_journal_is_reported(client: FlaskClient, deps: Dependencies) -> None:
    pay_trip(client)
    business_metrics.aggregate(deps)
    assert found(deps) == []
    alter(deps, tallies, times=tallies.c.times + 1)
    assert {invariant for invariant, _ in found(deps)} == {"T1"}


@pytest.mark.parametrize("lists", [True, False], ids=["a gateway that lists", "a gateway that is asked"])
def test_success_unknown_to_the_gateway_is_reported(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, lists: bool
) -> None:
    gateway.capabilities = type(gateway.capabilities)(
        idempotent_by_key=True, lookup_consistent=True, max_in_flight=1.0, key_retention=86400, lists=lists
    )
    pay_trip(client)
    gateway.ledger.clear()
    [told] = money_of(deps)
    assert (told.invariant, told.what) == ("S3", "succeeded here, unknown to the gateway")


def test_effect_without_operation_is_reported(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    pay_trip(client)
    [key] = gateway.ledger
    alter(deps, idempotency_keys, gateway_key="another")
    assert ("S2", f"gateway key {key}") in found(deps)


LATE: dict[str, Callable[[FlaskClient, int], object]] = {
    "charge": lambda client, _: pay_trip(client, idempotency_key="late"),
    "refund": lambda client, number: refund_trip(client, number, idempotency_key="late", amount=5),
    "hold": lambda client, _: checkouts.held(client),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_changes_during_verification_are_not_reported(
    client: FlaskClient,
    deps: Dependencies,
    gateway: LedgerGateway,
    monkeypatch: pytest.MonkeyPatch,
    late: Callable[[FlaskClient, int], object],
) -> None:
    """Verification lists the gateway transactions first; a later success is in the tables only."""
    number = trip_id_of(pay_trip(client))
    drawn_up = ListedLedger.__call__

    def listed(self: ListedLedger[GatewayRequest], since: None, until: None) -> Iterator[Entry]:
        found = list(drawn_up(self, since, until))
        late(client, number)
        return iter(found)

    monkeypatch.setattr(ListedLedger, "__call__", listed)
    assert found(deps) == []
    assert len(gateway.ledger) == 2


def test_other_amount_at_gateway_is_reported(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    pay_trip(client)
    [(key, instruction)] = gateway.ledger.items()
    gateway.ledger[key] = GatewayRequest(**{**vars(instruction), "amount": instruction.amount + 1})
    [told] = money_of(deps)
    assert (told.invariant, told.what) == ("S4", "150.00 here, 151.00 at the gateway")


def test_decline_that_the_gateway_carried_out_is_reported(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway
) -> None:
    def lie(instruction: GatewayRequest) -> Declined:
        approved = gateway.approve(instruction)
        assert isinstance(approved, Approved)
        return Declined("CARD_DECLINED", "Card was declined by issuer")

    gateway.script.append(lie)
    pay_trip(client)
    [told] = money_of(deps)
    assert (told.invariant, told.what) == ("S3", "failed here, done at the gateway")


def test_verify_with_violations_exits_1_and_names_each_row(
    app: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    number = declined_trip(app.test_client(), gateway)
    pretend_captured(deps)
    said = app.test_cli_runner().invoke(args=["verify"])
    changed, state, *lines = said.stdout.splitlines()
    assert (said.exit_code, changed[:2], state[:2]) == (1, "J1", "J2")
    assert [line.startswith(f"S3 payment {number}: ") for line in lines] == [True, True]
    assert said.stderr == "4 violations\n"
