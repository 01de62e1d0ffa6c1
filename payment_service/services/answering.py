"""From facts to answers: worded by the channel, stored with the change that made them true."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from payment_service.domain.callers import Origin
from payment_service.domain.records import Answer, Facts
from payment_service.repositories import audit
from payment_service.repositories.writes import write
from payment_service.services.changes import Change
from payment_service.services.recording import record, stored_answer
from payment_service.services.runtime import Runtime


def answer_now(connection: Connection, runtime: Runtime, rendering: str, facts: Facts) -> Answer:
    """The answer as the facts stand, not stored."""
    voice = runtime.voice(facts.payment.channel)
    return voice.answer(rendering, _shown(connection, runtime, facts))


def keep_answer(connection: Connection, runtime: Runtime, key_id: int, rendering: str, facts: Facts) -> Answer:
    """Store the answer to a request that changed nothing."""
    answer = answer_now(connection, runtime, rendering, facts)
    write(connection, answer=stored_answer(key_id, answer, facts, runtime.limits.ttl))
    return answer


def record_and_answer(
    connection: Connection,
    runtime: Runtime,
    change: Change,
    key_id: int,
    rendering: str,
    *,
    opening: tuple[str, ...] = (),
    origin: Origin,
    **more: Mapping[str, Any],
) -> Answer:
    """Write `change` and, under the key, the answer it leads to: exactly the bytes that are sent, now and later.

    A channel that shows the audit trail is answered once the change's own row of it is there.
    """
    voice = runtime.voice(change.facts.payment.channel)
    if not voice.shows_trail:
        answer = voice.answer(rendering, change.facts)
        stored = stored_answer(key_id, answer, change.facts, runtime.limits.ttl)
        record(connection, runtime, change, origin, opening=opening, **more, answer=stored)
        return answer
    record(connection, runtime, change, origin, opening=opening, **more)
    answer = voice.answer(rendering, _shown(connection, runtime, change.facts))
    write(connection, answer=stored_answer(key_id, answer, change.facts, runtime.limits.ttl))
    return answer


def _shown(connection: Connection, runtime: Runtime, facts: Facts) -> Facts:
    if not runtime.voice(facts.payment.channel).shows_trail:
        return facts
    return replace(facts, trail=audit.trail_of(connection, facts.payment))
