"""From facts to responses, rendered by the channel."""

from dataclasses import replace

from payment_service.connection import Connection
from payment_service.domain.records import Answer, Facts
from payment_service.repositories import journal
from payment_service.services.runtime import Runtime


def render_response(connection: Connection, runtime: Runtime, response_format: str, facts: Facts) -> Answer:
    """The response as the facts stand. A channel that shows the audit trail gets it as it is in this transaction."""
    renderer = runtime.presenters[facts.payment.channel]
    if renderer.shows_trail:
        facts = replace(facts, trail=journal.trail_of(connection, facts.payment))
    return renderer.answer(response_format, facts)
