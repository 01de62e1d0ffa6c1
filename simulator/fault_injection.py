"""Executes a fault: before the effect, instead of the ordinary outcome, or in the reply."""

import socket
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

from flask import Response, request

from payment_service import clock
from payment_service.gateways.base import Approved, Declined
from payment_service.gateways.simulated import CARD_DECLINED, Outcome
from simulator.faults import InjectedFault
from simulator.ledger import Plan


def before_effect(fault: InjectedFault | None) -> Response | None:
    """Execute a fault that precedes the effect; a returned response ends the request."""
    match fault:
        case InjectedFault(fault="slow"):
            clock.sleep(fault.ms / 1000)
        case InjectedFault(fault="drop_before_effect" | "down"):
            return hang_up()
        case InjectedFault(fault="error_before_effect"):
            return _replacement(fault)
    return None


def plan_of(fault: InjectedFault | None, outcome: Outcome) -> Plan:
    """Return the plan for a request: the ordinary outcome, unless the fault changes it."""
    match fault:
        case InjectedFault(fault="decline"):
            return Plan(_refusal(fault, outcome))
        case InjectedFault(fault="pending"):
            return Plan(_refusal(fault, outcome) if fault.code else outcome.actual_outcome, lookups=fault.lookups)
        case InjectedFault(fault="wrong_amount") if isinstance(outcome.actual_outcome, Approved):
            return Plan(_with_wrong_amount(fault, outcome.actual_outcome))
    return Plan(outcome.actual_outcome, lookups=0 if outcome.first_reply == "pending" else None)


def after_effect(fault: InjectedFault | None, response: Response) -> Response:
    """Return the reply after the effect is committed, changed by the fault."""
    match fault:
        case InjectedFault(fault="sleep_then_answer"):
            clock.sleep(fault.ms / 1000)
        case InjectedFault(fault="drop_after_effect"):
            return hang_up()
        case InjectedFault(fault="error_after_effect" | "garbage" | "empty" | "answer"):
            return _replacement(fault)
        case InjectedFault(fault="truncated" | "duplicate" | "drip"):
            return _send_malformed(fault, response)
    return response


def hang_up() -> Response:
    """Close the connection under the request; the returned response is not sent."""
    with suppress(OSError):  # The client may have closed it already.
        _connection().shutdown(socket.SHUT_RDWR)
    return Response()


def _refusal(fault: InjectedFault, outcome: Outcome) -> Declined:
    code, message = fault.code or CARD_DECLINED.code, fault.message or CARD_DECLINED.message
    return Declined(code, message, outcome.actual_outcome.reference)


def _with_wrong_amount(fault: InjectedFault, approved: Approved) -> Approved:
    amount = approved.amount + Decimal(1) if fault.amount is None else fault.amount
    return replace(approved, amount=amount, currency=fault.currency or approved.currency)


def _replacement(fault: InjectedFault) -> Response:
    match fault.fault:
        case "garbage":
            return Response("<html><body>Welcome</body></html>")
        case "empty":
            return Response()
        case "answer":
            return Response(fault.body, fault.status, {"Location": fault.location} if fault.location else None)
    return Response("something broke", fault.status)


def _send_malformed(fault: InjectedFault, response: Response) -> Response:
    head, body = _head_of(response), response.get_data()
    with suppress(OSError):  # The client may give up.
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
