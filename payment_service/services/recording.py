"""Writing a change down: payment, operation, refund, audit row, event and stored answer, in one transaction."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from payment_service import clock
from payment_service.domain.callers import Origin
from payment_service.domain.errors import Refused
from payment_service.domain.figures import FAILED_ATTEMPT, method_label
from payment_service.domain.records import Answer, Event, Facts, Operation, Payment
from payment_service.repositories.rows import operation_values, payment_values, refund_values
from payment_service.repositories.writes import write
from payment_service.services.changes import Change
from payment_service.services.requests import Request
from payment_service.services.runtime import Runtime

BROKERS = ("rabbitmq", "kafka")
"""The sinks that hear of every event of every channel."""


def record(
    connection: Connection,
    runtime: Runtime,
    change: Change,
    origin: Origin,
    *,
    opening: tuple[str, ...] = (),
    **more: Mapping[str, Any],
) -> None:
    """Write `change` with its audit row and its event.

    `opening` names what is new and so inserted (`payment`, `operation`, `refund`); the rest of the facts is updated.
    `more` adds to what is written, write by write, such as the columns of a payment that no record reads.
    """
    writes = {
        ("open_" if name in opening else verb) + name: values | dict(more.pop("open_" + name, {}))
        for name, verb, values in _parts(change.facts, change.facts.payment.updated_at)
    }
    event = runtime.voice(change.facts.payment.channel).event(change.move, change.facts)
    published = _event_row(change, event, origin)
    write(
        connection,
        **writes,
        log=_audit_row(change, origin),
        mark=_mark(change.facts.payment, change.move, change.came_from, change.amount),
        publish=published,
        **_delivery_rows(runtime, change, event, published),
        **more,
    )


def _parts(facts: Facts, at: datetime) -> list[tuple[str, str, dict[str, Any]]]:
    payment = facts.payment
    parts = [("payment", "move_", payment_values(payment))]
    if facts.operation is not None:
        parts.append(("operation", "settle_", operation_values(facts.operation) | {"updated_at": at}))
    if facts.refund is not None:
        scope = {"channel": payment.channel, "subject": payment.subject}
        parts.append(("refund", "settle_", refund_values(facts.refund) | scope))
    return parts


def _audit_row(change: Change, origin: Origin) -> dict[str, Any]:
    payment = change.facts.payment
    return {
        "payment_id": payment.payment_id,
        "version": payment.version,
        "transaction_type": change.transaction_type,
        "move": change.move,
        "from_status": change.came_from,
        "status": payment.status,
        "amount": change.amount,
        "captured_amount": payment.captured_amount,
        "refunded_amount": payment.refunded_amount,
        "operation_id": change.facts.operation.operation_id if change.facts.operation else None,
        "description": change.description,
        "actor": origin.actor or "anonymous",
        "request_id": origin.request_id,
        "created_at": payment.updated_at,
    }


def _mark(payment: Payment, move: str, came_from: str | None, amount: Decimal) -> dict[str, Any]:
    """The mark that counts what has just happened to a payment."""
    return {
        "channel": payment.channel,
        "method": method_label(payment.method),
        "currency": payment.currency,
        "move": move,
        "from_status": came_from or "",
        "status": payment.status,
        "amount": amount,
        "happened_at": clock.now(),
    }


def _event_row(change: Change, event: Event, origin: Origin) -> dict[str, Any]:
    payment = change.facts.payment
    payload = {
        "payment_ref": event.payment_ref or payment.payment_id,
        "payable_id": payment.payable_id,
        "data": event.data,
    }
    return {
        "event_id": clock.new_id(),
        "payment_id": payment.payment_id,
        "version": payment.version,
        "channel": payment.channel,
        "event_type": event.type,
        "payload": _json(payload),
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
        "created_at": payment.updated_at,
    }


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _json(value: Any) -> str:
    return _ENCODER.encode(value)


def _delivery_rows(
    runtime: Runtime, change: Change, event: Event, published: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """One row for each sink that is switched on and meant: brokers hear everything, neighbours their own calls."""
    payment = change.facts.payment
    common = {
        "event_id": published["event_id"],
        "stream": event.stream or f"payment:{payment.payment_id}",
        "status": "PENDING",
        "attempts": 0,
        "created_at": payment.updated_at,
    }
    meant: list[dict[str, Any]] = [{"sink": name} for name in BROKERS if name in runtime.sinks]
    meant += [
        {
            "sink": call.sink,
            "method": call.method,
            "path": call.path,
            "body": json.dumps(call.body, separators=(",", ":")),
        }
        for call in event.calls
        if call.sink in runtime.sinks
    ]
    return {f"deliver_{n}": common | row for n, row in enumerate(meant)}


def stored_answer(key_id: int, answer: Answer, facts: Facts | None, ttl: int) -> dict[str, Any]:
    """The `answer` write of a key: the response exactly as sent, for `ttl` seconds, and what it is about."""
    at = clock.now()
    return {
        "key_id": key_id,
        "payment_id": facts.payment.payment_id if facts else None,
        "operation_id": facts.operation.operation_id if facts and facts.operation else None,
        "response_status": answer.status,
        "response_data": answer.body,
        "ttl": ttl,
        "updated_at": at,
    }


def store_refusal(connection: Connection, runtime: Runtime, request: Request, key_id: int, refusal: Refused) -> Answer:
    """End a key with a refusal by business state: an answer like any other, and final for this key.

    Without a client's key there is nothing to repeat, hence nothing to store: the refusal is raised.
    """
    if request.key is None:
        raise refusal
    answer = runtime.voice(request.channel).refusal(refusal)
    write(connection, answer=stored_answer(key_id, answer, None, runtime.limits.ttl))
    return answer


def record_doubt(connection: Connection, operation: Operation, doubt: str) -> None:
    """Note on an operation why a person must look at it before it may end."""
    values = operation_values(operation) | {"review_reason": doubt, "updated_at": clock.now()}
    write(connection, settle_operation=values)


def count_failed_attempt(connection: Connection, facts: Facts) -> None:
    """Count an attempt that ended without a decision of the gateway; the payment stays where it is."""
    payment = facts.payment
    amount = facts.operation.amount if facts.operation else payment.amount
    write(connection, mark=_mark(payment, FAILED_ATTEMPT, payment.status, amount))
