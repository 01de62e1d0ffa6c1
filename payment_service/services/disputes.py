"""Disputes: the service stores each as the gateway shows it, and the payment's sums are those of all its disputes.

The object's status decides, never an event's name. The service itself refunds nothing and answers no dispute.
"""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import cast

import structlog

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.chain import DISPUTE
from payment_service.domain.disputes import PaymentDispute
from payment_service.domain.errors import DatabaseUnavailable, GatewayUnavailable
from payment_service.domain.money import as_stored
from payment_service.domain.principals import GATEWAY
from payment_service.gateways.base import DisputableGateway, NotFound
from payment_service.gateways.listed import Dispute
from payment_service.repositories import disputes, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.persistence import save_changed
from payment_service.services.revisions import dispute_moved
from payment_service.services.seen import Seen

log = structlog.get_logger(__name__)

LONGEST = timedelta(days=120)
"""The age to which the sweep reads the list: a decided dispute may be reopened for about so long after its opening."""


def look_up(deps: Dependencies, gateway: str, reference: str) -> Seen:
    """Ask the gateway of this name for one dispute, and write down how it stands. Raises DatabaseUnavailable."""
    adapter = deps.gateways.named(gateway)
    if adapter is None or not adapter.capabilities.lists_disputes:
        return Seen.UNKNOWN
    found = cast("DisputableGateway", adapter).dispute(reference)
    if isinstance(found, Dispute):
        return note(deps, gateway, found)
    return Seen.UNKNOWN if isinstance(found, NotFound) else Seen.UNDECIDED


def sweep(deps: Dependencies) -> int:
    """Read every gateway's list of disputes, to find lost notices. Return how many disputes have changed.

    Raises DatabaseUnavailable. The next sweep reads a list again that was cut short.
    """
    with deps.database.reading() as connection:
        first_open = disputes.first_open(connection)
    since, changed = clock.now() - LONGEST, 0
    since = min(since, first_open - timedelta(days=1)) if first_open else since
    for name, gateway in deps.gateways:
        if gateway.capabilities.lists_disputes:
            try:
                for dispute in cast("DisputableGateway", gateway).disputes(since):
                    changed += _noted(deps, name, dispute)
            except GatewayUnavailable as error:
                log.warning("disputes.list_cut_short", gateway=name, why=error.message)
    return changed


def _noted(deps: Dependencies, gateway: str, dispute: Dispute) -> bool:
    try:
        return note(deps, gateway, dispute) is Seen.REVISED
    except DatabaseUnavailable:
        raise
    except Exception:  # a dispute that cannot be stored must not stop the others
        log.exception("dispute.not_noted", gateway=gateway, reference=dispute.reference)
        return False


def note(deps: Dependencies, gateway: str, dispute: Dispute) -> Seen:
    """Store a dispute as it stands at the gateway now. Raises DatabaseUnavailable."""
    gateway = deps.gateways.resolved(gateway)
    with deps.database.reading() as connection:
        payment_id = disputes.find_payment(connection, gateway, dispute.reference, dispute.gateway_key)
    if payment_id is None:
        log.warning("dispute.of_no_payment", gateway=gateway, reference=dispute.reference)
        return Seen.UNKNOWN
    seen = deps.database.run("revise", _note, deps, gateway, dispute, payment_id)
    if seen is not Seen.UNCHANGED:
        log.log(
            logging.ERROR if seen is Seen.REVIEW else logging.WARNING,
            "dispute.noted",
            payment_id=payment_id,
            reference=dispute.reference,
            status=dispute.gateway_status,
            amount=str(dispute.amount),
            currency=dispute.currency,
            withdrawn=dispute.withdrawn,
        )
    return seen


def _note(connection: Connection, deps: Dependencies, gateway: str, shown: Dispute, payment_id: int) -> Seen:
    """Store it under the payment's lock: the sums need all rows, and two notices must make one change."""
    payment, at = payments.lock(connection, payment_id), clock.now()
    if deps.gateways.resolved(payment.gateway) != gateway:
        return Seen.UNKNOWN
    rows = {(row.gateway, row.reference): row for row in disputes.of_payments(connection, [payment_id])}
    known = rows.get((gateway, shown.reference))
    now = PaymentDispute(
        gateway=gateway,
        reference=shown.reference,
        payment_id=payment_id,
        amount=as_stored(shown.amount),
        currency=shown.currency,
        reason=shown.reason,
        status=shown.status,
        gateway_status=shown.gateway_status,
        evidence_due_at=shown.evidence_due_at,
        created_at=at if known is None else known.created_at,
        updated_at=at,
    )
    if known is not None and replace(now, updated_at=known.updated_at) == known:
        return Seen.UNCHANGED
    write = disputes.insert_dispute if known is None else disputes.update_dispute
    write(connection, now, deps.journal.sign(DISPUTE, vars(now)))
    if now.currency != payment.currency:
        return Seen.REVIEW
    if known is not None and (known.status, known.amount, known.currency) == (now.status, now.amount, now.currency):
        return Seen.UNCHANGED
    rows[gateway, shown.reference] = now
    transition = dispute_moved(payment, now, rows.values(), at)
    save_changed(connection, deps, payment, payment.journal_hash, transition, GATEWAY)
    return Seen.REVISED
