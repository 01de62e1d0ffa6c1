"""Writing a transition down: payment, refund, reservations, journal row, deliveries and the response to it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from payment_service import clock
from payment_service.connection import Connection
from payment_service.domain.business_metrics import FAILED_ATTEMPT
from payment_service.domain.lifecycle import Status, event_type
from payment_service.domain.principals import ChangeSource
from payment_service.domain.records import Event, Payment, PaymentContext, StoredResponse
from payment_service.repositories import journal, payments
from payment_service.services.dependencies import Dependencies
from payment_service.services.envelopes import call_body, kafka_message, rabbitmq_message
from payment_service.services.transitions import Transition

GIVES_PAYABLE_BACK = (Status.FAILED, Status.CANCELLED)


def save_changed(
    connection: Connection, deps: Dependencies, before: Payment, transition: Transition, origin: ChangeSource
) -> None:
    """Write a change of an existing payment; `before` is how it stood."""
    payment, refund = transition.context.payment, transition.context.refund
    payments.update(connection, payment)
    if refund is not None and refund.status != "PENDING":
        payments.update_refund(connection, refund)
    if payment.transaction_id is not None and before.transaction_id is None:
        payments.reserve(connection, payment, "transaction", payment.transaction_id)
    if payment.status in GIVES_PAYABLE_BACK:
        payments.give_back(connection, payment, "payable", payment.payable_id)
    record(connection, deps, transition, origin)


def record(connection: Connection, deps: Dependencies, transition: Transition, origin: ChangeSource) -> None:
    """Append the journal row of a transition, and its deliveries to the sinks that are switched on."""
    payment, event_id = transition.context.payment, clock.new_id()
    renderer = deps.renderers[payment.channel]
    kind = renderer.event_types.get(transition.move) or event_type(transition.move, payment.version)
    row = _row(transition.context, transition.move, transition.from_status, origin) | {
        "version": payment.version,
        "amount": transition.amount,
        "description": transition.description,
        "caller_note": transition.caller_note,
        "event_id": event_id,
        "event_type": kind,
        "created_at": payment.updated_at,
    }
    connection.write("insert_journal_row", row)
    if deps.sinks:
        event = renderer.event(transition.move, transition.context)
        for delivery in _deliveries(deps, payment, event, event_id):
            origins = {"request_id": origin.request_id, "traceparent": origin.traceparent}
            connection.write("insert_delivery", delivery | origins)


def record_undecided_attempt(connection: Connection, context: PaymentContext, origin: ChangeSource) -> None:
    """Append an attempt that ended without a decision of the gateway: the payment stays where it is."""
    payment = context.payment
    row = _row(context, FAILED_ATTEMPT, payment.status, origin) | {
        "version": None,
        "amount": context.operation.amount if context.operation else payment.amount,
        "description": "The gateway has not decided",
        "caller_note": None,
        "event_id": None,
        "event_type": None,
        "created_at": clock.now(),
    }
    connection.write("insert_journal_row", row)


def render_response(
    connection: Connection, deps: Dependencies, response_format: str, context: PaymentContext
) -> StoredResponse:
    """The response to a request. A channel that shows the audit trail gets it as it is in this transaction."""
    renderer = deps.renderers[context.payment.channel]
    if renderer.shows_trail:
        context = replace(context, trail=journal.trail_of(connection, context.payment))
    return renderer.answer(response_format, context)


def _row(context: PaymentContext, move: str, from_status: Status | None, origin: ChangeSource) -> dict[str, Any]:
    payment = context.payment
    return {
        "payment_id": payment.payment_id,
        "transaction_type": "REFUND" if context.refund else "PAYMENT",
        "move": move,
        "from_status": from_status,
        "status": payment.status,
        "captured_amount": payment.captured_amount,
        "refunded_amount": payment.refunded_amount,
        "operation_id": context.operation.operation_id if context.operation else None,
        "actor": origin.actor or "anonymous",
        "request_id": origin.request_id,
        "traceparent": origin.traceparent,
    }


def _deliveries(deps: Dependencies, payment: Payment, event: Event, event_id: UUID) -> list[dict[str, Any]]:
    """One row for each sink: a broker gets the events of its channels, an HTTP service what the channel sends to it."""
    common = {
        "payment_id": payment.payment_id,
        "event_id": event_id,
        "event_type": event.type,
        "version": payment.version,
        "stream": event.ordering_key or f"payment:{payment.payment_id}",
        "message_key": str(event.payment_ref or payment.payment_id),
        "method": None,
        "path": None,
        "created_at": payment.updated_at,
    }
    rows: list[dict[str, Any]] = []
    if deps.carries("rabbitmq", payment.channel):
        rows.append(common | {"sink": "rabbitmq", "body": rabbitmq_message(event, payment, event_id)})
    if deps.carries("kafka", payment.channel):
        rows.append(common | {"sink": "kafka", "body": kafka_message(event, payment, event_id)})
    for webhook in event.webhooks:
        if webhook.sink in deps.sinks:
            address = {"sink": webhook.sink, "method": webhook.method, "path": webhook.path}
            rows.append(common | address | {"body": call_body(webhook.body)})
    return rows
