"""Webhooks: the signature, the due time of a delivery, and an endpoint's misbehaviour."""

import hashlib
import hmac
from typing import Any

from simulator.stripe.store import Json

MISBEHAVIOUR = {"delay": 0.0, "shuffle": 0.0, "duplicate": 0.0, "lose": 0.0, "forge": 0.0}
"""`delay`: seconds before the first attempt; `shuffle`: seconds over which deliveries are spread at random; the others
are shares (0 to 1) of events: sent twice, never sent, signed with another secret at the first attempt.
"""


def signature(secrets: list[str], moment: int, body: bytes) -> str:
    """Return the header `Stripe-Signature`: one `v1` for each secret, several while one replaces another."""
    signed = f"{moment}.".encode() + body
    marks = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={moment}", *(f"v1={mark}" for mark in marks)])


def first_due(endpoint: Json, event_id: str, now: float) -> list[float | None]:
    """Return the due times of an event's deliveries to an endpoint, in seconds since 1970; None for a lost one."""
    habits: dict[str, Any] = endpoint["misbehaviour"]
    if _drawn("lose", event_id) < habits["lose"]:
        return [None]
    due = now + habits["delay"]
    times = 2 if _drawn("duplicate", event_id) < habits["duplicate"] else 1
    return [due + _drawn(f"shuffle{number}", event_id) * habits["shuffle"] for number in range(times)]


def is_forged(endpoint: Json, event_id: str) -> bool:
    """Return True if the first attempt of this event is signed with another secret."""
    return bool(_drawn("forge", event_id) < endpoint["misbehaviour"]["forge"])


def _drawn(purpose: str, event_id: str) -> float:
    digest = hashlib.sha256(f"{purpose}:{event_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
