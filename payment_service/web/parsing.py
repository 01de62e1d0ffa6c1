"""Strict reading of requests: body, query, path and idempotency key. No error here is a 5xx."""

import re
from typing import Any
from uuid import UUID

from flask import request
from gunicorn.http.errors import ParseException
from marshmallow import Schema
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from payment_service.domain.errors import BodyTooLarge, FieldError, Invalid, ServiceError, UnsupportedMediaType
from payment_service.web.fields import load
from payment_service.web.strict_json import LARGEST_INTEGER, judge_text, parse_object

MOST_BYTES = 64 * 1024
LONGEST_KEY = 255

_NUMBER = re.compile(r"-?[0-9]{1,19}")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def json_body() -> dict[str, Any]:
    """Return the request's JSON object; numbers are `int` or `Number` (exact text), texts have no control characters.

    Raises UnsupportedMediaType unless the body is plain `application/json`, BodyTooLarge above 64 kB (chunked, too),
    Invalid for a missing, cut off or malformed body, CardDataNotAccepted for a card number anywhere in it.
    """
    body = raw_body() if _may_have_body() else b""
    if not body:
        raise Invalid([FieldError(("body",), "Request body is required", "missing")])
    return parse_object(body)


def _may_have_body() -> bool:
    """Return False if there is no body: the caller then reports that before a wrong media type."""
    if request.content_length is None and "Transfer-Encoding" not in request.headers:
        return False
    if request.content_length == 0:
        return False
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if (
        request.mimetype != "application/json"
        or charset not in ("utf-8", "utf8")
        or "Content-Encoding" in request.headers
    ):
        raise UnsupportedMediaType
    return True


def raw_body(most: int = MOST_BYTES) -> bytes:
    """Return the request's body, byte for byte. Raises BodyTooLarge above `most` bytes, Invalid if it is cut off."""
    # One byte more than allowed: at exactly the limit the limited stream would raise an error at its end.
    request.max_content_length = most + 1
    too_large = BodyTooLarge(f"The body is larger than {most // 1024} kB.")
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise too_large from None
    except (HTTPException, ParseException, OSError):
        raise _cut_off() from None
    if len(body) > most:
        raise too_large
    if request.content_length not in (None, len(body)):
        raise _cut_off()
    return body


def _cut_off() -> Invalid:
    return Invalid([FieldError(("body",), "The body could not be read to its end", "json_invalid")])


def query(schema: Schema) -> dict[str, Any]:
    """Return the query parameters of `schema`, each sent at most once, without control characters or card numbers."""
    known = {field.data_key or name for name, field in schema.load_fields.items()}
    given = {name: request.args.getlist(name) for name in request.args if name in known}
    for name, values in given.items():
        if len(values) > 1:
            raise Invalid([FieldError(("query", name), f"{name} is given more than once")])
        judge_text(values[0], ("query", name), lines=False)
    return load(schema, {name: values[0] for name, values in given.items()}, "query")


def path_number(text: str, name: str, otherwise: ServiceError | None = None) -> int:
    """Return a number in the path, ASCII digits within 64 bits. Raises `otherwise`, or Invalid with the name."""
    if _NUMBER.fullmatch(text) and abs(int(text)) <= LARGEST_INTEGER:
        return int(text)
    raise otherwise or Invalid([FieldError(("path", name), f"{name} must be a whole number", "int_parsing")])


def path_uuid(text: str, otherwise: ServiceError) -> UUID:
    """Return a UUID in the path, in its usual form and any case. Raises `otherwise` for any other text."""
    if not _UUID.fullmatch(text):
        raise otherwise
    return UUID(text)


def path_text(text: str, name: str) -> str:
    """Return a text in the path. Raises Invalid with the name for control characters, CardDataNotAccepted."""
    judge_text(text, ("path", name), lines=False)
    return text


def key_text(value: object, loc: tuple[str, str]) -> str:
    """Return a client's key, trimmed; `loc` is its place in the request.

    Raises Invalid for other types than text, an empty or overlong key and control characters, CardDataNotAccepted for a
    card number: its hash could be reversed by trying all numbers.
    """
    if not isinstance(value, str):
        raise Invalid([FieldError(loc, f"{loc[1]} must be a text", "string_type")])
    key = trimmed(value)
    if not 1 <= len(key) <= LONGEST_KEY:
        raise Invalid([FieldError(loc, f"{loc[1]} must have 1 to {LONGEST_KEY} characters", "string_length")])
    judge_text(key, loc, lines=False)
    return key


def trimmed(text: str) -> str:
    """Return a text without blanks around it; `str.strip()` would also remove control characters silently."""
    return text.strip(" \t\r\n")
