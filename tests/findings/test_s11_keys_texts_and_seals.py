"""Keys, callers' texts and seals of the chained journal, which release 1.0.0 did not have."""

from datetime import timedelta

import pytest
from flask import Flask

from payment_service import clock
from payment_service.domain.chain import JournalKeys
from payment_service.models import (
    disputes,
    idempotency_keys,
    journal_seals,
    operator_actions,
    payments,
    transactions,
)
from payment_service.services import business_metrics, seals
from payment_service.services.verification import verify
from tests.conftest import MakeApp, dependencies_of
from tests.support import checkouts, orders
from tests.support.bookers import Booker
from tests.support.callers import pay_trip, refund_trip, trip_id_of
from tests.support.chained import KEY, found, work
from tests.support.changing import ChangingGateway
from tests.support.database import recover_all, rows
from tests.support.manipulations import (
    changed,
    number_of,
    removed,
    stored,
)
from tests.support.postgres import as_owner

OLD, NEW = ("2025", "an-old-secret-of-the-journal-4711!"), KEY


@pytest.fixture
def gateway() -> ChangingGateway:
    return ChangingGateway()


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    """Return a service with a key for its journal."""
    return make_app(journal_key=(KEY,), rabbitmq_enabled=True)


def test_s11_forger_without_the_key_is_found_and_with_plain_hashes_is_not(
    make_app: MakeApp, gateway: ChangingGateway
) -> None:
    """An intruder who knows this program makes plain hashes as well as the program does: SECURITY.md says so."""
    from payment_service.domain.chain import PAYMENT
    from payment_service.services.chain_making import payment_values

    plain = dependencies_of(make_app())
    pay_trip(make_app().test_client())
    (payment,) = stored(plain.database, payments)
    forged = {"customer_id": "intruder"}
    forged["state_hash"] = JournalKeys().sign(PAYMENT, payment_values({**payment, **forged}))

    with changed(plain.database, payments, payment, forged):
        assert found(plain) == []
        keyed = dependencies_of(make_app(journal_key=(KEY,)))
        assert any("no key protects" in line for line in found(keyed))


def test_s11_keys_rotate_by_id(make_app: MakeApp, gateway: ChangingGateway) -> None:
    app = make_app(journal_key=(OLD,))
    number = trip_id_of(pay_trip(app.test_client()))
    rotated = make_app(journal_key=(NEW, OLD))
    refund_trip(rotated.test_client(), number, amount=10)

    deps = dependencies_of(rotated)
    assert found(deps) == []
    assert {row["row_hash"].partition(":")[0] for row in rows(deps, transactions)} == {OLD[0], NEW[0]}
    forgotten = dependencies_of(make_app(journal_key=(NEW,)))
    assert any("'2025', which JOURNAL_KEY does not list" in line for line in found(forgotten))


def test_s11_text_of_a_caller_is_not_taken_for_a_marker(app: Flask, gateway: ChangingGateway) -> None:
    """Release 1.0.0 wrote a caller's reason into the field for the service's own words."""
    text = "Charge approved by the gateway"
    client = app.test_client()
    order = orders.paid(orders.create_order(client))
    orders.change_order(client, order["payment_id"], status="FAILED", gateway_response=text)
    paid = orders.paid(orders.charge_order(client, order_id=77))
    orders.refund_order(client, paid["payment_id"], reason=text)

    written = rows(dependencies_of(app), transactions)
    assert {row["caller_note"] for row in written} == {None, text}
    said = {row["description"] for row in written if row["caller_note"] == text}
    assert said == {"Payment failed", "Refund processed"}


def test_s11_emptied_note_is_found_unless_the_service_emptied_it(app: Flask, gateway: ChangingGateway) -> None:
    from payment_service.domain.principals import ChangeSource
    from payment_service.repositories import payments as repository
    from payment_service.services.persistence import record_erasure

    deps = dependencies_of(app)
    desk = Booker(app, "desk", scope="payments:service")
    desk.patch(desk.made(), status="cancelled", transaction_ref="bank-4711")
    (noted,) = (row for row in stored(deps.database, transactions) if row["caller_note"])

    with changed(deps.database, transactions, noted, {"caller_note": None}):
        assert found(deps)[0].startswith(f"J1 journal row {noted['transaction_log_id']}")

    with deps.database.atomic("test") as connection:
        as_owner(connection)
        payment = repository.lock(connection, noted["payment_id"])
        emptied = transactions.update().where(number_of(transactions) == noted["transaction_log_id"])
        connection.execute(emptied.values(caller_note=None))
        record_erasure(connection, deps, payment, ChangeSource("ann"))
    assert [str(each) for each in verify(deps)] == []
    before = business_metrics.current(deps).totals.tallies
    business_metrics.aggregate(deps)
    business_metrics.aggregate(deps)
    assert sorted(business_metrics.current(deps).totals.tallies, key=str) == sorted(before, key=str)
    assert [str(each) for each in verify(deps)] == []
    (noted,) = (row for row in stored(deps.database, transactions) if row["texts_hash"])
    with changed(deps.database, transactions, noted, {"caller_note": "Charge approved by the gateway"}):
        assert found(deps) != []


def test_s11_detached_months_are_no_violation(app: Flask, gateway: ChangingGateway) -> None:
    deps = work(app, gateway)
    journal = stored(deps.database, transactions)
    number = journal[0]["payment_id"]
    cut = max(row["created_at"] for row in journal if row["payment_id"] == number)
    old = [(transactions, row) for row in journal if row["created_at"] < cut]

    assert seals.detach(deps, cut) is not None
    with removed(deps.database, *old):
        assert found(deps) == []
        (payment,) = (row for row in stored(deps.database, payments) if row["payment_id"] == number)
        with changed(deps.database, payments, payment, {"customer_id": "intruder"}):
            assert found(deps) == [f"J2 payment {number}: is not what its hash says"]


def test_s11_open_reversal_moved_to_another_payment_is_found(app: Flask, gateway: ChangingGateway) -> None:
    deps, client = dependencies_of(app), app.test_client()
    checkouts.paid(client)
    gateway.script.append(gateway.lose_answer)
    assert checkouts.process(client).status_code == 202
    recover_all(deps)
    other, reversed_ = (row["payment_id"] for row in stored(deps.database, payments))
    (key,) = (row for row in stored(deps.database, idempotency_keys) if row["purpose"] == "reversal")
    assert (key["payment_id"], key["response_status"]) == (reversed_, None)
    assert found(deps) == []

    with changed(deps.database, idempotency_keys, key, {"payment_id": other}):
        assert f"J3 key {key['key_id']} of payment {other}: its operation is not in the journal" in found(deps)


def test_s11_seal_is_made_once_a_day(app: Flask, gateway: ChangingGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    deps = work(app, gateway)
    assert seals.seal_if_due(deps) == 0

    tomorrow = clock.now() + timedelta(days=1, minutes=10)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    pay_trip(app.test_client(), idempotency_key="tomorrow")
    assert seals.seal_if_due(deps) == 0  # the row is too young
    monkeypatch.setattr(clock, "now", lambda: tomorrow + timedelta(minutes=10))
    assert seals.seal_if_due(deps) == 1
    assert seals.seal_if_due(deps) == 0
    assert found(deps) == []
    assert len(rows(deps, journal_seals)) == 2
    assert {table.name for table in (disputes, operator_actions)} <= set(seals._NAMES)
