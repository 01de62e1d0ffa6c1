"""The claim on a key: the right to carry its operation through. A takeover claims the key of a lost owner."""

from dataclasses import dataclass, replace

from payment_service.connection import Connection
from payment_service.domain.chain import CLAIM, digest
from payment_service.domain.operations import CancelReason, Kind, Purpose
from payment_service.domain.principals import RECOVERY, ChangeSource
from payment_service.domain.records import IdempotencyKey, Operation, Payment, PaymentContext, Refund
from payment_service.repositories import keys, payments
from payment_service.services.commands import Request
from payment_service.services.dependencies import Dependencies


@dataclass(frozen=True)
class Claim:
    """The right to carry an operation through, held by `owner` under `fence` until the lease ends.

    `send_before` is the moment of the monotonic clock after which the owner may send nothing under this lease.
    `is_repeatable`: the service recognises a repeat of the request. `taken_over` is the key as an earlier owner left
    it, or None. `claim_digest` is part of the key's hash; `head` is the hash of the payment's last journal row, known
    once the claim is completed. `note` is kept beside the operation when it completes. `lost` is the reference of a
    movement under this claim's gateway key that a restore has lost ("": the gateway gave none), or None.
    """

    key_id: int
    key_hash: str
    response_format: str
    owner: str
    fence: int
    payment: Payment
    operation: Operation
    refund: Refund | None
    purpose: Purpose | None
    taken_over: IdempotencyKey | None
    send_before: float
    is_repeatable: bool
    origin: ChangeSource
    claim_digest: str
    head: str | None = None
    note: str | None = None
    lost: str | None = None

    @property
    def context(self) -> PaymentContext:
        """The payment with all that a response may show."""
        return PaymentContext(self.payment, self.operation, self.refund)


def load_context(connection: Connection, key: IdempotencyKey) -> PaymentContext:
    """Lock the payment of a locked key, and return both with the key's refund. Raises NoResultFound."""
    payment = payments.lock(connection, payment_of(key))
    return PaymentContext(payment, key.operation, find_refund(connection, key))


def payment_of(key: IdempotencyKey) -> int:
    """Return the number of the key's payment. Raises ValueError if it has none."""
    if key.payment_id is None:
        raise ValueError(f"key {key.key_id} is about no payment")
    return key.payment_id


def find_refund(connection: Connection, key: IdempotencyKey) -> Refund | None:
    """Return the refund that a key asked for, or None."""
    if key.kind is not Kind.REFUND:
        return None
    return payments.find_refund(connection, payment_of(key), key.key_hash, key.subject)


def take_over(
    connection: Connection, deps: Dependencies, key: IdempotencyKey, payment: Payment, owner: str, since: float
) -> Claim:
    """Claim a locked key after its lease, for the recovery worker or a person; read `since` before the call.

    The payment must be locked as well. Raises ValueError for a key without a gateway operation.
    """
    operation = key.operation
    if operation is None:
        raise ValueError(f"key {key.key_id} has no operation")
    expires_at = operation.action and operation.action.expires_at
    if expires_at and expires_at < key.looked_at and operation.cancel_asked is None:
        keys.ask_to_cancel(connection, key, CancelReason.EXPIRED)
        operation = replace(operation, cancel_asked=CancelReason.EXPIRED)
    return Claim(
        key_id=key.key_id,
        key_hash=key.key_hash,
        response_format=key.response_format,
        owner=owner,
        fence=keys.take_over(connection, key, owner, deps.limits.lease),
        payment=payment,
        operation=operation,
        refund=find_refund(connection, key),
        purpose=key.purpose,
        taken_over=key,
        send_before=since + deps.limits.time_to_send,
        is_repeatable=True,
        origin=RECOVERY,
        claim_digest=digest(CLAIM, vars(key)),
    )


def take_over_for(
    connection: Connection, deps: Dependencies, key: IdempotencyKey, request: Request, since: float
) -> Claim:
    """Claim the key for a repeat of its request. The response has the format of the repeat."""
    payment = payments.lock(connection, payment_of(key))
    claim = take_over(connection, deps, key, payment, request.owner, since)
    # Our own claim if only the answer to our COMMIT was lost: then no owner has sent anything yet.
    is_own = key.owner == request.owner and key.attempts == 1
    return replace(
        claim,
        taken_over=None if is_own else claim.taken_over,
        response_format=request.response_format,
        is_repeatable=request.is_repeatable,
        origin=request.origin,
    )
