"""Pay a trip exactly once, whatever happens on the way: a client to copy. It needs only `requests`.

One key belongs to one intent ("ride 101 is paid"). Store it with your own record of the intent before the first try.
Every further try, after a time-out, a crash or a restart, is the same request with the same key: the service does it
once and gives the same answer each time. Only who wants to pay *again*, say after a declined card, takes a new key.
"""

import itertools
import random
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests


@dataclass(frozen=True)
class Payment:
    """`status` is SUCCESS, FAILED (a decline: `message` says why) or REFUNDED."""

    payment_id: int
    status: str
    reference: str
    message: str | None


@dataclass(frozen=True)
class Refund:
    """Money on its way back."""

    refund_id: int
    payment_id: int
    amount: Decimal


class RefusedError(Exception):
    """The service will not do this, and repeating it unchanged is no use; `code` is for programs."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.code: str = body.get("code", "unknown")
        super().__init__(body.get("error", self.code))


class UndecidedError(Exception):
    """Not known within our patience. The money may have moved: call again later, with the same key."""


class PaymentClient:
    """Talks to the service at `url`; gives up after `patience` seconds, which costs nothing but time."""

    def __init__(self, url: str, token: str | None = None, patience: float = 60.0) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def pay(self, key: str, trip_id: int, method: str, amount: Decimal) -> Payment:
        """Charge a trip. Raises RefusedError, UndecidedError."""
        body = {"idempotency_key": key, "trip_id": trip_id, "method": method, "amount": str(amount)}
        told = self._send("/payments", body)
        return Payment(told["payment_id"], told["status"], told["reference"], told.get("message"))

    def refund(self, key: str, payment_id: int, amount: Decimal | None = None) -> Refund:
        """Give `amount` back, or all that is left. Raises RefusedError, UndecidedError."""
        body = {"idempotency_key": key} | ({} if amount is None else {"amount": str(amount)})
        told = self._send(f"/payments/{payment_id}/refunds", body)
        return Refund(told["refund_id"], told["payment_id"], Decimal(str(told["refund_amount"])))

    def _send(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send the same request until it is answered for good."""
        deadline = time.monotonic() + self._patience
        for attempt in itertools.count():
            status, told = self._try(path, body)
            if status == 200:
                return told
            pause = self._pause(status, told, attempt)
            if time.monotonic() + pause > deadline:
                raise UndecidedError(f"no final answer yet: repeat with the key {body['idempotency_key']}")
            time.sleep(pause)
        raise AssertionError("counting never ends")

    def _try(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body of one try; 503 where there was no answer, or none of the service's own."""
        try:
            answer = self._session.post(self._url + path, json=body, timeout=(3, 30), allow_redirects=False)
            told = answer.json()
        except requests.RequestException:  # refused, timed out, cut off, a proxy's page: all mean "ask again"
            return 503, {"retry": {"safe": True, "key": "same", "after": 0}}
        return answer.status_code, told | {"after": int(answer.headers.get("Retry-After", 0))}

    def _pause(self, status: int, told: dict[str, Any], attempt: int) -> float:
        """Seconds until the next try; RefusedError where the service advises against repeating it unchanged."""
        advice = told.get("retry", {})
        repeat = status in (202, 429) or (advice.get("key") == "same" and advice.get("after") is not None)
        if not repeat:
            raise RefusedError(told)
        asked: int = told.get("after") or advice.get("after") or 0
        return asked + 0.1 * 2.0 ** min(attempt, 5) * (0.5 + random.random())  # noqa: S311 - it only spreads load
