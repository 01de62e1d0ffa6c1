"""Claiming: a request's way to the right to move money, or to the answer that already exists.

INSERT key … ON CONFLICT DO NOTHING. Inserted: payment, operation, audit row and event beside it, COMMIT, and the claim
is ours. Not inserted: what is finished is replayed, for it never changes again; everything else is decided after
SELECT … FOR UPDATE: replay, take over, wait, or refuse a key used for something else.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from payment_service import clock, metrics
from payment_service.domain.errors import KeyInUse, KeyMismatch, Refused
from payment_service.domain.records import Answer
from payment_service.repositories import idempotency as keys
from payment_service.repositories import newkeys, payments
from payment_service.repositories.newkeys import Finished
from payment_service.services import changes, idempotency
from payment_service.services.idempotency import Claim, Held, Identity
from payment_service.services.intents import Intent
from payment_service.services.recording import store_refusal
from payment_service.services.requests import Movement, Request
from payment_service.services.runtime import Runtime

LABEL_ATTEMPTS = 8
"""Tries to find ids that nobody has. Two clashes in a row are a coincidence, eight are a fault to be seen."""


@dataclass(frozen=True)
class Claiming:
    """One request on its way to a claim on one movement."""

    runtime: Runtime
    request: Request
    movement: Movement

    @cached_property
    def identity(self) -> Identity:
        """Whose key this is."""
        return idempotency.identify(self.request)

    @cached_property
    def owner(self) -> str:
        """Our name on the key's row: a claim whose COMMIT was not answered is recognised by it."""
        return clock.new_hex(32)

    def run(self) -> Claim | Answer:
        """The claim, or the answer that makes one needless. Waits for a key in use; raises KeyInUse, KeyMismatch."""
        try:
            outcome = self._outcome()
        except KeyInUse:
            metrics.key_was_in_use()
            raise
        except KeyMismatch:
            metrics.key_was_mismatched()
            raise
        if isinstance(outcome, Answer) and outcome.replayed:
            metrics.key_was_replayed()
        elif isinstance(outcome, Claim) and outcome.taken_over is not None:
            metrics.key_was_taken_over()
        else:
            metrics.key_was_new()
        return outcome

    def _outcome(self) -> Claim | Answer:
        deadline = clock.monotonic() + self.runtime.limits.wait
        movement = self._priced()
        attempt = 0
        while True:
            outcome = self._attempt(movement, attempt)
            if isinstance(outcome, Claim | Answer):
                return outcome
            if outcome is Held.HELD:
                idempotency.wait_until_free(self.runtime, self.identity, deadline)
            else:
                attempt += 1

    def _priced(self) -> Movement:
        """Ask for the price, unless the key is known: a repeat is answered even when nobody can tell it any more."""
        new = self.movement.new
        if new is None or new.price is None:
            return self.movement
        scope = self.identity.channel, self.identity.subject, self.identity.key_hash
        with self.runtime.database.reading() as connection:
            known = keys.find_key(connection, *scope) or payments.created_by_key(connection, *scope)
        return self.movement if known else replace(self.movement, new=replace(new, amount=new.price()))

    def _attempt(self, movement: Movement, attempt: int) -> Claim | Answer | Held | None:
        """One try; None where ids were taken and others must be drawn."""
        try:
            return self.runtime.database.retrying(lambda: self._once(movement, attempt))
        except IntegrityError:
            if attempt + 1 == LABEL_ATTEMPTS:
                raise
            return None

    def _once(self, movement: Movement, attempt: int) -> Claim | Answer | Held:
        operation_id = clock.new_id()
        row = idempotency.new_key(self.request, self.identity, self.owner, movement.payment_id, operation_id)
        since = clock.monotonic()
        with self.runtime.database.atomic("claim") as connection:
            inserted = newkeys.insert_key(connection, self.runtime.limits.lease, row, self.identity.binding)
            if not isinstance(inserted, tuple):
                return self._judge(connection, movement, since, inserted)
            intent = Intent(self.runtime, self.request, self.identity, *inserted, operation_id)
            try:
                return self._write(connection, intent, movement, since, attempt)
            except Refused as refusal:
                return store_refusal(connection, self.runtime, self.request, intent.key_id, refusal)

    def _write(
        self, connection: Connection, intent: Intent, movement: Movement, since: float, attempt: int
    ) -> Claim | Answer:
        if movement.kind is None and movement.new is not None:
            return intent.create(connection, movement.new, attempt)
        if movement.kind is None:
            return intent.set(connection, movement)
        if movement.new is not None:
            change = intent.open(connection, movement.kind, movement.new, attempt)
        else:
            change = intent.start(connection, movement.kind, movement)
        rendering = self.request.rendering
        return idempotency.claim(self.runtime, intent.key_id, rendering, 1, change.facts, since, self.request)

    def _judge(
        self, connection: Connection, movement: Movement, since: float, seen: Finished | None
    ) -> Claim | Answer | Held:
        outcome = idempotency.judge(connection, self.runtime, self.request, self.identity, self.owner, since, seen)
        over = isinstance(outcome, Answer) and not self.identity.is_clients
        if over and movement.kind is not None and movement.payment_id is not None:
            # An operation that was its own key and is over: the payment's status says so, nothing is replayed.
            changes.amount_of(payments.lock(connection, movement.payment_id), movement)
        return outcome
