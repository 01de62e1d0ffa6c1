"""Status changes without a gateway, with and without a key: done once, replayed, and distinct from other requests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient

from payment_service.connection import Connection, TransactionLost
from payment_service.db import Database
from payment_service.domain.keys import hash_key
from payment_service.models import idempotency_keys, payments, transactions
from payment_service.services.dependencies import Dependencies
from payment_service.services.verification import verify
from tests.support.bookers import Booker, error_of, payment_of
from tests.support.callers import pay_bill, pay_trip
from tests.support.database import count, expire_answers, rows
from tests.support.gateways import LedgerGateway
from tests.support.orders import cancel_order, change_order, create_order, detail, faults, paid


@contextmanager
def first_commit_unanswered() -> Iterator[None]:
    """Commit the next transaction, and hide its result from its caller."""
    real = Database.atomic
    lost: list[str] = []

    @contextmanager
    def atomic(database: Database, name: str) -> Iterator[Connection]:
        with real(database, name) as connection:
            yield connection
        if not lost:
            lost.append(name)
            raise TransactionLost

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "atomic", atomic)
        yield
    assert lost


@pytest.mark.parametrize("key", [None, "key"], ids=["without a key", "under a key"])
@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_change_whose_commit_is_unanswered_happens_once(
    ada: Booker, deps: Dependencies, status: str, key: str | None
) -> None:
    payment_id = ada.made()
    with first_commit_unanswered():
        answer = ada.patch(payment_id, key, status=status)
    assert payment_of(answer)["status"] == status
    assert "Idempotent-Replayed" not in answer.headers, "nobody has heard it before"
    assert [row["status"].lower() for row in rows(deps, transactions)] == ["pending", status]
    assert not list(verify(deps))


def test_creation_whose_commit_is_unanswered_is_no_replay(ada: Booker, deps: Dependencies) -> None:
    with first_commit_unanswered():
        made = ada.create("made")
    payment_id = payment_of(made, 201)["payment_id"]
    with first_commit_unanswered():
        refused = ada.refund(payment_id, "refused")
    assert error_of(refused) == "Only completed payments can be refunded"
    assert all("Idempotent-Replayed" not in answer.headers for answer in (made, refused))
    assert ada.create("made").headers["Idempotent-Replayed"] == "true"
    assert ada.refund(payment_id, "refused").headers["Idempotent-Replayed"] == "true"
    assert count(deps, payments) == 1


def test_cancellation_whose_commit_is_unanswered_happens_once(client: FlaskClient, deps: Dependencies) -> None:
    number = paid(create_order(client))["payment_id"]
    with first_commit_unanswered():
        answer = cancel_order(client, number)
    assert paid(answer, 200)["status"] == "CANCELLED"
    assert "Idempotent-Replayed" not in answer.headers, "without a key there is nothing to replay"
    assert count(deps, transactions) == 2


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_repeat_of_a_change_gets_the_same_bytes(ada: Booker, deps: Dependencies, status: str) -> None:
    payment_id = ada.made()
    first = ada.patch(payment_id, "key", status=status)
    again = ada.patch(payment_id, "key", status=status)
    assert (first.status_code, again.status_code, again.data) == (200, 200, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    expire_answers(deps)
    assert ada.patch(payment_id, "key", status=status).data == first.data
    assert count(deps, transactions) == 2


def test_repeat_is_replayed_although_the_change_is_impossible_now(ada: Booker) -> None:
    """Without the key the service refuses a second `failed`: the payment is over."""
    payment_id = ada.made()
    first = ada.patch(payment_id, "key", status="failed", transaction_ref="till 4")
    assert error_of(ada.patch(payment_id, status="failed"))
    assert ada.patch(payment_id, "key", status="failed", transaction_ref="till 4").data == first.data


def test_refused_change_is_replayed_under_its_key(ada: Booker) -> None:
    payment_id = ada.paid()
    first = ada.patch(payment_id, "key", status="cancelled")
    again = ada.patch(payment_id, "key", status="cancelled")
    assert (first.status_code, again.status_code, again.data) == (400, 400, first.data)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.get_json()["retry"]["key"] == "new"


def test_key_of_a_change_answers_422_for_another_request(
    ada: Booker, deps: Dependencies, gateway: LedgerGateway
) -> None:
    payment_id, other = ada.made(), ada.made(booking_id="BOOK-002")
    ada.patch(payment_id, "key", status="cancelled", transaction_ref="till 4")
    refused = [
        ada.patch(payment_id, "key", status="failed"),
        ada.patch(payment_id, "key", status="cancelled", transaction_ref="till 5"),
        ada.patch(other, "key", status="cancelled", transaction_ref="till 4"),
        ada.process(other, "key"),
        ada.process(payment_id, "key"),
        ada.refund(other, "key"),
        ada.create("key"),
    ]
    assert [answer.status_code for answer in refused] == [422] * len(refused)
    assert {answer.get_json()["code"] for answer in refused} == {"idempotency_key_mismatch"}
    assert {answer.get_json()["payment"]["public_id"] for answer in refused} == {payment_id}
    assert ada.status(other) == "pending"
    assert (gateway.sent, count(deps, payments)) == ([], 2)


def test_key_of_a_creation_answers_422_for_a_change(ada: Booker) -> None:
    payment_id = payment_of(ada.create("key"), 201)["payment_id"]
    assert ada.patch(payment_id, "key", status="failed").status_code == 422
    assert ada.status(payment_id) == "pending"


def test_order_cancelled_twice_has_one_journal_row(client: FlaskClient, deps: Dependencies) -> None:
    number = paid(create_order(client))["payment_id"]
    first, again = cancel_order(client, number), cancel_order(client, number)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.get_json() == first.get_json()
    assert [row["version"] for row in rows(deps, transactions)] == [1, 2]
    assert paid(change_order(client, number, "CANCELLED"), 200)["status"] == "CANCELLED"
    assert count(deps, transactions) == 2


def test_order_set_to_failed_twice_is_refused_the_second_time(client: FlaskClient, deps: Dependencies) -> None:
    number = paid(create_order(client))["payment_id"]
    assert paid(change_order(client, number, "FAILED"), 200)["status"] == "FAILED"
    assert detail(change_order(client, number, "FAILED"))
    assert count(deps, transactions) == 2


def test_two_different_keys_in_one_request_are_refused(app: Flask, deps: Dependencies) -> None:
    ada, client = Booker(app, "ada"), app.test_client()
    assert error_of(ada.create("K1", idempotency_key="K2")) == "Idempotency-Key and idempotency_key differ"
    assert faults(create_order(client, "K1", idempotency_key="K2"))
    assert faults(pay_bill(client, "K1", idempotency_key="K2"))
    assert pay_trip(client, headers={"Idempotency-Key": "K1"}, idempotency_key="K2").status_code == 400
    assert (count(deps, payments), count(deps, idempotency_keys)) == (0, 0)
    assert ada.create("K1", idempotency_key=" K1 ").status_code == 201


@pytest.mark.parametrize(
    "key", ["\x1cabc", "abc\x1f", "a\x00b", "a\tb", "a\nb", "\x85abc", "abc\x7f", "\x0babc", "\x0c"], ids=ascii
)
def test_key_with_control_characters_is_refused(client: FlaskClient, deps: Dependencies, key: str) -> None:
    """Python's strip() removes some of them: two different keys of a caller would have been one."""
    assert pay_trip(client, idempotency_key=key).status_code == 400
    assert (count(deps, payments), count(deps, idempotency_keys)) == (0, 0)


@pytest.mark.parametrize("key", ["\x1fa", "a\x7f", "\x1ca"], ids=ascii)
def test_header_with_control_characters_is_refused(client: FlaskClient, deps: Dependencies, key: str) -> None:
    assert [where for where, _ in faults(pay_bill(client, key))] == [["header", "Idempotency-Key"]]
    assert count(deps, idempotency_keys) == 0


@pytest.mark.parametrize("key", [" abc", "abc ", "\tabc\n", " \t abc \r\n"], ids=ascii)
def test_blanks_around_a_key_in_the_body_are_ignored(client: FlaskClient, deps: Dependencies, key: str) -> None:
    first, again = pay_trip(client, idempotency_key="abc"), pay_trip(client, idempotency_key=key)
    assert (again.status_code, again.data) == (200, first.data)
    assert [row["key_hash"] for row in rows(deps, idempotency_keys)] == [hash_key("abc")]


def test_blanks_around_a_key_in_the_header_are_ignored(client: FlaskClient) -> None:
    first, again = pay_bill(client, "abc"), pay_bill(client, "  abc ")
    assert (again.status_code, again.data) == (201, first.data)
