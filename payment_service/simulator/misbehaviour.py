"""Carrying out a fault, in the three places of a request where one can strike."""

import socket
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from flask import Response, request

from payment_service import clock
from payment_service.gateways.base import Approved, Declined
from payment_service.gateways.outcomes import CARD_DECLINED, Outcome
from payment_service.simulator.faults import Fault
from payment_service.simulator.ledger import Plan


def before_effect(fault: Fault | None) -> Response | None:
    """What happens before the bank does anything; a response ends the request there."""
    match fault:
        case Fault(fault="slow"):
            clock.sleep(fault.ms / 1000)
        case Fault(fault="drop_before_effect" | "down"):
            return hang_up()
        case Fault(fault="error_before_effect"):
            return _instead(fault)
    return None


def plan_of(fault: Fault | None, outcome: Outcome) -> Plan:
    """What the bank will do: the ordinary outcome, unless the fault bends it."""
    match fault:
        case Fault(fault="decline"):
            return Plan(_refusal(fault, outcome))
        case Fault(fault="pending"):
            return Plan(_refusal(fault, outcome) if fault.code else outcome.truth, lookups=fault.lookups)
        case Fault(fault="wrong_amount") if isinstance(outcome.truth, Approved):
            return Plan(_bent(fault, outcome.truth))
    return Plan(outcome.truth, lookups=0 if outcome.first == "pending" else None)


def after_effect(fault: Fault | None, truth: Response) -> Response:
    """How the answer goes out, the effect being committed."""
    match fault:
        case Fault(fault="sleep_then_answer"):
            clock.sleep(fault.ms / 1000)
        case Fault(fault="drop_after_effect"):
            return hang_up()
        case Fault(fault="error_after_effect" | "garbage" | "empty" | "answer"):
            return _instead(fault)
        case Fault(fault="truncated" | "duplicate" | "drip"):
            return _on_the_wire(fault, truth)
    return truth


def hang_up() -> Response:
    """Close the connection under the request; what is returned goes nowhere."""
    with suppress(OSError):  # The other side may have been faster.
        _connection().shutdown(socket.SHUT_RDWR)
    return Response()


def _refusal(fault: Fault, outcome: Outcome) -> Declined:
    code, message = fault.code or CARD_DECLINED.code, fault.message or CARD_DECLINED.message
    return Declined(code, message, outcome.truth.reference)


def _bent(fault: Fault, truth: Approved) -> Approved:
    amount = truth.amount + Decimal(1) if fault.amount is None else fault.amount
    return replace(truth, amount=amount, currency=fault.currency or truth.currency)


def _instead(fault: Fault) -> Response:
    match fault.fault:
        case "garbage":
            return Response("<html><body>Welcome</body></html>")
        case "empty":
            return Response()
        case "answer":
            return Response(fault.body, fault.status, {"Location": fault.location} if fault.location else None)
    return Response("something broke", fault.status)


def _on_the_wire(fault: Fault, truth: Response) -> Response:
    head, body = _head_of(truth), truth.get_data()
    with suppress(OSError):  # The other side may lose its patience.
        match fault.fault:
            case "duplicate":
                _connection().sendall((head + body) * 2)
            case "truncated":
                _connection().sendall(head + body[: len(body) // 2])
            case "drip":
                for byte in head + body:
                    _connection().sendall(bytes([byte]))
                    clock.sleep(fault.ms / 1000)
    return hang_up()


def _connection() -> socket.socket:
    connection: socket.socket = request.environ["werkzeug.socket"]
    return connection


def _head_of(response: Response) -> bytes:
    lines = f"HTTP/1.1 {response.status}\r\nContent-Type: {response.mimetype}\r\nContent-Length: "
    return f"{lines}{len(response.get_data())}\r\n\r\n".encode()
