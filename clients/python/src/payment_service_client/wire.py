"""How requests and replies look on the wire: JSON whose numbers never pass through a binary float."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NoReturn
from urllib.parse import quote

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Fields = Mapping[str, Json | Decimal]
"""The fields of a body or a query; a field that is None is left out."""

HEADER_LIMIT = 255


def new_key() -> str:
    """A fresh idempotency key (a UUID), for one thing that must happen once."""
    return str(uuid.uuid4())


def chosen(key: str | None) -> str:
    """The caller's key, or a new one."""
    return new_key() if key is None else key


@dataclass(frozen=True, slots=True)
class Terms:
    """What some gateways need: the token of the customer's payment method, the page that the customer returns to."""

    payment_token: str | None = None
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Advice of the service: whether a repeat is safe, with which key (None: without one), after how many seconds."""

    safe: bool
    key: Literal["same", "new"] | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `key_field`: the key travels in the body. `part`: the field of the answer that is asked for.

    `declinable`: an answer with a failed status means that the gateway declined.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    body: Fields | None = None
    query: Fields = field(default_factory=dict)
    key: str | None = None
    key_field: bool = False
    declinable: bool = False
    part: str | None = None
    terms: Terms | None = None

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"

    @property
    def repeatable(self) -> bool:
        """Whether a second one with the same bytes does nothing more than the first."""
        return self.key is not None or self.method in {"GET", "DELETE"}

    def content(self) -> bytes | None:
        """The bytes of the body."""
        if self.body is None:
            return None
        return encode({"idempotency_key": self.key, **self.body} if self.key_field else self.body)

    def headers(self) -> dict[str, str]:
        """The headers that belong to this request; a ValueError for a key that a header cannot carry."""
        found = {"Accept": "application/json"}
        if self.body is not None:
            found["Content-Type"] = "application/json"
        if self.key is not None and not self.key_field:
            found["Idempotency-Key"] = _checked(self.key)
        if self.terms and self.terms.payment_token:
            found["Payment-Token"] = self.terms.payment_token
        if self.terms and self.terms.return_url:
            found["Payment-Return-Url"] = self.terms.return_url
        return found

    def parameters(self) -> dict[str, str]:
        """The query."""
        return {name: str(value) for name, value in self.query.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of one try. Status 0: no answer, or none that can be read; `cause` says why."""

    status: int = 0
    body: object = None
    request_id: str | None = None
    after: float = 0.0
    sent: bool = True
    cause: Exception | None = None

    @property
    def fields(self) -> Mapping[str, object]:
        """The body, if it is an object."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def wants_action(self) -> bool:
        """Whether the customer must act before the gateway decides."""
        return isinstance(self.fields.get("next_action"), dict)

    @property
    def retry(self) -> Retry | None:
        """The advice of the service; None where something in between answered."""
        advice = self.fields.get("retry")
        if not isinstance(advice, dict) or not isinstance(advice.get("safe"), bool):
            return None
        key, after = advice.get("key"), advice.get("after")
        return Retry(advice["safe"], key if key in {"same", "new"} else None, after if isinstance(after, int) else None)


def encode(body: Fields) -> bytes:
    """A JSON object. A Decimal becomes a number with exactly its digits; a float as a field is a TypeError."""
    return (
        "{" + ",".join(f"{json.dumps(name)}:{_text(value)}" for name, value in body.items() if value is not None) + "}"
    ).encode()


def parse(content: bytes) -> object:
    """The value of a JSON text, fractions as Decimal; a ValueError for anything that is not JSON."""
    return json.loads(content, parse_float=Decimal, parse_constant=_not_json)


def segment(value: str | int) -> str:
    """An identifier as one part of a path; a ValueError for one that a URL cannot carry there."""
    if (text := str(value)) in {"", ".", ".."}:
        raise ValueError(f"not an identifier: {text!r}")
    return quote(text, safe="")


def _text(value: Json | Decimal) -> str:
    if isinstance(value, float):
        raise TypeError("an amount is a Decimal, not a float")
    if not isinstance(value, Decimal):
        return json.dumps(value, allow_nan=False)
    if not value.is_finite():
        raise ValueError(f"not an amount: {value}")
    return format(value, "f")


def _checked(key: str) -> str:
    if not (0 < len(key) <= HEADER_LIMIT and key.isascii() and key.isprintable() and key == key.strip()) or set(
        key
    ) & set(',"\\'):
        raise ValueError(
            "a key has 1 to 255 printable ASCII characters, no comma, quote or backslash, no blank at its ends"
        )
    return key


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"not JSON: {constant}")
