"""The client's idempotency key in the `Idempotency-Key` header.

A server joins repeated headers with a comma before we see them. A key that release 1.0.0 stored with its commas and
quotes stays that key: the text as sent is looked up first. Only an unknown text is read as a list of values.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask import g, request

from payment_service.domain.errors import FieldError, Invalid
from payment_service.services.key_status import is_known
from payment_service.web.context import dependencies, principal
from payment_service.web.parsing import LONGEST_KEY, key_text, trimmed

KEY_HEADER = "Idempotency-Key"
KEY_FIELD = "idempotency_key"

MOST_SENT = 4 * LONGEST_KEY
"""Characters of a header with commas: the longest key, sent several times."""

_HEADER, _BODY = ("header", KEY_HEADER), ("body", KEY_FIELD)
_VALUE = re.compile(r'(?:^|,)((?:"(?:[^"\\]|\\.)*"|[^,])*)')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def header_key(body: Mapping[str, Any]) -> str | None:
    """Return the client's key if the document has it in the header, None without the header.

    Raises Invalid for an ambiguous key, and for a body that names a different key.
    """
    given = request.headers.get(KEY_HEADER)
    if given is None:
        return None
    sent = _text(given)
    if "," in sent or '"' in sent:
        is_old = len(sent) <= LONGEST_KEY and is_known(dependencies(), principal(), g.channel, sent)
        key = sent if is_old else only_value(sent)
    else:
        key = key_text(sent, _HEADER)
    named = body.get(KEY_FIELD)
    if named is not None and key_text(named, _BODY) not in (key, sent):
        raise _differ()
    return key


def required_key(body: Mapping[str, Any]) -> str:
    """Return the same key, if the document requires it. Raises Invalid without one."""
    key = header_key(body)
    if key is None:
        raise Invalid([FieldError(_HEADER, f"{KEY_HEADER} is required", "missing")])
    return key


def check_header(key: str) -> None:
    """Raise Invalid if the header, which was sent, names a different key than the body, where the document has it."""
    if key != (sent := _text(request.headers[KEY_HEADER])) and key != only_value(sent):
        raise _differ()


def only_value(text: str) -> str:
    """Return the only value of a header that may have been sent several times, without its double quotes.

    Raises Invalid for several different values.
    """
    if len(text) > MOST_SENT:
        raise Invalid([FieldError(_HEADER, f"{KEY_HEADER} must have at most {MOST_SENT} characters", "string_length")])
    values = {unquoted(value.strip(" \t")) for value in _VALUE.findall(text)}
    if len(values) > 1:
        message = f"{KEY_HEADER} must have one value; a key with a comma must be in double quotes"
        raise Invalid([FieldError(_HEADER, message)])
    return key_text(values.pop(), _HEADER)


def unquoted(value: str) -> str:
    """Return a value without its double quotes and the backslashes in them; any other text unchanged."""
    quoted = _QUOTED.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value


def _text(given: str) -> str:
    """Return the header's text, trimmed.

    WSGI decodes its bytes as Latin-1, but clients send UTF-8, and the key's hash is one of the bytes that they sent.
    """
    try:
        return trimmed(given.encode("latin-1").decode())
    except UnicodeError:
        raise Invalid([FieldError(_HEADER, f"{KEY_HEADER} is not UTF-8", "string_unicode")]) from None


def _differ() -> Invalid:
    return Invalid([FieldError(_HEADER, f"{KEY_HEADER} and {KEY_FIELD} differ")])
