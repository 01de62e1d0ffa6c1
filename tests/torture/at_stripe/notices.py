"""Webhooks that are not the bank's, or not true: forged ones, which must leave nothing, and signed ones that lie."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import requests

from simulator.stripe.webhooks import signature
from tests.torture.at_stripe.ledger import Object

SECRETS = ("whsec_of_the_torture", "whsec_of_tomorrow")
"""Two, as while one replaces the other: the bank signs by the first."""

TYPES = (
    "payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled",
    "payment_intent.amount_capturable_updated", "refund.failed", "refund.updated", "charge.dispute.closed",
)  # fmt: skip
CLAIMS = ("succeeded", "canceled", "requires_capture", "failed", "lost")
OLD, EARLY = -900, 900
"""Seconds from now at which a notice that is too old, or from the future, claims to be signed."""


class Forger:
    """Sends notices about real objects to the service at `hook`. `stored` and `turned_away` are ids of events."""

    def __init__(self, hook: str, random: Random, account: Callable[[], Sequence[Object]]) -> None:
        self._hook = hook
        self._random = random
        self._account = account
        self.stored: set[str] = set()
        self.turned_away: set[str] = set()
        self.violations: list[str] = []
        self.counted: Counter[str] = Counter()
        self._ways: Mapping[str, Callable[[Object], None]] = {
            "wrong secret": lambda event: self._forge(event, secrets=["whsec_of_another_account"]),
            "old": lambda event: self._forge(event, moved=OLD),
            "early": lambda event: self._forge(event, moved=EARLY),
            "other mode": lambda event: self._forge(event | {"livemode": True}),
            "unsigned": lambda event: self._forge(event, header="t=1,v0=00"),
            "changed": self._change,
        }

    def forge(self) -> None:
        """Forge a notice in each way once."""
        for name, way in self._ways.items():
            if (event := self._event(name)) is not None:
                way(event)

    def lie(self) -> None:
        """Send an untrue notice with the bank's signature: the service may ask because of it, and believes nothing."""
        for _ in range(3):
            if (event := self._event("lie")) is None:
                return
            body = json.dumps(event).encode()
            self.stored.add(event["id"])
            status = self._send(body, signature([SECRETS[0]], int(time.time()), body))
            if status not in {200, None} and status < 500:
                self.violations.append(f"S20: a signed notice got {status}: {event}")
            self.counted["lies"] += 1

    def _event(self, name: str) -> Object | None:
        """Return an event about one of the account's objects, with any claim."""
        found = self._account()
        if not found:
            return None
        about, number = self._random.choice(found), self._random.getrandbits(64)
        claimed = about | {"status": self._random.choice(CLAIMS), "amount": 1, "amount_received": 1}
        return {
            "id": f"evt_{name.replace(' ', '_')}_{number:x}",
            "object": "event",
            "api_version": "2019-02-19",
            "created": int(time.time()) - self._random.randrange(3600),
            "livemode": False,
            "type": self._random.choice(TYPES),
            "data": {"object": claimed},
        }

    def _change(self, event: Object) -> None:
        """A signature of the bank's over another body."""
        signed = signature([SECRETS[0]], int(time.time()), json.dumps(event).encode())
        self._forge(event | {"id": f"{event['id']}_changed"}, header=signed)

    def _forge(
        self, event: Object, secrets: Sequence[str] = SECRETS[:1], moved: int = 0, header: str | None = None
    ) -> None:
        body = json.dumps(event).encode()
        self.turned_away.add(event["id"])
        status = self._send(body, header or signature(list(secrets), int(time.time()) + moved, body))
        if status is not None and status != 400 and status < 500:
            self.violations.append(f"S20: a forged notice got {status}: {event['id']}")
        self.counted[f"forged, {status or 'unheard'}"] += 1

    def _send(self, body: bytes, signed: str) -> int | None:
        headers: dict[str, Any] = {"Stripe-Signature": signed, "Content-Type": "application/json"}
        try:
            return requests.post(self._hook, body, headers=headers, timeout=5).status_code
        except requests.RequestException:
            return None
