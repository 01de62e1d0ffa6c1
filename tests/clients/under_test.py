"""One way to call the client of each language: a call in plain words goes in, its outcome comes out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

LOST, UNSENT = "lost", "unsent"
"""Answers that do not come: after the request was sent, and because no connection came about."""


@dataclass(frozen=True)
class Canned:
    """An answer without a network."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(body: object, status: int = 200, **headers: str) -> Canned:
    """Return an answer with a body: a text as it is, anything else as JSON. `Retry_After="2"` is a header."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Canned(status, text, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Call:
    """One call; its arguments and options in the words of the scenarios, amounts as text.

    `answers`: without a network, the last one again and again. `token`: one for each try, if it is a list.
    `real`: the clock is the real one, not one that moves only while the client sleeps.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)
    url: str = "http://service"
    options: Mapping[str, float] = field(default_factory=dict)
    answers: tuple[Canned | str, ...] | None = None
    token: str | list[str] | None = None
    real: bool = False


@dataclass(frozen=True)
class Try:
    """A request that the client sent, and the status of its answer (0: none). Names of headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str | None
    status: int

    @property
    def key(self) -> str | None:
        """Return the key, from the header or from the body."""
        found = self.headers.get("idempotency-key") or self.fields.get("idempotency_key")
        return None if found is None else str(found)

    @property
    def fields(self) -> Mapping[str, Any]:
        """Return the fields of the body, fractions as Decimal."""
        read: Mapping[str, Any] = json.loads(self.body or "{}", parse_float=Decimal)
        return read

    @property
    def path(self) -> str:
        """Return path and query."""
        return "/" + self.url.split("/", 3)[3]

    @property
    def bytes_sent(self) -> tuple[object, ...]:
        """Return all that the tries of one call have in common."""
        return self.method, self.url, self.body, self.headers.get("idempotency-key")


@dataclass(frozen=True)
class Outcome:
    """The answer of a call as plain values, or its error; every try, and the seconds that the client slept."""

    answer: Any
    error: Mapping[str, Any] | None
    tries: list[Try]
    pauses: list[float]

    @property
    def raised(self) -> Mapping[str, Any]:
        """Return the error of a call that has one."""
        assert self.error is not None, self.answer
        return self.error


class Client(Protocol):
    """A client of some language."""

    name: str

    def __call__(self, call: Call) -> Outcome:
        """Make the call."""

    def methods(self) -> list[str]:
        """Return the names of all methods of channels, such as `trips.pay`."""
