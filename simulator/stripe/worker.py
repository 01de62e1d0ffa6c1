"""Work without a request: deliveries to webhook endpoints, and timers."""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from payment_service import clock
from payment_service.gateways.simulated import SuccessRates
from simulator.ledger import Ledger, LedgerClosedError
from simulator.stripe.call import Call, shown
from simulator.stripe.events import with_pending
from simulator.stripe.store import Json, Store
from simulator.stripe.webhooks import is_forged, signature

Action = Callable[[Call, str], None]
BATCH = 20
"""Deliveries taken at once."""
_DUE = """
SELECT d.number, d.event_id, d.tries, e.body FROM stripe_deliveries d JOIN stripe_endpoints e ON e.id = d.endpoint_id
 WHERE d.due <= ? ORDER BY d.due, d.number LIMIT ?
"""
_NEXT = """
SELECT min(due) AS due
  FROM (SELECT due FROM stripe_deliveries WHERE due IS NOT NULL UNION ALL SELECT due FROM stripe_timers)
"""


@dataclass(frozen=True)
class _Delivery:
    number: int
    tries: int
    url: str
    headers: dict[str, str]
    body: bytes
    timeout: float


class Worker:
    """A thread that runs from its first task until the ledger is closed."""

    def __init__(self, ledger: Ledger, rates: SuccessRates, actions: Mapping[str, Action]) -> None:
        self._ledger = ledger
        self._rates = rates
        self._actions = actions
        self._lock = threading.Lock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Check now if anything is due."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        self._bell.set()

    def _run(self) -> None:
        with requests.Session() as http:
            http.trust_env = False
            try:
                while True:
                    self._bell.clear()
                    self._let_happen()
                    for delivery in self._due():
                        self._finish(delivery, arrived=_send(http, delivery))
                    self._bell.wait(self._pause())
            except LedgerClosedError:
                return

    def _let_happen(self) -> None:
        with self._ledger.transaction() as db:
            now = clock.now().timestamp()
            for row in db.execute("SELECT * FROM stripe_timers WHERE due <= ? ORDER BY due", (now,)).fetchall():
                db.execute("DELETE FROM stripe_timers WHERE number = ?", (row["number"],))
                self._actions[row["action"]](Call(Store(db), self._ledger, self._rates), row["object_id"])

    def _due(self) -> list[_Delivery]:
        with self._ledger.transaction() as db:
            call = Call(Store(db), self._ledger, self._rates)
            rows = db.execute(_DUE, (clock.now().timestamp(), BATCH)).fetchall()
            return [_delivery(call, row) for row in rows]

    def _finish(self, delivery: _Delivery, *, arrived: bool) -> None:
        with self._ledger.transaction() as db:
            store, tries = Store(db), delivery.tries + 1
            due: float | None = None
            outcome: str | None = "delivered" if arrived else "given_up"
            if not arrived and tries <= store.setting("retries"):
                due, outcome = clock.now().timestamp() + store.setting("retry_base") * 2**delivery.tries, None
            db.execute(
                "UPDATE stripe_deliveries SET due = ?, outcome = ?, tries = ? WHERE number = ?",
                (due, outcome, tries, delivery.number),
            )

    def _pause(self) -> float | None:
        with self._ledger.transaction() as db:
            due = db.execute(_NEXT).fetchone()["due"]
        # A daemon that waits without end would not notice that the ledger was closed.
        return 1.0 if due is None else min(max(due - clock.now().timestamp(), 0.0), 1.0)


def _delivery(call: Call, row: Any) -> _Delivery:
    endpoint: Json = json.loads(row["body"])
    event = call.store.find(row["event_id"], "event")
    assert event is not None  # noqa: S101 - one transaction writes the delivery and the event
    body = json.dumps(shown(with_pending(call, event)) | endpoint.get("overrides", {}), indent=2).encode()
    forged = row["tries"] == 0 and is_forged(endpoint, event["id"])
    secrets = ["whsec_of_somebody_else"] if forged else endpoint["secrets"]
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(secrets, int(clock.now().timestamp()), body),
    }
    timeout = call.store.setting("webhook_timeout")
    return _Delivery(row["number"], row["tries"], endpoint["url"], headers, body, timeout)


def _send(http: requests.Session, delivery: _Delivery) -> bool:
    try:
        answer = http.post(
            delivery.url, delivery.body, headers=delivery.headers, timeout=delivery.timeout, allow_redirects=False
        )
    except requests.RequestException:
        return False
    return answer.ok and not answer.is_redirect
