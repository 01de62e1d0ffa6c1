"""The steps around a key: whose it is, claiming it, judging one that exists, waiting for one in use.

The row lock serialises every *decision* about a key. Lease and fence carry the decision across the gateway call,
because a lock that dies with a connection cannot survive a crash.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from payment_service import clock
from payment_service.domain.callers import RECOVERY, Origin
from payment_service.domain.errors import KeyInUse, KeyMismatch
from payment_service.domain.fingerprints import differing
from payment_service.domain.operations import Kind, gateway_key
from payment_service.domain.records import Answer, Facts
from payment_service.repositories import idempotency as keys
from payment_service.repositories import payments
from payment_service.repositories.idempotency import KeyRow
from payment_service.repositories.newkeys import Finished
from payment_service.services.answering import answer_now
from payment_service.services.requests import Request, hash_key
from payment_service.services.runtime import Runtime

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.2
"""Seconds between looks at a key in use: a fast gateway is noticed at once, a slow one is not pestered."""


class Held(Enum):
    """Somebody else is working on the key, under a lease that has not ended."""

    HELD = "held"


@dataclass(frozen=True)
class Identity:
    """Whose key it is and its hash. `is_clients` keys bind for ever; implied ones only carry a lease."""

    channel: str
    subject: str
    key_hash: str
    is_clients: bool

    def gateway_key(self, kind: Kind) -> str:
        """The key under which the gateway hears of this key's operation of `kind`."""
        return gateway_key(self.channel, self.subject, self.key_hash, kind)

    @property
    def binding(self) -> dict[Kind, str]:
        """Every gateway key under which a client's key may have moved money; nothing for an implied one."""
        return {kind: self.gateway_key(kind) for kind in Kind} if self.is_clients else {}


def identify(request: Request) -> Identity:
    """The identity of a request's key. A NUL sets implied keys apart: no client's key may contain one."""
    implied = "\x00" + (request.implied_key or clock.new_hex(32))
    text = request.key if request.key is not None else implied
    return Identity(request.channel, request.caller.subject, hash_key(text), request.key is not None)


@dataclass(frozen=True)
class Claim:
    """The right to carry an operation through: held by `owner` under `fence` until the lease ends.

    `send_before` is the moment of the monotonic clock after which nothing may be sent under this lease any more.
    `repeatable`: whoever is told to come back will be recognised. `taken_over` is the key's row as an earlier owner
    left it, None where there was none. `note` is kept beside the operation when it ends.
    """

    key_id: int
    rendering: str
    fence: int
    facts: Facts
    taken_over: KeyRow | None
    send_before: float
    repeatable: bool
    origin: Origin
    note: str | None = None


def new_key(
    request: Request, identity: Identity, owner: str, payment_id: int | None, operation_id: UUID | None
) -> dict[str, Any]:
    """The columns of a key row about to be claimed."""
    at = clock.now()
    return {
        "channel": identity.channel,
        "subject": identity.subject,
        "key_hash": identity.key_hash,
        "request_path": request.route,
        "rendering": request.rendering,
        "fingerprint": request.fingerprint,
        "payment_id": payment_id,
        "operation_id": operation_id,
        "owner": owner,
        "fence": 1,
        "attempts": 1,
        "created_at": at,
        "updated_at": at,
    }


def judge(
    connection: Connection,
    runtime: Runtime,
    request: Request,
    identity: Identity,
    owner: str,
    since: float,
    seen: Finished | None,
) -> Claim | Answer | Held:
    """What an existing key means for `request`: its answer, somebody's lease, or ours to take over.

    `seen` is its answer where it was finished a moment ago: that it stays until it ends; any other key is locked first.
    Raises KeyMismatch where the key was used for something else, in whatever state it is.
    """
    if seen is not None and not seen.expired:  # what has ended may be purged while nobody locks it
        return _repeated(connection, runtime, request, seen, owner)
    row = keys.lock_key(connection, identity.channel, identity.subject, identity.key_hash)
    if row is None:
        # Purged, while what it made is still there; or purged just now, and then the next attempt will own it.
        return bound_answer(connection, runtime, request, identity) or Held.HELD
    if row.finished is not None:
        return _repeated(connection, runtime, request, row.finished, owner)
    if row.fingerprint != request.fingerprint:
        raise _mismatch(connection, row.fingerprint, request, row.payment_id)
    if row.leased and row.owner != owner:
        return Held.HELD
    fence = keys.take_over(connection, row.key_id, owner, runtime.limits.lease)
    _, facts = keys.lock_with_facts(connection, row.key_id)
    return claim(runtime, row.key_id, request.rendering, fence, facts, since, request=request, taken_over=row)


def _repeated(connection: Connection, runtime: Runtime, request: Request, finished: Finished, owner: str) -> Answer:
    if finished.fingerprint != request.fingerprint:
        raise _mismatch(connection, finished.fingerprint, request, finished.payment_id)
    if finished.expired and finished.payment_id is not None:
        _, facts = keys.lock_with_facts(connection, finished.key_id)
        return replayed_now(connection, runtime, request, facts)
    # Written by ourselves, a moment ago, where only the answer to our COMMIT was lost.
    return Answer(finished.response_status, finished.response_data, replayed=finished.owner != owner)


def claim(
    runtime: Runtime,
    key_id: int,
    rendering: str,
    fence: int,
    facts: Facts,
    since: float,
    request: Request | None = None,
    taken_over: KeyRow | None = None,
) -> Claim:
    """A claim just written with a full lease; without a request it is the recovery worker's.

    `since` is a moment of the monotonic clock before the lease was written: locks may have been waited for after it.
    """
    return Claim(
        key_id=key_id,
        rendering=rendering,
        fence=fence,
        facts=facts,
        taken_over=taken_over,
        send_before=since + runtime.limits.lease - runtime.limits.gateway_budget,
        repeatable=request is None or request.is_repeatable,
        origin=request.origin if request else RECOVERY,
    )


def bound_answer(connection: Connection, runtime: Runtime, request: Request, identity: Identity) -> Answer | None:
    """The answer of a key whose row was purged: the binding stands on what it made. None where it made nothing.

    Raises KeyMismatch where it made something else, whatever kind of thing that was.
    """
    if not identity.is_clients:
        return None
    moved = payments.facts_by_gateway_keys(connection, list(identity.binding.values()))
    made = [(facts, facts.operation.fingerprint) for facts in moved if facts.operation]
    created = payments.created_by_key(connection, identity.channel, identity.subject, identity.key_hash)
    if not made and created is not None:
        made = [(Facts(created), created.fingerprint or "")]
    for facts, fingerprint in made:
        if fingerprint == request.fingerprint:
            return replayed_now(connection, runtime, request, facts)
    for facts, fingerprint in made:
        raise _mismatch(connection, fingerprint, request, facts.payment.payment_id)
    return None


def replayed_now(connection: Connection, runtime: Runtime, request: Request, facts: Facts) -> Answer:
    """The answer of a key whose cached one has ended: the same thing in its present state, marked as replayed."""
    return replace(answer_now(connection, runtime, request.rendering, facts), replayed=True)


def wait_until_free(runtime: Runtime, identity: Identity, deadline: float) -> None:
    """Return when the key is worth another try, holding no connection while waiting. Raises KeyInUse at `deadline`."""
    pause = FIRST_PAUSE
    while clock.monotonic() < deadline:
        clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        with runtime.database.reading() as connection:
            row = keys.find_key(connection, identity.channel, identity.subject, identity.key_hash)
        if row is None or row.response_status is not None or not row.leased:
            return
    raise KeyInUse


def _mismatch(connection: Connection, made: str, request: Request, payment_id: int | None) -> KeyMismatch:
    fields = differing(made, request.fingerprint)
    payment = None if payment_id is None else payments.find(connection, request.channel, "payment_id", payment_id)
    return KeyMismatch(
        f"This idempotency key was used for another request (different: {', '.join(fields)})",
        fields=fields,
        payment=payment,
    )
