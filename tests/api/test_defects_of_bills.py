"""The faults of the bills document's original, in its own numbering: each test fails on that fault."""

import json

import pytest
from flask.testing import FlaskClient

from payment_service.domain.operations import Kind
from tests.conftest import MakeApp
from tests.support.callers import BILL, at_once, pay_bill, with_raw
from tests.support.gateways import LedgerGateway


def test_defect_1_20_equal_requests_at_once_get_the_same_201(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """Its look-up and insert of the key were two steps: a fifth of 20 simultaneous requests was 500."""
    answers = at_once(make_app(), 20, lambda client, _: pay_bill(client))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert gateway.count(Kind.CHARGE) == 1


def test_defect_2_negative_or_empty_fields_answer_422(client: FlaskClient, gateway: LedgerGateway) -> None:
    """The original accepted a payment of -5.00 for bill -1, with an empty method."""
    answer = pay_bill(client, bill_id=-1, amount=-5, method="")
    assert answer.status_code == 422
    assert [fault["loc"][1] for fault in answer.get_json()["detail"]] == ["bill_id", "amount", "method"]
    wrong = ({"bill_id": -1}, {"bill_id": 0}, {"amount": -5}, {"amount": 0}, {"amount": "-0"}, {"method": ""})
    assert [pay_bill(client, **fields).status_code for fields in wrong] == [422] * len(wrong)
    assert not gateway.sent


def test_defect_3_infinite_amount_answers_422_and_breaks_no_list(client: FlaskClient) -> None:
    """Infinity was stored, though answered 500, and from then on every list was 500; `true` was one, NaN a crash."""
    texts = ("1e400", "-1e400", "NaN", "Infinity", "true", "1234567890123.456", '"1e400"', '"inf"', "1e2000000")
    answers = {
        text: client.post(
            "/v1/payments",
            data=with_raw(BILL, "amount", text),
            content_type="application/json",
            headers={"Idempotency-Key": text},
        )
        for text in texts
    }
    assert {text: answer.status_code for text, answer in answers.items()} == dict.fromkeys(texts, 422)
    assert client.get("/v1/payments").get_json() == []
    assert pay_bill(client).status_code == 201
    assert len(json.loads(client.get("/v1/payments").text)) == 1


def test_defect_4_key_of_another_bill_answers_422(client: FlaskClient) -> None:
    """The key of bill 1, sent with bill 2, was answered 201 with the payment of bill 1."""
    first = pay_bill(client, bill_id=1).get_json()
    answer = pay_bill(client, bill_id=2)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_key_mismatch")
    assert answer.get_json()["payment"]["payment_id"] == first["payment_id"]
    assert client.get("/v1/payments?bill_id=2").get_json() == []
    assert pay_bill(client, amount=1).status_code == 422
    assert pay_bill(client, method="CARD").status_code == 422


@pytest.mark.parametrize("key", ["", " ", "\t"])
def test_defect_5_empty_key_answers_422(client: FlaskClient, gateway: LedgerGateway, key: str) -> None:
    """All callers with the empty key shared it: the second got the first one's payment."""
    answer = pay_bill(client, key=key)
    assert answer.status_code == 422
    assert answer.get_json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert not gateway.sent


def test_defect_6_same_key_at_two_replicas_charges_once(make_app: MakeApp, gateway: LedgerGateway) -> None:
    """Each replica had a database file of its own: the same key was paid once by each."""
    one, other = make_app(), make_app()
    first = pay_bill(one.test_client())
    assert pay_bill(other.test_client()).data == first.data
    both = [one, other]
    answers = at_once(one, 10, lambda _, at: pay_bill(both[at % 2].test_client(), key="at once"))
    assert {(answer.status_code, answer.data) for answer in answers} == {(201, answers[0].data)}
    assert gateway.count(Kind.CHARGE) == 2


def test_defect_7_list_is_bounded_filtered_and_in_order(client: FlaskClient) -> None:
    """`limit=-1` gave everything, `bill_id=0` was no filter, and the database chose the order."""
    for number in (3, 1, 2):
        pay_bill(client, key=f"key {number}", bill_id=number)
    queries = ("limit=-1", "limit=0", "limit=101", "skip=-1", "bill_id=0", "bill_id=-1")
    statuses = {query: client.get(f"/v1/payments?{query}").status_code for query in queries}
    assert statuses == dict.fromkeys(queries, 422)
    listed = client.get("/v1/payments").get_json()
    assert [each["bill_id"] for each in listed] == [3, 1, 2]
    assert [each["payment_id"] for each in listed] == sorted(each["payment_id"] for each in listed)


def test_defect_8_amount_is_exactly_the_one_sent(client: FlaskClient, gateway: LedgerGateway) -> None:
    """10.005 became 10.01 by way of a binary float."""
    assert pay_bill(client, amount=10.005).status_code == 422
    assert pay_bill(client, amount="10.005").status_code == 422
    texts = ["10.01", "0.29", "1.15", "4.35", "8.41", "1234567890.01"]
    answers = [
        client.post(
            "/v1/payments",
            data=with_raw(BILL, "amount", text),
            content_type="application/json",
            headers={"Idempotency-Key": text},
        )
        for text in texts
    ]
    assert [answer.get_json()["amount"] for answer in answers] == texts
    assert [str(sent.amount) for sent in gateway.sent] == texts


def test_defect_9_restart_keeps_every_payment(make_app: MakeApp) -> None:
    """The database lay inside the container, beside the volume that was meant for it."""
    paid = pay_bill(make_app().test_client())
    after = make_app().test_client()
    assert after.get("/v1/payments").get_json() == [paid.get_json()]
    again = pay_bill(after)
    assert (again.status_code, again.data) == (201, paid.data)
