"""An `Idempotency-Key` header that arrives twice or in quotes. Release 1.0.0 took it for another key and paid again."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from payment_service.domain.errors import Invalid
from payment_service.domain.keys import hash_key
from payment_service.models import idempotency_keys
from payment_service.services.dependencies import Dependencies
from payment_service.web import key_header
from payment_service.web.key_header import only_value
from tests.support.bookers import Booker
from tests.support.callers import pay_bill, pay_trip
from tests.support.checkouts import process
from tests.support.gateways import LedgerGateway
from tests.support.orders import charge_order, refund_order

SPELLINGS = ("d1,d1", "d1, d1", '"d1"', '"d1", "d1"', 'd1, "d1"', '  "d1"\t')
SEVERAL = ("d1,d2", '"d1", "d2"', "d1,", ",d1", "d1,,d1", '"d1,d2', "d1, d1, d2")


def same(first: TestResponse, repeat: TestResponse) -> bool:
    return repeat.data == first.data and repeat.headers.get("Idempotent-Replayed") == "true"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_k1_doubled_key_header_pays_once(client: FlaskClient, gateway: LedgerGateway, spelling: str) -> None:
    """Release 1.0.0 hashed `d1, d1` and `"d1"` as they came: each was another key, and another payment."""
    order = charge_order(client, "o1").get_json()["payment_id"]
    before = len(gateway.sent)
    requests: tuple[Callable[[str], TestResponse], ...] = (
        lambda key: pay_bill(client, key),
        lambda key: process(client, key),
        lambda key: refund_order(client, order, key, amount=1),
    )
    answers = [(ask("d1"), ask(spelling)) for ask in requests]
    assert [first.status_code for first, _ in answers] == [201, 200, 200]
    assert [first.text for first, repeat in answers if not same(first, repeat)] == []
    assert len(gateway.sent) == before + 3


def test_k1_repeat_of_a_request_with_a_doubled_header_pays_once(client: FlaskClient, gateway: LedgerGateway) -> None:
    """Release 1.0.0 made `d1,d1` the reference of the bill."""
    first = pay_bill(client, "d1,d1")
    assert first.get_json()["reference"] == "d1"
    assert same(first, pay_bill(client, "d1"))
    assert len(gateway.sent) == 1


@pytest.mark.parametrize("header", SEVERAL)
def test_k1_key_header_with_different_values_is_refused(
    client: FlaskClient, gateway: LedgerGateway, header: str
) -> None:
    """Release 1.0.0 took two keys for a third one."""
    booker = Booker(client.application, "ada")
    unprocessable = [pay_bill(client, header), process(client, header), charge_order(client, header)]
    bad = [booker.create(header), pay_trip(client, headers={"Idempotency-Key": header})]
    assert [answer.status_code for answer in (*unprocessable, *bad)] == [422, 422, 422, 400, 400]
    assert {answer.get_json()["code"] for answer in (*unprocessable, *bad)} == {"validation_error"}
    assert not gateway.sent


def test_k1_comma_in_quotes_is_part_of_the_key(client: FlaskClient) -> None:
    """Release 1.0.0 kept the quotes."""
    first = pay_bill(client, r'"a, \"b\" \\ c"')
    assert first.get_json()["reference"] == r"a, " + r'"b" \ c'
    assert same(first, pay_bill(client, r'"a, \"b\" \\ c", "a, \"b\" \\ c"'))


@pytest.mark.parametrize("text", ["d1,d1", "d1, d2", '"d1"', '"d1'])
def test_k1_key_stored_by_1_0_0_as_sent_is_still_found(
    client: FlaskClient, deps: Dependencies, gateway: LedgerGateway, text: str
) -> None:
    """Only such a key finds the payment that release 1.0.0 made under it."""
    first = pay_bill(client, "before")
    with deps.database.atomic("test") as connection:
        connection.execute(update(idempotency_keys).values(key_hash=hash_key(text)))
    assert same(first, pay_bill(client, text))
    assert len(gateway.sent) == 1
    assert pay_bill(client, "d1").headers.get("Idempotent-Replayed") is None


def test_k1_key_without_comma_or_quote_needs_no_further_look_up(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Release 1.0.0 looked nothing up; ordinary keys still pay for nothing."""
    looked_up = []
    monkeypatch.setattr(key_header, "is_known", lambda *_: looked_up.append(True))
    assert pay_bill(client, "ordinary-1").status_code == 201
    assert not looked_up
    assert pay_bill(client, '"ordinary-1"').status_code == 201
    assert looked_up


@pytest.mark.parametrize("header", [*SPELLINGS, "d1"])
def test_k1_doubled_header_beside_a_key_in_the_body_is_accepted(client: FlaskClient, header: str) -> None:
    """Release 1.0.0 refused a trip with a header that repeated its body's key twice."""
    assert pay_trip(client, idempotency_key="d1", headers={"Idempotency-Key": header}).status_code == 200
    assert pay_bill(client, header, idempotency_key="d1").status_code == 201


@pytest.mark.parametrize("key", ["a,b", '"a"'])
def test_k1_key_in_the_body_is_used_as_it_is(client: FlaskClient, key: str) -> None:
    """Bodies have no second value: commas and quotes in them are the client's own."""
    assert pay_trip(client, idempotency_key=key, headers={"Idempotency-Key": key}).status_code == 200
    assert client.get("/v1/idempotency-keys", query_string={"key": key}).get_json()["channel"] == "trips"


@pytest.mark.parametrize("text", ["a" * 1021, '"' + '\\"' * 400, '""', '"a' * 300, "é" * 256])
def test_k1_malformed_or_long_header_is_refused(text: str) -> None:
    """A header with many quotes and commas must cost nothing."""
    with pytest.raises(Invalid):
        only_value(text)
