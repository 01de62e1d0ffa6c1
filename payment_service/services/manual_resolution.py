"""A person's word on an operation that the gateway's cannot end: what became of it, looked up at the gateway by hand.

It is written as the gateway's own would be, under the key's lock and a new fence, with audit row, event and answer;
`verify` goes on comparing it with the gateway's ledger.
"""

from dataclasses import replace
from uuid import UUID

import structlog

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.errors import DO_NOT_RETRY, KeyInUse, ServiceError
from payment_service.domain.principals import ChangeSource
from payment_service.domain.records import StoredResponse
from payment_service.gateways.base import Approved, Declined
from payment_service.repositories import keys, payments
from payment_service.services.claim import Claim, payment_of, take_over
from payment_service.services.complete import complete
from payment_service.services.dependencies import Dependencies

log = structlog.get_logger(__name__)

CODE, MESSAGE = "DECIDED_BY_A_PERSON", "Declined after review"
"""What a caller is told of a payment that was declined by hand; why is nobody's business but ours."""


class NotOpen(ServiceError):
    """This operation is decided already, or there is none of this id"""

    status = 409
    code = "operation_not_open"
    retry = DO_NOT_RETRY


def decide(deps: Dependencies, operation_id: UUID, *, approved: bool, why: str, actor: str) -> StoredResponse:
    """End an undecided operation as approved, with the amount that was asked for, or as declined.

    `why` and `actor` are kept beside it. Returns the answer that its key has from now on. Raises NotOpen; KeyInUse
    while somebody works on it.
    """
    claim = deps.database.run("recover", _take_over, deps, operation_id, actor, why)
    operation = claim.operation
    log.warning(
        "movement.decided_by_a_person",
        approved=approved,
        actor=actor,
        why=why,
        operation_id=str(operation_id),
        payment_id=operation.payment_id,
        amount=str(operation.amount),
        currency=operation.currency,
    )
    result = Approved(operation.amount, operation.currency) if approved else Declined(CODE, MESSAGE)
    return complete(deps, claim, result)


def _take_over(connection: Connection, deps: Dependencies, operation_id: UUID, actor: str, why: str) -> Claim:
    since, key = clock.monotonic(), keys.lock_of_operation(connection, operation_id)
    if key is None:
        raise NotOpen
    if key.leased:
        raise KeyInUse
    claim = take_over(connection, deps, key, payments.lock(connection, payment_of(key)), clock.new_hex(32), since)
    return replace(claim, origin=ChangeSource(actor), note=f"{actor}: {why}")
