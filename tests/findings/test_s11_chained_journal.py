"""`verify` finds every change that an intruder makes in the tables. In release 1.0.0 it missed 8 of 10 such changes."""

from contextlib import ExitStack

import pytest
from flask import Flask
from sqlalchemy import Table

from payment_service.db import metadata
from payment_service.models import (
    disputes,
    idempotency_keys,
    journal_seals,
    operator_actions,
    payment_refunds,
    payments,
    transactions,
)
from payment_service.services.verification import chain_of, verify
from tests.conftest import MakeApp, dependencies_of
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.chained import KEY, found, missed, seal_all, work
from tests.support.changing import ChangingGateway
from tests.support.database import rows
from tests.support.manipulations import (
    TABLES,
    TELLS_NOTHING,
    changed,
    of_columns,
    of_rows,
    removed,
    stored,
)


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service with a key for its journal."""
    return make_app(journal_key=(KEY,), rabbitmq_enabled=True)


AT_LEAST = {
    payments: 60,
    payment_refunds: 13,
    idempotency_keys: 34,
    transactions: 27,
    operator_actions: 8,
    disputes: 16,
}
"""Manipulations of each table's columns that its constraints allow: 158 and more, on both databases."""


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_s11_every_change_of_a_column_is_found(app: Flask, gateway: ChangingGateway, table: Table) -> None:
    deps = work(app, gateway)
    assert [str(each) for each in verify(deps)] == []

    count, unseen = missed(deps, of_columns(deps.database, table))

    assert unseen == []
    assert count >= AT_LEAST[table], count
    assert found(deps) == []


def test_s11_every_row_that_is_removed_or_inserted_is_found(app: Flask, gateway: ChangingGateway) -> None:
    deps = work(app, gateway)

    count, unseen = missed(deps, of_rows(deps.database, *TABLES))

    assert unseen == []
    assert count >= 30, count
    assert found(deps) == []


NOT_JUDGED = {
    "gateway_notices": "what a gateway has sent; the worker asks the gateway itself before it changes anything",
    "hourly_tallies": "figures made of the journal",
    "journal_seals": "judged by their own chain, see the tests of seals",
    "lost_movements": "a list that the gateway's ledger gives again; a movement that is adopted gets a chained row",
    "operator_revocations": "it ends sessions and moves no money",
    "operator_sessions": "who is signed in now; what they do is an operator action",
    "outbox_deliveries": "copies of events for receivers",
    "reconciliations": "reports that a new run makes again",
    "reservations": "which payable has a live payment, compared with payments by the other rules of verify",
    "schema_information": "the version of the tables",
    "tallies": "figures made of payments",
    "timers": "what is to be done when, made of payments and keys",
    "users": "texts of tokens",
    "watermarks": "how far work has come",
}
"""Tables outside the chain, each with the reason: a new table is judged or has one."""


def test_s11_every_table_is_judged_or_says_why_not() -> None:
    assert {table.name for table in TABLES} | NOT_JUDGED.keys() == metadata.tables.keys()
    assert NOT_JUDGED.keys().isdisjoint(table.name for table in TABLES)


def test_s11_every_excepted_column_exists() -> None:
    assert set(TELLS_NOTHING) <= set(TABLES)
    assert {table: set(columns) - set(table.c.keys()) for table, columns in TELLS_NOTHING.items()} == {
        table: set() for table in TELLS_NOTHING
    }


def test_s11_first_row_that_was_changed_or_removed_is_named(app: Flask, gateway: ChangingGateway) -> None:
    deps = work(app, gateway)
    payment, *_ = stored(deps.database, payments)
    number = payment["payment_id"]
    first, second, *_ = (row for row in stored(deps.database, transactions) if row["payment_id"] == number)
    named = f"J1 journal row {second['transaction_log_id']} of payment {number} (version 2)"

    with changed(deps.database, transactions, second, {"actor": "nobody"}):
        assert found(deps)[0].startswith(named)
    with removed(deps.database, (transactions, first)):
        assert found(deps)[0].startswith(named)


def test_s11_removed_payment_is_named_by_the_seal(app: Flask, gateway: ChangingGateway) -> None:
    deps = work(app, gateway)
    others = [table for table in TABLES if table is not payments]
    _, payment, *_ = stored(deps.database, payments)
    number = payment["payment_id"]
    gone = [(table, row) for table in others for row in stored(deps.database, table) if row["payment_id"] == number]

    kept = rows(deps, journal_seals)[-1]["row_hash"]
    assert list(chain_of(deps, kept)) == []
    with removed(deps.database, *gone, (payments, payment)):
        named = f"J6 payment {number}: was removed after seal"
        assert any(line.startswith(named) for line in found(deps))
        with removed(deps.database, *((journal_seals, row) for row in stored(deps.database, journal_seals))):
            assert found(deps) == []  # without seals no check can show it
            assert "seals were removed" in str(list(chain_of(deps, kept)))


def test_s11_restored_earlier_state_is_found(app: Flask, gateway: ChangingGateway) -> None:
    deps, client = dependencies_of(app), app.test_client()
    number = trip_id_of(pay_trip(client))
    (before,) = stored(deps.database, payments)
    (key,) = stored(deps.database, idempotency_keys)
    refund_trip(client, number, amount=10)
    (now,) = stored(deps.database, payments)
    later = [row for row in stored(deps.database, transactions) if row["version"] > before["version"]]

    with changed(deps.database, payments, now, {name: before[name] for name in now}):
        assert found(deps)[0].startswith("J1 journal row")
    (refund,) = stored(deps.database, payment_refunds)
    asked = [row for row in stored(deps.database, idempotency_keys) if row["key_id"] != key["key_id"]]
    seal_all(deps)
    gone = [
        *((transactions, row) for row in later),
        (payment_refunds, refund),
        *((idempotency_keys, row) for row in asked),
    ]
    with ExitStack() as stack:
        stack.enter_context(removed(deps.database, *gone))
        stack.enter_context(changed(deps.database, payments, now, {name: before[name] for name in now}))
        assert {line.partition(":")[0] for line in found(deps)} >= {
            f"J6 refund {refund['refund_id']}",
            f"J6 key {asked[0]['key_id']}",
        }
