"""What the clients want, and what they hear: the history that the oracle judges by."""

import hashlib
import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from tests.crash.points import Ending

Channel = Literal["trips", "bills", "bookings", "orders", "checkout"]
Wish = Literal["charge", "authorize", "capture", "void", "refund", "create", "cancel"]

FREE = frozenset({"create", "cancel"})
"""Wishes that move no money."""

PATIENCE = 15.0
"""Seconds a client waits for an answer: longer than any honest one takes."""

UNDECIDED = frozenset({202, 409, 429, 500, 502, 503, 504})
"""Statuses after which a client asks again with the same key."""


@dataclass(frozen=True)
class Heard:
    """One answer, as it came over the wire."""

    status: int
    body: bytes
    content_type: str
    replayed: bool
    retry_after: str | None

    @property
    def is_final(self) -> bool:
        """Whether a client stops asking."""
        return self.status not in UNDECIDED

    @property
    def said(self) -> tuple[int, bytes, str]:
        """What must be the same in every repetition of a final answer."""
        return self.status, self.body, self.content_type

    @property
    def json(self) -> Any:
        """The body; numbers with a point as Decimals."""
        return json.loads(self.body, parse_float=Decimal)


@dataclass
class Intent:
    """One thing a client wants done once: `amount` is like no other of its kind in the run, so that money that moved
    can be told by it alone, whatever keys the service may have sent to the bank.

    `bent` is the amount that a bank would move which does not do as it is told. `opens` tells whether a payment is made
    by it. Without a `key` the wish is its own key: a repeat after it was granted is refused.
    """

    label: str
    channel: Channel
    kind: Wish
    key: str | None
    path: str
    fields: Mapping[str, Any]
    amount: Decimal
    bent: Decimal
    ends: Ending | Literal["nothing"] = "done"
    opens: bool = True
    method: str = "POST"
    subject: str = ""
    token: str | None = None
    heard: list[Heard] = field(default_factory=list)

    @property
    def key_hash(self) -> str:
        """SHA-256 of the key."""
        return hashlib.sha256((self.key or "").encode()).hexdigest()

    @property
    def scope(self) -> tuple[str, str, str]:
        """Whose key it is: the same text is another key for another caller."""
        return self.channel, self.subject, self.key_hash

    @property
    def moves_money(self) -> bool:
        """Whether the bank is asked."""
        return self.kind not in FREE

    @property
    def finals(self) -> list[Heard]:
        """The final answers so far."""
        return [heard for heard in self.heard if heard.is_final]

    def request(self, **changes: Any) -> bytes:
        """The request's bytes; with `changes` it is another one under the same key."""
        fields = {**self.fields, **changes}
        headers = {"Host": "localhost", "Connection": "close", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.key and self.channel == "trips":
            fields["idempotency_key"] = self.key
        elif self.key:
            headers["Idempotency-Key"] = self.key
        body = json.dumps(fields).encode()
        lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": len(body)}.items()]
        return "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *lines, "", ""]).encode() + body


def ask(port: int, request: bytes) -> Heard | None:
    """Send a request and hear the answer; None when the connection broke, or the answer is not whole."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection)
            response.begin()
            body = response.read()
    except (ConnectionError, http.client.HTTPException):
        return None
    return Heard(
        response.status,
        body,
        response.headers.get("Content-Type", ""),
        response.headers.get("Idempotent-Replayed") == "true",
        response.headers.get("Retry-After"),
    )


def ask_and_leave(port: int, request: bytes) -> None:
    """Send a request and hang up at once, hearing nothing."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(request)
