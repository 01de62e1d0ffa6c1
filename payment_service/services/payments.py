"""Payments: made, charged at once, or held and then captured or let go.

Each is one call of `movements.move()`, also where no money takes part: keys mean the same everywhere.
"""

from decimal import Decimal

from payment_service.domain.lifecycle import Move
from payment_service.domain.operations import Kind
from payment_service.domain.records import Answer
from payment_service.services.movements import move
from payment_service.services.requests import Movement, NewPayment, Request
from payment_service.services.runtime import Runtime


def charge(runtime: Runtime, request: Request, new: NewPayment) -> Answer:
    """Make a payment and take its money at once. An amount of zero succeeds without asking the gateway."""
    return move(runtime, request, Movement(Kind.CHARGE, new=new))


def authorize(runtime: Runtime, request: Request, new: NewPayment) -> Answer:
    """Make a payment and hold its money, to be captured or let go later."""
    return move(runtime, request, Movement(Kind.AUTHORIZE, new=new))


def create(runtime: Runtime, request: Request, new: NewPayment) -> Answer:
    """Make a payment that waits: nothing is charged until its caller asks for that."""
    return move(runtime, request, Movement(None, new=new))


def process(runtime: Runtime, request: Request, payment_id: int, said: str | None = None) -> Answer:
    """Take the money of a payment made before. Raises or answers IllegalMove unless it is pending.

    `said` takes the place of our own words about an approval, as the gateway's response that callers read.
    """
    return move(runtime, request, Movement(Kind.CHARGE, payment_id=payment_id, reason=said))


def capture(runtime: Runtime, request: Request, payment_id: int, amount: Decimal | None) -> Answer:
    """Take `amount` of held money (None: all of it); the rest is let go."""
    return move(runtime, request, Movement(Kind.CAPTURE, payment_id=payment_id, amount=amount))


def void(runtime: Runtime, request: Request, payment_id: int) -> Answer:
    """Let held money go."""
    return move(runtime, request, Movement(Kind.VOID, payment_id=payment_id))


def cancel(runtime: Runtime, request: Request, payment_id: int, why: str | None = None) -> Answer:
    """Call a payment off before any money moved. A second time it changes nothing. Raises or answers IllegalMove."""
    return move(runtime, request, Movement(None, Move.CANCEL, payment_id=payment_id, reason=why))


def fail(runtime: Runtime, request: Request, payment_id: int, why: str | None = None) -> Answer:
    """Give a waiting payment up as failed. Raises or answers IllegalMove."""
    return move(runtime, request, Movement(None, Move.FAIL, payment_id=payment_id, reason=why))
