"""Erasing a subject's personal data; money, its history and the chain of the journal stay."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from payment_service.connection import Connection
from payment_service.domain.chain import REFUND
from payment_service.domain.principals import ChangeSource
from payment_service.repositories import erasure, key_lookups, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.persistence import record_erasure


@dataclass
class Forgotten:
    """The result: how many payments were emptied, which are `left` as unfinished, and whether a user row was."""

    emptied: int = 0
    left: list[int] = field(default_factory=list)
    user: bool = False


def forget(deps: Dependencies, subject: str, channel: str | None, actor: str) -> Forgotten:
    """Empty the personal texts of all payments of a subject, as owner or customer, and its user row.

    `channel`: only the payments of that channel, and no user row. Safe beside traffic; a repeat does what was left.
    Raises DatabaseUnavailable.
    """
    forgotten, origin = Forgotten(), ChangeSource(actor)
    for payment_id in _payments(deps, subject, channel):
        emptied = deps.database.run("forget", _forget, deps, payment_id, origin)
        if emptied is None:
            forgotten.left.append(payment_id)
        forgotten.emptied += bool(emptied)
    if channel is None:
        forgotten.user = deps.database.run("forget", erasure.empty_user, subject)
    return forgotten


def _payments(deps: Dependencies, subject: str, channel: str | None) -> Iterator[int]:
    after: int | None = 0
    while after is not None:
        with deps.database.reading() as connection:
            found, after = erasure.payments_of(connection, subject, channel, after)
        yield from found


def _forget(connection: Connection, deps: Dependencies, payment_id: int, origin: ChangeSource) -> bool | None:
    """Empty one payment. Return whether it had anything to empty, None if something is unfinished."""
    key_lookups.lock_of_payment(connection, payment_id)
    payment = payments.lock(connection, payment_id)
    if erasure.has_unfinished(connection, payment_id):
        return None
    refunds = erasure.refunds_with_reason(connection, payment_id)
    for refund in refunds:
        row_hash = deps.journal.sign(REFUND, vars(replace(refund, reason=None)))
        erasure.empty_refund(connection, refund.refund_id, row_hash)
    if not erasure.empty_payment(connection, payment_id) and not refunds:
        return False
    emptied = replace(payment, metadata=None, gateway_response=None, caller_reference=None)
    record_erasure(connection, deps, emptied, origin)
    return True
