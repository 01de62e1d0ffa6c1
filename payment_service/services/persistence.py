"""Writing a transition down: payment, refund, reservations, journal row, deliveries and the response to it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from payment_service import clock
from payment_service.clock import naive_text
from payment_service.connection import Connection
from payment_service.domain.business_metrics import FAILED_ATTEMPT
from payment_service.domain.chain import ERASED, REFUND
from payment_service.domain.deliveries import Event
from payment_service.domain.lifecycle import Status, event_type
from payment_service.domain.money import to_number
from payment_service.domain.principals import ChangeSource
from payment_service.domain.records import Payment, PaymentContext, StoredResponse
from payment_service.repositories import journal, payments
from payment_service.services.chaining import chained, payment_hashes
from payment_service.services.dependencies import Dependencies
from payment_service.services.envelopes import call_body, kafka_message, rabbitmq_message
from payment_service.services.transitions import Transition

GIVES_PAYABLE_BACK = (Status.FAILED, Status.CANCELLED)


def save_changed(
    connection: Connection,
    deps: Dependencies,
    before: Payment,
    head: str | None,
    transition: Transition,
    origin: ChangeSource,
) -> None:
    """Write a change of an existing payment; `before` is its old state, `head` the hash of its last journal row."""
    payment, refund = transition.context.payment, transition.context.refund
    row = change_row(deps, transition, head, origin)
    payments.update(connection, payment, payment_hashes(deps.journal, payment, row["row_hash"]))
    if refund is not None and refund.status != "PENDING":
        payments.update_refund(connection, refund, deps.journal.sign(REFUND, vars(refund)))
    if payment.transaction_id is not None and before.transaction_id is None:
        payments.reserve(connection, payment, "transaction", payment.transaction_id)
    if payment.status in GIVES_PAYABLE_BACK:
        payments.give_back(connection, payment, "payable", payment.payable_id)
    record(connection, deps, transition, row)


def change_row(deps: Dependencies, transition: Transition, head: str | None, origin: ChangeSource) -> dict[str, Any]:
    """Return the journal row of a transition, chained to the payment's row before it, which has the hash `head`."""
    payment = transition.context.payment
    renderer = deps.renderers[payment.channel]
    kind = renderer.event_types.get(transition.move) or event_type(transition.move, payment.version)
    row = _row(transition.context, transition.move, transition.from_status, origin) | {
        "version": payment.version,
        "amount": transition.amount,
        "description": transition.description,
        "caller_note": transition.caller_note,
        "event_id": clock.new_id(),
        "event_type": kind,
        "created_at": payment.updated_at,
    }
    return chained(deps.journal, row, head)


def record(connection: Connection, deps: Dependencies, transition: Transition, row: dict[str, Any]) -> None:
    """Append the journal row of a transition, and its deliveries to the sinks that are switched on."""
    connection.write("insert_journal_row", row)
    if deps.sinks:
        payment, renderer = transition.context.payment, deps.renderers[transition.context.payment.channel]
        event = _with_dispute(renderer.event(transition.move, transition.context), transition.context)
        for delivery in _deliveries(deps, payment, event, row["event_id"]):
            origins = {"request_id": row["request_id"], "traceparent": row["traceparent"]}
            connection.write("insert_delivery", delivery | origins)


def record_undecided_attempt(
    connection: Connection, deps: Dependencies, context: PaymentContext, head: str | None, origin: ChangeSource
) -> str:
    """Append an attempt that the gateway has not decided; the payment does not change. Return the row's hash."""
    amount = context.operation.amount if context.operation else context.payment.amount
    return _extend(connection, deps, context, head, origin, FAILED_ATTEMPT, amount, "The gateway has not decided")


def record_erasure(connection: Connection, deps: Dependencies, payment: Payment, origin: ChangeSource) -> None:
    """Append that the payment's texts were emptied, so that `verify` accepts the journal rows before without texts.

    The payment is locked, and as it stands after that. The caller has renewed the hash of each emptied refund.
    """
    description = "Texts of the caller were emptied"
    context = PaymentContext(payment)
    _extend(connection, deps, context, payment.journal_hash, origin, ERASED, Decimal("0.00"), description)


def _extend(
    connection: Connection,
    deps: Dependencies,
    context: PaymentContext,
    head: str | None,
    origin: ChangeSource,
    move: str,
    amount: Decimal,
    description: str,
) -> str:
    """Append a row without version and event. Return its hash."""
    payment = context.payment
    row = _row(context, move, payment.status, origin) | {
        "version": None,
        "amount": amount,
        "description": description,
        "caller_note": None,
        "event_id": None,
        "event_type": None,
        "created_at": clock.now(),
    }
    row_hash: str = chained(deps.journal, row, head)["row_hash"]
    connection.write("insert_journal_row", row)
    payments.extend_journal(connection, payment, payment_hashes(deps.journal, payment, row_hash))
    return row_hash


def render_response(
    connection: Connection, deps: Dependencies, response_format: str, context: PaymentContext
) -> StoredResponse:
    """Return the response to a request. A channel that shows the audit trail gets it as of this transaction."""
    renderer = deps.renderers[context.payment.channel]
    if renderer.shows_trail:
        context = replace(context, trail=journal.trail_of(connection, context.payment))
    return renderer.answer(response_format, context)


def _with_dispute(event: Event, context: PaymentContext) -> Event:
    """Add its dispute to the channel's event, the same in all channels: no caller's document has words for one."""
    dispute = context.dispute
    if dispute is None:
        return event
    about = {
        "reference": dispute.reference,
        "status": dispute.status,
        "amount": to_number(dispute.amount),
        "currency": dispute.currency,
        "reason": dispute.reason,
        "evidence_due_at": naive_text(dispute.evidence_due_at) if dispute.evidence_due_at else None,
    }
    return replace(event, data={**event.data, "dispute": about})


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
    """Return one row for each sink: brokers get their channels' events, HTTP services the channel's webhooks."""
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
