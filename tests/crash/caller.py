"""The clients' wishes and the answers they hear: the history by which the oracle judges."""

import hashlib
import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from tests.crash.stages import ACTS, Ending, News

Channel = Literal["trips", "bills", "bookings", "orders", "checkout"]
Wish = Literal["charge", "authorize", "capture", "void", "refund", "create", "cancel"]

FREE = frozenset({"create", "cancel"})
"""Wishes that move no money."""

CARD, CARD_THAT_ASKS = "pm_card_visa", "pm_card_authenticationRequired"
"""The customer's payment method; a gateway that wants none never sees it. For the second one the customer must act."""
BACK = "https://shop.example.com/back"

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
        """Return the parts of a final answer that every repetition must repeat."""
        return self.status, self.body, self.content_type

    @property
    def json(self) -> Any:
        """The body; numbers with a point as Decimals."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def says_success(self) -> bool | None:
        """Return whether a caller that never repeats reads a success; None where the answer calls no repeat safe."""
        if not self.content_type.startswith("application/json"):
            return None
        if "success" in self.json:
            return self.status == 200 and bool(self.json["success"])
        return False if self.json.get("retry", {}).get("safe") else None


@dataclass
class Intent:
    """One thing a client wants done once: `amount` is unique for its kind in the run, so that it alone identifies the
    money that moved, under any key that the service may have sent to the bank.

    `bent` is the amount that a disobedient bank would move. `opens` is true if it makes a payment. Without a `key` the
    wish is its own key: a repeat after it was granted is refused; or it `asks_once`, because a repeat would be another
    payment. `new_token` is that of the same caller, its subject renamed. `news` becomes known of it later. `card` is
    the customer's payment method, `return_url` where the customer comes back to.
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
    new_token: str | None = None
    asks_once: bool = False
    news: News | None = None
    card: str = CARD
    return_url: str = ""
    heard: list[Heard] = field(default_factory=list)

    @property
    def key_hash(self) -> str:
        """SHA-256 of the key."""
        return hashlib.sha256((self.key or "").encode()).hexdigest()

    @property
    def scope(self) -> tuple[str, str, str]:
        """Return the key's scope: the same text is another key for another caller."""
        return self.channel, self.subject, self.key_hash

    @property
    def moves_money(self) -> bool:
        """Whether the bank is asked."""
        return self.kind not in FREE

    @property
    def finals(self) -> list[Heard]:
        """The final answers so far."""
        return [heard for heard in self.heard if heard.is_final]

    @property
    def told(self) -> bool | None:
        """Return the outcome that a caller heard that asks once: paid, not paid, or nothing to rely on."""
        return self.heard[0].says_success if self.heard else None

    def request(self, *, renamed: bool = False, **changes: Any) -> bytes:
        """The request's bytes, under the new subject where `renamed`; with `changes` another one under the same key."""
        fields, token = {**self.fields, **changes}, self.new_token if renamed else self.token
        headers = {"Host": "localhost", "Connection": "close", "Content-Type": "application/json"}
        headers["Payment-Token"] = self.card
        if self.return_url:
            headers["Payment-Return-Url"] = self.return_url
        if self.news in ACTS:
            headers |= {"Payment-Token": CARD_THAT_ASKS, "Payment-Return-Url": BACK}
        if token:
            headers["Authorization"] = f"Bearer {token}"
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
