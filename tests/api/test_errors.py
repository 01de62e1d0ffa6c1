import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.gateways.base import GatewayRequest, SendResult
from tests.conftest import MakeApp
from tests.support.callers import BILL, TRIP, pay_bill, pay_trip
from tests.support.gateways import LedgerGateway

NOWHERE = "postgresql+psycopg2://nobody:nothing@127.0.0.1:9/none"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
CODE = re.compile(r"[a-z_]+|TOKEN_MISSING|TOKEN_INVALID|USER_NOT_FOUND")
CARD = "4111 1111 1111 1111"


def check(answer: TestResponse, status: int, shape: str, code: str) -> dict[str, Any]:
    """Check an error of this status and shape (`error`, `detail` or both), with the common fields; return its body."""
    body = answer.get_json()
    assert answer.status_code == status, answer.text
    assert {name for name in ("error", "detail") if name in body} == set(shape.split("+"))
    assert body["code"] == code
    assert CODE.fullmatch(code)
    assert set(body["retry"]) == {"safe", "key", "after"}
    assert answer.content_type == "application/json"
    if body["retry"]["after"] is not None:
        assert answer.headers["Retry-After"] == str(body["retry"]["after"])
    return dict(body)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/payments/5/nothing", "error"),
        ("/v1/payments/5/nothing/at/all", "detail"),
        ("/nothing", "error+detail"),
        ("/v1/nothing", "error+detail"),
        ("/", "error+detail"),
        ("/paymentsX", "error+detail"),
    ],
)
def test_unknown_path_answers_404_in_the_shape_of_its_channel(client: FlaskClient, path: str, shape: str) -> None:
    for method in ("GET", "POST", "DELETE", "PATCH", "PUT"):
        check(client.open(path, method=method), 404, shape, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "shape", "allowed"),
    [
        ("DELETE", "/payments", "error", {"GET", "POST"}),
        ("PUT", "/payments/5", "error", {"GET"}),
        ("PATCH", "/payments/5/refunds", "error", {"GET", "POST"}),
        ("TRACE", "/payments", "error", {"GET", "POST"}),
        ("PUT", "/v1/payments", "detail", {"GET", "POST"}),
        ("POST", "/v1/payments/5", "detail", {"GET"}),
        ("PROPFIND", "/v1/payments/5", "detail", {"GET"}),
        ("POST", "/health", "error+detail", {"GET"}),
    ],
)
def test_wrong_method_answers_405_with_the_allowed_ones(
    client: FlaskClient, method: str, path: str, shape: str, allowed: set[str]
) -> None:
    answer = client.open(path, method=method)
    check(answer, 405, shape, "method_not_allowed")
    assert allowed <= set(answer.headers["Allow"].split(", "))
    assert method not in answer.headers["Allow"].split(", ")


def test_body_that_is_not_json_answers_415(client: FlaskClient) -> None:
    for path, shape in (("/payments", "error"), ("/v1/payments", "detail"), ("/payments/5/refunds", "error")):
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            None,
            "json",
        ):
            check(client.post(path, data="{}", content_type=kind), 415, shape, "unsupported_media_type")
        zipped = client.post(path, data="{}", content_type="application/json", headers={"Content-Encoding": "gzip"})
        check(zipped, 415, shape, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "shape"), [("/payments", "error"), ("/v1/payments", "detail"), ("/payments/5/refunds", "error")]
)
def test_body_above_64_kilobytes_answers_413(client: FlaskClient, path: str, shape: str) -> None:
    fits, too_long = b"{}".ljust(64 * 1024), b"{}".ljust(64 * 1024 + 1)
    assert client.post(path, data=fits, content_type="application/json").status_code in {400, 422}
    check(client.post(path, data=too_long, content_type="application/json"), 413, shape, "body_too_large")


def test_missing_body_is_reported(client: FlaskClient) -> None:
    for path, status, shape in (("/payments", 400, "error"), ("/v1/payments", 422, "detail")):
        for options in ({}, {"data": b"", "content_type": "application/json"}):
            check(client.post(path, **options), status, shape, "validation_error")
    assert client.post("/payments").get_json()["error"] == "Request body is required"


def test_body_that_is_no_single_object_is_refused(client: FlaskClient) -> None:
    bad = (
        "{", "[]", "5", '"text"', "null", "true", '{"a":1,}', "{'a':1}", '{"a":1} x', '{"trip_id":1,"trip_id":2}',
        "[" * 5000, '{"a":' * 17 + "1" + "}" * 17, "[" * 60000, b"\xff\xfe{}", b'{"a":"\xff"}', '{"a":"\\ud800"}',
        '{"a":"\\u0000"}', '{"a":NaN}', '{"a":Infinity}', "{" + ",".join(f'"f{at}":1' for at in range(201)) + "}",
    )  # fmt: skip
    for body in bad:
        for path, status, shape in (("/payments", 400, "error"), ("/v1/payments", 422, "detail")):
            answer = client.post(path, data=body, content_type="application/json")
            check(answer, status, shape, "validation_error")


def test_body_deeper_than_16_levels_is_refused(client: FlaskClient) -> None:
    nested: object = 1
    for _ in range(14):
        nested = [nested]
    assert pay_trip(client, metadata={"a": nested}).status_code == 200
    assert pay_trip(client, idempotency_key="deeper", metadata={"a": [nested]}).status_code == 400


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"note": f"card {CARD}"}}, {"metadata": {CARD: 1}}, {"metadata": {"list": [[CARD]]}},
        {"idempotency_key": CARD}, {"unknown": CARD}, {"metadata": {"n": 4111111111111111}}, {"method": CARD},
    ],
)  # fmt: skip
def test_card_number_in_a_trip_answers_400_without_an_echo(
    client: FlaskClient, gateway: LedgerGateway, fields: dict[str, Any]
) -> None:
    answer = pay_trip(client, **fields)
    check(answer, 400, "error", "card_data_not_accepted")
    assert "1111" not in answer.text
    assert not gateway.sent


@pytest.mark.parametrize("fields", [{"key": CARD}, {"method": CARD}, {"unknown": CARD}])
def test_card_number_in_a_bill_answers_422_without_an_echo(
    client: FlaskClient, gateway: LedgerGateway, fields: dict[str, Any]
) -> None:
    answer = pay_bill(client, **fields)
    check(answer, 422, "detail", "card_data_not_accepted")
    assert "1111" not in answer.text
    assert not gateway.sent


@pytest.mark.parametrize("text", ["20251120072012", "1763622000000", "00000000-0000-4000-8000-000000000000", "150.00"])
def test_text_that_only_resembles_a_card_number_is_accepted(client: FlaskClient, text: str) -> None:
    assert pay_trip(client, idempotency_key=text, metadata={"note": text}).status_code == 200


@pytest.mark.parametrize(("pay", "shape"), [(pay_trip, "error"), (pay_bill, "detail")])
def test_crash_answers_500_without_details(
    client: FlaskClient, gateway: LedgerGateway, pay: Callable[[FlaskClient], TestResponse], shape: str
) -> None:
    def crash(_instruction: GatewayRequest) -> SendResult:
        raise RuntimeError("the s3cret inside")

    gateway.script.append(crash)
    answer = pay(client)
    body = check(answer, 500, shape, "internal_error")
    assert body[shape] == "Internal server error"
    assert body["retry"] == {"safe": True, "key": "same", "after": 1}
    assert "s3cret" not in answer.text


def test_request_without_a_database_answers_503_within_2_seconds(make_app: MakeApp) -> None:
    client = make_app(database_url=NOWHERE).test_client()
    began = time.monotonic()
    check(pay_trip(client), 503, "error", "database_unavailable")
    check(pay_bill(client), 503, "detail", "database_unavailable")
    check(client.get("/payments"), 503, "error", "database_unavailable")
    check(client.get("/v1/payments/5"), 503, "detail", "database_unavailable")
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("header", ["X-Request-ID", "X-Correlation-ID"])
@pytest.mark.parametrize("given", ["abc", "A.b-c_9", "x" * 64])
def test_valid_request_id_is_kept(client: FlaskClient, header: str, given: str) -> None:
    paths = ("/health", "/payments", "/nothing", "/payments/abc")
    answers = [client.get(path, headers={header: given}) for path in paths]
    assert [answer.headers["X-Request-ID"] for answer in answers] == [given] * 4
    assert [answer.headers["X-Correlation-ID"] for answer in answers] == [given] * 4


def test_invalid_request_id_is_replaced(client: FlaskClient) -> None:
    given = ("", "x" * 65, "a b", "<b>", "a\x1b[31m", '"', "${jndi:ldap://x}", "é", "a\x00", "4111-1111-1111-1111")
    answers = [client.get("/payments", headers={"X-Request-ID": each}) for each in given]
    ids = [answer.headers["X-Request-ID"] for answer in answers]

    assert [each for each in ids if not UUID.fullmatch(each)] == []
    assert [answer.headers["X-Correlation-ID"] for answer in answers] == ids
    assert len(set(ids)) == 10


def test_request_id_wins_over_the_correlation_id(client: FlaskClient) -> None:
    answer = client.get("/health", headers={"X-Request-ID": "one", "X-Correlation-ID": "two"})
    assert answer.headers["X-Request-ID"] == answer.headers["X-Correlation-ID"] == "one"


def test_every_answer_carries_ids_and_security_headers(client: FlaskClient) -> None:
    answers = (
        client.post("/payments", json=dict(TRIP)), client.post("/v1/payments", json=dict(BILL)),
        client.get("/nothing"), client.delete("/payments"), client.post("/payments", data="{"),
        client.options("/payments"), client.head("/health"),
    )  # fmt: skip
    policy = "default-src 'none'; frame-ancestors 'none'"
    assert [answer for answer in answers if not UUID.fullmatch(answer.headers["X-Request-ID"])] == []
    assert {answer.headers["X-Content-Type-Options"] for answer in answers} == {"nosniff"}
    assert {answer.headers["Content-Security-Policy"] for answer in answers} == {policy}


@pytest.mark.parametrize("path", ["/payments", "/ops", "/ops/login", "/ops/payments/1", "/docs", "/nothing"])
@pytest.mark.parametrize("host", ["a" * 64 + ".example", "\u2024.example".encode().decode("latin-1"), "a..b"])
def test_impossible_host_causes_no_internal_error_on_any_path(app: Flask, path: str, host: str) -> None:
    # Neither the client that judges (its descriptions lack such an answer) nor cookies, which need a host.
    answer = FlaskClient(app, use_cookies=False).get(path, headers={"Host": host})
    assert answer.status_code < 500, answer.text
    if answer.status_code == 400:
        assert answer.get_json()["code"] == "bad_request"
