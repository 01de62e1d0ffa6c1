import io
from typing import Any, NoReturn

import pytest
from flask.testing import FlaskClient
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize
from werkzeug.exceptions import ClientDisconnected
from werkzeug.test import TestResponse

from payment_service.domain.errors import CardDataNotAccepted, Invalid, NotFound
from payment_service.web.key_header import header_key
from payment_service.web.parsing import key_text, path_number
from payment_service.web.strict_json import Number
from tests.support.parsing_app import app, chunked


@pytest.fixture
def client() -> FlaskClient:
    return app.test_client()


def post(
    client: FlaskClient, body: bytes, content_type: str | None = "application/json", **options: Any
) -> TestResponse:
    return client.post("/body", data=body, content_type=content_type, **options)


def declared(client: FlaskClient, stream: io.IOBase, length: int) -> TestResponse:
    """Send a body of a declared length, as gunicorn passes it on; return the answer."""
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": str(length)}
    return client.post("/body", content_type="application/json", environ_overrides=environ)


def faults(response: TestResponse) -> list[Any]:
    assert response.json is not None
    return list(response.json["faults"])


@pytest.mark.parametrize(
    "content_type",
    [
        None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp",
        "text/json", "application/problem+json", "application/json; charset=latin-1",
        "application/json; charset=utf-16",
    ],
)  # fmt: skip
def test_body_of_another_media_type_is_refused(client: FlaskClient, content_type: str | None) -> None:
    assert post(client, b"{}", content_type).status_code == 415


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "application/json; charset=UTF-8"])
def test_json_media_type_is_accepted_in_every_valid_spelling(client: FlaskClient, content_type: str) -> None:
    assert post(client, b'{"a": 1}', content_type).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "x"])
def test_body_with_a_content_encoding_is_refused(client: FlaskClient, encoding: str) -> None:
    assert post(client, b"{}", headers={"Content-Encoding": encoding}).status_code == 415


def sized(size: int) -> bytes:
    return b'{"a": "' + b"x" * (size - 9) + b'"}'


def test_body_above_64_kilobytes_is_refused(client: FlaskClient) -> None:
    assert post(client, sized(65536)).status_code == 200
    assert post(client, sized(65537)).status_code == 413
    assert post(client, sized(10_000_000)).status_code == 413
    assert chunked(client, io.BytesIO(sized(65536))).status_code == 200
    assert chunked(client, io.BytesIO(sized(65537))).status_code == 413


class Endless(io.RawIOBase):
    """A body that never ends; it counts the bytes that were read."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"x" * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


def test_endless_body_is_read_only_up_to_the_limit(client: FlaskClient) -> None:
    stream = Endless()
    assert chunked(client, stream).status_code == 413
    assert stream.taken <= 2 * 65536


@pytest.mark.parametrize("length", [10**10, 65538])
def test_body_declared_too_long_is_refused_before_it_is_read(client: FlaskClient, length: int) -> None:
    stream = Endless()
    assert declared(client, stream, length).status_code == 413
    assert stream.taken == 0


class Breaking(io.RawIOBase):
    """A body that fails while it is read, with the errors of servers."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: Any) -> NoReturn:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [InvalidChunkSize(b"zz"), ChunkMissingTerminator(b"x"), ClientDisconnected(), OSError("gone"), TimeoutError()],
)
def test_body_that_breaks_off_answers_422(client: FlaskClient, error: Exception) -> None:
    response = chunked(client, Breaking(error))
    assert response.status_code == 422
    assert faults(response) == [[["body"], "The body could not be read to its end", "json_invalid"]]


def test_body_shorter_than_declared_is_refused(client: FlaskClient) -> None:
    assert declared(client, io.BytesIO(b'{"a": 1}'), 100).status_code == 422
    assert declared(client, io.BytesIO(b'{"a": 1}'), 8).status_code == 200


@pytest.mark.parametrize("content_type", [None, "application/json"])
def test_missing_body_is_refused_before_its_type(client: FlaskClient, content_type: str | None) -> None:
    missing = [[["body"], "Request body is required", "missing"]]
    assert faults(client.post("/body", content_type=content_type)) == missing
    assert faults(post(client, b"", content_type)) == missing


def test_payment_is_loaded_with_its_key(client: FlaskClient) -> None:
    body = {"order_id": "7", "amount": "150", "currency": "kwd", "method": "cash", "metadata": {"a": 0.5}, "x": 1}
    response = client.post("/payments", json=body, headers={"Idempotency-Key": " demo-client-1 "})
    understood = {"key": "demo-client-1", "order_id": "7", "amount": "150.000", "currency": "KWD", "method": "CASH"}
    assert response.json == understood | {"metadata": {"a": 0.5}}


def test_query_keeps_declared_parameters_and_their_defaults(client: FlaskClient) -> None:
    assert client.get("/payments?limit=5&x=1&x=2&status=PAID").json == {"limit": 5, "status": "PAID"}
    assert client.get("/payments").json == {"limit": 10}


@pytest.mark.parametrize(
    "text",
    [
        "limit=5&limit=6",
        "limit=101",
        "limit=0",
        "limit=%D9%A1",
        "limit=1e1",
        "limit=",
        "status=%00",
        "status=4111111111111111",
    ],
)
def test_invalid_query_answers_422_and_names_the_parameter(client: FlaskClient, text: str) -> None:
    response = client.get(f"/payments?{text}")
    assert response.status_code == 422
    assert faults(response)[0][0] == ["query", text.split("=", maxsplit=1)[0]]


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("0", 0), ("-1", -1), ("007", 7), (str(2**63 - 1), 2**63 - 1)])
def test_number_in_the_path_is_parsed(text: str, number: int) -> None:
    assert path_number(text, "payment_id") == number


@pytest.mark.parametrize(
    "text", ["", "x", "1.0", "1e3", "\u0661", "+1", " 1", "1\n", "0x1", str(2**63), "9" * 5_000, "1\x00"]
)
def test_path_without_a_number_is_refused_as_documented(text: str) -> None:
    with pytest.raises(NotFound):
        path_number(text, "payment_id", NotFound())
    with pytest.raises(Invalid) as caught:
        path_number(text, "payment_id")
    assert caught.value.faults[0].loc == ("path", "payment_id")


def key_of(header: str | None, body: object) -> str | None:
    """Return the key of a request with this header and body, or of a document that has it in the body."""
    if header is None:
        return None if body is None else key_text(body, ("body", "idempotency_key"))
    with app.test_request_context(headers={"Idempotency-Key": header}):
        return header_key({"idempotency_key": body})


@pytest.mark.parametrize(
    ("header", "body", "key"),
    [
        (None, None, None),
        ("demo-client-1", None, "demo-client-1"),
        (None, "demo-client-1", "demo-client-1"),
        ("  demo ", "demo", "demo"),
        ("a" * 255, None, "a" * 255),
        (None, "\u00e9" * 255, "\u00e9" * 255),
        ("caf\u00e9".encode().decode("latin-1"), "caf\u00e9", "caf\u00e9"),
        (None, "one,two", "one,two"),
        (None, '"quoted"', '"quoted"'),
        ("6fa459ea-ee8a-3ca4-894e-db77e160355e", None, "6fa459ea-ee8a-3ca4-894e-db77e160355e"),
    ],
)
def test_key_is_trimmed_and_otherwise_unchanged(header: str | None, body: object, key: str | None) -> None:
    assert key_of(header, body) == key


@pytest.mark.parametrize(
    ("header", "body", "loc"),
    [
        ("", None, ("header", "Idempotency-Key")),
        ("   ", None, ("header", "Idempotency-Key")),
        ("a" * 256, None, ("header", "Idempotency-Key")),
        ("a" * 8190, None, ("header", "Idempotency-Key")),
        ("a\x00b", None, ("header", "Idempotency-Key")),
        ("a\tb", None, ("header", "Idempotency-Key")),
        ("\xff\xfe", None, ("header", "Idempotency-Key")),
        ("one", "two", ("header", "Idempotency-Key")),
        (None, "", ("body", "idempotency_key")),
        (None, "a\nb", ("body", "idempotency_key")),
        (None, "a\x85b", ("body", "idempotency_key")),
        (None, "a\ud800", ("body", "idempotency_key")),
        (None, 7, ("body", "idempotency_key")),
        (None, True, ("body", "idempotency_key")),
        (None, ["a"], ("body", "idempotency_key")),
        (None, Number("1.5"), ("body", "idempotency_key")),
    ],
)
def test_invalid_or_ambiguous_key_is_refused(header: str | None, body: object, loc: tuple[str, str]) -> None:
    with pytest.raises(Invalid) as caught:
        key_of(header, body)
    assert caught.value.faults[0].loc == loc


@pytest.mark.parametrize(
    ("header", "body"), [("4111111111111111", None), (None, "order 4111 1111 1111 1111")], ids=["header", "body"]
)
def test_card_number_as_a_key_is_refused_without_an_echo(header: str | None, body: str | None) -> None:
    with pytest.raises(CardDataNotAccepted) as caught:
        key_of(header, body)
    assert "4111" not in str(caught.value)
