"""A key binds permanently: while its response is stored, after that has expired, after a purge, and after an error."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from payment_service import clock
from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, Unknown
from payment_service.models import idempotency_keys as keys
from payment_service.models import payments
from payment_service.services.chain_making import chain_rows
from payment_service.services.dependencies import Dependencies
from payment_service.services.retention import purge
from payment_service.services.verification import verify
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.database import rows
from tests.support.gateways import LedgerGateway
from tests.support.operations import MOVEMENTS, Movement
from tests.support.postgres import as_owner
from tests.support.tokens import bearer


def let_answers_end(deps: Dependencies) -> None:
    """Let every stored response expire, without a purge."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(keys).values(expires_at=clock.now() - timedelta(seconds=1)))


def forget_answers(deps: Dependencies) -> None:
    """Purge the responses of all finished keys."""
    let_answers_end(deps)
    assert sum(purge(deps)) > 0


def leave_placeholders(deps: Dependencies) -> None:
    """Leave the keys of operations on existing payments as the migration from 1.0.0 leaves purged ones."""
    forget_answers(deps)
    unknown = {"request_path": "", "response_format": "", "owner": "", "response_status": 0}
    made_payment = select(payments.c.idempotency_hash).where(payments.c.idempotency_hash.is_not(None))
    of_payments = keys.c.kind.in_(("charge", "capture", "void")) & keys.c.key_hash.not_in(made_payment)
    with deps.database.atomic("test") as connection:
        connection.execute(update(keys).where(of_payments).values(key_hash="purged:" + keys.c.gateway_key, **unknown))
        as_owner(connection)
        assert sum(chain_rows(connection, deps.journal))  # as a later migration does


ENDINGS = [let_answers_end, forget_answers, leave_placeholders]


@pytest.mark.parametrize("end", ENDINGS)
@pytest.mark.parametrize("movement", list(MOVEMENTS.values()), ids=list(MOVEMENTS))
def test_expired_key_answers_with_its_payment_as_it_is_now(
    client: FlaskClient,
    deps: Dependencies,
    gateway: LedgerGateway,
    movement: Movement,
    end: Callable[[Dependencies], None],
) -> None:
    ask = movement.prepare(client, "asked")
    first = ask()
    sent = len(gateway.sent)
    end(deps)
    again = [ask(), ask()]

    assert {(answer.status_code, answer.data) for answer in again} == {(first.status_code, first.data)}
    assert all(answer.headers["Idempotent-Replayed"] == "true" for answer in again)
    assert len(gateway.sent) == sent, "never a second time"
    assert not list(verify(deps))


@pytest.mark.parametrize("end", ENDINGS)
def test_expired_key_shows_later_changes(
    client: FlaskClient, deps: Dependencies, end: Callable[[Dependencies], None]
) -> None:
    first = pay_trip(client)
    refund_trip(client, trip_id_of(first))
    assert pay_trip(client).data == first.data, "as long as it is cached, it is the answer that was given"
    end(deps)

    body = pay_trip(client).get_json()
    assert (body["payment_id"], body["status"]) == (trip_id_of(first), "REFUNDED")


@pytest.mark.parametrize("end", ENDINGS)
def test_different_request_under_an_expired_key_answers_422(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, end: Callable[[Dependencies], None]
) -> None:
    payment_id = trip_id_of(pay_trip(client, amount=150))
    refund_trip(client, payment_id, idempotency_key="back", amount=10)
    end(deps)
    refused = [
        pay_trip(client, amount=151),
        pay_trip(client, trip_id=102, method="UPI"),
        refund_trip(client, payment_id, idempotency_key="back", amount=11),
    ]

    assert [answer.status_code for answer in refused] == [422] * 3
    assert {answer.get_json()["code"] for answer in refused} == {"idempotency_key_mismatch"}
    texts = [answer.get_json()["error"] for answer in refused]
    assert ["amount" in text for text in texts] == [True, False, True]
    assert "method, trip_id" in texts[1]
    assert len(gateway.sent) == 2


@pytest.mark.parametrize("end", ENDINGS)
def test_expired_key_of_a_decline_answers_with_the_decline(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, end: Callable[[Dependencies], None]
) -> None:
    gateway.script.extend([Declined("CARD_DECLINED", "Card was declined by issuer")] * 2)
    first = pay_trip(client).data, pay_bill(client).data
    end(deps)
    trip, bill = pay_trip(client), pay_bill(client)

    assert (trip.data, bill.data) == first
    assert (trip.status_code, bill.status_code) == (200, 402)
    assert len(gateway.sent) == 2


def test_refusal_is_replayed_until_its_purge(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    payment_id = trip_id_of(pay_trip(client, amount=150))
    gateway.script.append(Unknown("silence"))
    assert refund_trip(client, payment_id, idempotency_key="reserves", amount=100).status_code == 202
    refused = refund_trip(client, payment_id, idempotency_key="refused", amount=100)
    gateway.found.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    assert refund_trip(client, payment_id, idempotency_key="reserves", amount=100).status_code == 400
    again = refund_trip(client, payment_id, idempotency_key="refused", amount=100)

    assert (refused.status_code, refused.get_json()["code"]) == (400, "amount_exceeds_available")
    assert refused.get_json()["retry"]["key"] == "new"
    assert (again.status_code, again.data, again.headers["Idempotent-Replayed"]) == (400, refused.data, "true")
    let_answers_end(deps)
    assert refund_trip(client, payment_id, idempotency_key="refused", amount=100).data == refused.data
    forget_answers(deps)
    assert refund_trip(client, payment_id, idempotency_key="refused", amount=100).status_code == 200
    assert gateway.count(Kind.REFUND) == 1


def test_undecided_key_is_kept_by_a_purge(client: FlaskClient, deps: Dependencies, gateway: LedgerGateway) -> None:
    gateway.script.append(Unknown("silence"))
    assert pay_trip(client).status_code == 202
    let_answers_end(deps)

    assert sum(purge(deps)) == 0
    assert pay_trip(client).status_code == 200
    assert gateway.count(Kind.CHARGE) == 1


def test_purge_deletes_only_keys_that_made_nothing(app: Flask, deps: Dependencies, gateway: LedgerGateway) -> None:
    client = app.test_client()
    payment_id = trip_id_of(pay_trip(client, amount=150))
    assert refund_trip(client, payment_id, idempotency_key="refused", amount=200).status_code == 400
    refund_trip(client, payment_id, idempotency_key="back", amount=10)
    booker = Booker(app, "ada")
    booker.patch(booker.made(), status="cancelled")  # two keyless requests that asked nothing of the gateway
    assert len(rows(deps, keys)) == 5
    forget_answers(deps)

    assert [(row["kind"], row["response_data"]) for row in rows(deps, keys)] == [("charge", None), ("refund", None)]
    assert gateway.count(Kind.CHARGE) == 1


def key_of_charge(deps: Dependencies) -> dict[str, Any]:
    (found,) = [row for row in rows(deps, keys) if row["kind"] == "charge"]
    return found


def test_placeholder_gets_the_hash_of_the_key_that_meets_it(
    app: Flask, deps: Dependencies, gateway: LedgerGateway
) -> None:
    booker = Booker(app, "ada")
    payment_id = booker.made()
    first = booker.process(payment_id, "key")
    before = key_of_charge(deps)
    leave_placeholders(deps)
    assert key_of_charge(deps)["key_hash"].startswith("purged:")

    assert booker.process(booker.made(), "key").status_code == 422
    again = booker.process(payment_id, "key")
    after = key_of_charge(deps)
    assert (again.status_code, again.data) == (200, first.data)
    assert (after["key_id"], after["key_hash"]) == (before["key_id"], before["key_hash"])
    assert gateway.count(Kind.CHARGE) == 1


def test_same_key_of_two_subjects_charges_twice(app: Flask, deps: Dependencies, gateway: LedgerGateway) -> None:
    client = app.test_client()
    hers, his, nobodys = bearer("anna"), bearer("ben"), None
    paid = [pay_trip(client, headers=headers, amount=10 + n) for n, headers in enumerate((hers, his, nobodys))]
    again = [pay_trip(client, headers=headers, amount=10 + n) for n, headers in enumerate((hers, his, nobodys))]

    assert [answer.status_code for answer in paid] == [200] * 3
    assert [answer.data for answer in again] == [answer.data for answer in paid]
    assert len({answer.get_json()["reference"] for answer in paid}) == 3
    assert gateway.count(Kind.CHARGE) == len({one.gateway_key for one in gateway.sent}) == 3
    assert [row["subject"] for row in rows(deps, payments)] == ["anna", "ben", ""]
