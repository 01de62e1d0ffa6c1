import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Declined, NotSent, Pending, Unknown
from tests.conftest import MakeApp
from tests.support.callers import ABSENT, pay_bill, pay_trip, refund_trip, trip_id_of
from tests.support.gateways import LedgerGateway, held_at_the_gateway

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")


@pytest.fixture
def paid(client: FlaskClient) -> int:
    """Return the number of a trip's payment of 150.00."""
    return trip_id_of(pay_trip(client))


def test_partial_refund_answers_as_the_document_shows(client: FlaskClient, paid: int) -> None:
    answer = refund_trip(client, paid, amount=50.00, metadata={"reason": "test refund"})
    body = answer.get_json()
    assert answer.status_code == 200
    assert list(body) == ["payment_id", "refund_id", "refund_amount", "status", "timestamp"]
    assert (body["payment_id"], body["refund_amount"], body["status"]) == (paid, 50.0, "REFUNDED")
    assert isinstance(body["refund_id"], int)
    assert MOMENT.fullmatch(body["timestamp"])


def test_payment_shows_its_refunded_amount(client: FlaskClient, paid: int) -> None:
    refund_trip(client, paid, amount=50)
    part = client.get(f"/payments/{paid}").get_json()
    refund_trip(client, paid, idempotency_key="the rest")
    whole = client.get(f"/payments/{paid}").get_json()
    assert (part["status"], part["refunded_amount"], part["amount"]) == ("SUCCESS", 50.0, 150.0)
    assert (whole["status"], whole["refunded_amount"], whole["amount"]) == ("REFUNDED", 150.0, 150.0)


def test_refund_without_an_amount_refunds_the_rest(client: FlaskClient, paid: int) -> None:
    assert refund_trip(client, paid, idempotency_key="one", amount="49.99").get_json()["refund_amount"] == 49.99
    assert refund_trip(client, paid, idempotency_key="two").get_json()["refund_amount"] == 100.01


def test_refunds_of_a_payment_are_listed_oldest_first(client: FlaskClient, paid: int) -> None:
    given = [
        refund_trip(client, paid, idempotency_key=f"r{amount}", amount=amount).get_json() for amount in (10, 20, 30)
    ]
    assert client.get(f"/payments/{paid}/refunds").get_json() == {"refunds": given}


def test_payment_without_refunds_lists_none(client: FlaskClient, paid: int) -> None:
    assert client.get(f"/payments/{paid}/refunds").get_json() == {"refunds": []}


def test_refund_without_a_valid_key_answers_400(client: FlaskClient, paid: int) -> None:
    missing = [refund_trip(client, paid, idempotency_key=key) for key in (ABSENT, None)]
    invalid = [refund_trip(client, paid, idempotency_key=key) for key in ("", "  ", "x" * 256)]
    assert [answer.status_code for answer in (*missing, *invalid)] == [400] * 5
    assert {answer.get_json()["error"] for answer in missing} == {"Missing required fields: idempotency_key"}
    assert client.get(f"/payments/{paid}/refunds").get_json() == {"refunds": []}


def test_refund_of_an_invalid_amount_answers_400(client: FlaskClient, paid: int, gateway: LedgerGateway) -> None:
    amounts: tuple[Any, ...] = (0, -1, "NaN", "", "abc", True, None, [], {}, 1e300, "1e2", 0.001, 12.345, 10**12)
    answers = [refund_trip(client, paid, amount=amount) for amount in amounts]
    found = [(answer.status_code, answer.get_json()["code"]) for answer in answers]
    assert found == [(400, "validation_error")] * len(amounts)
    assert gateway.count(Kind.REFUND) == 0


def test_refund_above_the_rest_is_refused(client: FlaskClient, paid: int, gateway: LedgerGateway) -> None:
    refund_trip(client, paid, idempotency_key="one", amount=100)
    answer = refund_trip(client, paid, idempotency_key="two", amount=50.01)
    assert answer.status_code == 400
    assert answer.get_json() == {
        "error": "The amount exceeds what is left",
        "code": "amount_exceeds_available",
        "retry": {"safe": True, "key": "new", "after": None},
    }
    assert gateway.count(Kind.REFUND) == 1


@pytest.mark.parametrize("amount", [ABSENT, 0.01])
def test_refund_of_a_refunded_payment_answers_400(client: FlaskClient, paid: int, amount: object) -> None:
    refund_trip(client, paid, idempotency_key="one")
    answer = refund_trip(client, paid, idempotency_key="again", amount=amount)
    assert answer.status_code == 400
    assert answer.get_json()["code"] == "illegal_move"
    assert answer.get_json()["error"] == "A payment with status REFUNDED cannot be refunded"


def test_refund_of_a_failed_payment_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Declined("CARD_DECLINED", "Card was declined by issuer"))
    answer = refund_trip(client, trip_id_of(pay_trip(client)))
    assert answer.status_code == 400
    assert answer.get_json()["code"] == "illegal_move"


def test_refund_of_an_undecided_payment_is_refused(client: FlaskClient, gateway: LedgerGateway) -> None:
    gateway.script.append(Unknown("time-out"))
    answer = refund_trip(client, pay_trip(client).get_json()["payment_id"])
    assert answer.status_code == 400
    assert answer.get_json()["error"] == "A payment with status PENDING cannot be refunded"


def test_refund_of_a_free_trip_is_refused(client: FlaskClient) -> None:
    assert refund_trip(client, trip_id_of(pay_trip(client, amount=0))).status_code == 400


def test_refund_of_an_unknown_payment_answers_400_and_leaves_the_key_free(client: FlaskClient, paid: int) -> None:
    answers = [refund_trip(client, unknown) for unknown in (paid + 1000, 0, -1, 2**63 - 1)]
    assert [answer.status_code for answer in answers] == [400] * 4
    assert {answer.get_json()["error"] for answer in answers} == {"Payment not found"}
    assert {answer.get_json()["code"] for answer in answers} == {"payment_not_found"}
    assert refund_trip(client, paid).status_code == 200


@pytest.mark.parametrize("text", ["abc", "1.0", "2" * 40, "\u0661", "1e3", "%00"])
def test_path_without_a_number_answers_404(client: FlaskClient, text: str) -> None:
    answers = [
        refund_trip(client, text),
        client.get(f"/payments/{text}/refunds"),
        client.get(f"/payments/{text}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert [answer.get_json().keys() for answer in answers] == [{"error", "code", "retry"}] * 3


@pytest.mark.parametrize("path", ["/payments/4711", "/payments/0", "/payments/4711/refunds"])
def test_unknown_payment_answers_404(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.get_json()["error"] == "Payment not found"


def test_refund_of_a_bill_as_a_trip_is_refused(client: FlaskClient) -> None:
    bill = pay_bill(client).get_json()["payment_id"]
    assert refund_trip(client, bill).status_code == 400
    assert client.get(f"/payments/{bill}/refunds").status_code == 404


def test_declined_refund_answers_an_error_and_releases_its_amount(
    client: FlaskClient, paid: int, gateway: LedgerGateway
) -> None:
    gateway.script.append(Declined("GATEWAY_ERROR", "Failed to capture payment"))
    answer = refund_trip(client, paid)
    again = refund_trip(client, paid)
    assert answer.status_code == again.status_code == 400
    assert answer.get_json()["error"] == "Refund declined: Failed to capture payment"
    assert answer.get_json()["code"] == "refund_declined"
    assert answer.get_json()["retry"]["key"] == "new"
    assert again.data == answer.data
    assert again.headers["Idempotent-Replayed"] == "true"
    assert refund_trip(client, paid, idempotency_key="another").get_json()["refund_amount"] == 150.0
    assert [each["status"] for each in client.get(f"/payments/{paid}/refunds").get_json()["refunds"]] == [
        "FAILED",
        "REFUNDED",
    ]


@pytest.mark.parametrize("word", [Unknown("time-out"), Pending("later")], ids=["unknown", "pending"])
def test_undecided_refund_answers_202_and_reserves_its_amount(
    client: FlaskClient, paid: int, gateway: LedgerGateway, word: Unknown | Pending
) -> None:
    gateway.script.append(word)
    answer = refund_trip(client, paid, amount=100)
    body = answer.get_json()
    assert answer.status_code == 202
    assert body["status"] == "PENDING"
    assert body["message"] == "Refund accepted for processing"
    assert {"payment_id", "refund_id", "refund_amount"} <= set(body)
    assert refund_trip(client, paid, idempotency_key="too much", amount=50.01).status_code == 400
    assert client.get(f"/payments/{paid}").get_json()["refunded_amount"] == 0.0


def test_repeat_of_an_undecided_refund_ends_it_by_a_look_up(
    client: FlaskClient, paid: int, gateway: LedgerGateway
) -> None:
    gateway.script.append(gateway.lose_answer)
    first, second = (refund_trip(client, paid, amount=100) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.get_json()["refund_id"] == first.get_json()["refund_id"]
    assert (second.get_json()["status"], gateway.count(Kind.REFUND)) == ("REFUNDED", 1)


def test_repeat_of_a_running_refund_answers_409(make_app: MakeApp, gateway: LedgerGateway) -> None:
    app = make_app(idempotency_wait=0.05)
    number = trip_id_of(pay_trip(app.test_client()))
    with ThreadPoolExecutor(1) as pool:
        with held_at_the_gateway(gateway) as arrived:
            first = pool.submit(refund_trip, app.test_client(), number)
            assert arrived.wait(10)
            second = refund_trip(app.test_client(), number)
        assert (second.status_code, second.get_json()["code"]) == (409, "idempotency_key_in_use")
        assert "Retry-After" in second.headers
        assert first.result().status_code == 200
    assert gateway.count(Kind.REFUND) == 1


def test_refund_without_a_gateway_answers_503_and_a_repeat_refunds(
    client: FlaskClient, paid: int, gateway: LedgerGateway
) -> None:
    gateway.script.append(NotSent("refused"))
    first, second = (refund_trip(client, paid) for _ in range(2))
    assert (first.status_code, second.status_code) == (503, 200)
    assert gateway.count(Kind.REFUND) == 1
