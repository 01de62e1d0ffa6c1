"""Refunds: reserved under the payment's lock, asked of the gateway, then settled or released."""

from decimal import Decimal

from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer
from payment_service.services.movements import move
from payment_service.services.requests import Movement, Request
from payment_service.services.runtime import Runtime


def refund(
    runtime: Runtime, request: Request, payment_id: int, amount: Decimal | None, reason: str | None = None
) -> Answer:
    """Give `amount` back (None: all that is left). What is refunded and reserved never exceeds what was captured."""
    return move(runtime, request, Movement(Kind.REFUND, payment_id=payment_id, amount=amount, reason=reason))
