"""A gateway for tests that sends signed notices and lists them, and events as Stripe writes and signs them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from payment_service import clock
from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.operations import OperationStatus
from payment_service.gateways.base import GatewayRequest, GatewayResult, Pending, SendResult
from payment_service.gateways.notices import Forged, Notice
from payment_service.gateways.stripe import notices
from payment_service.models import gateway_notices, idempotency_keys, payments, timers, transactions
from payment_service.services.dependencies import Dependencies
from simulator.stripe.webhooks import signature
from tests.support.callers import pay_trip
from tests.support.database import rows
from tests.support.registering import CAPABLE, RegisteringGateway

SECRET = "whsec_of_the_tests"

HOOK = "/webhooks/remote"
"""The path of a gateway that a test hands in."""


class NotifyingGateway(RegisteringGateway):
    """Registers, and signs its notices as Stripe does; `listed` are the events of its list, newest first."""

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = replace(CAPABLE, notifies=True, lists_events=True)
        self.secrets: list[str] = [SECRET]
        self.listed: list[dict[str, Any]] = []
        self.list_ends_after: int | None = None
        self.lookups: list[GatewayRequest] = []

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Look up as before, and record it."""
        self.lookups.append(gateway_request)
        return super().lookup(gateway_request)

    def read_notice(
        self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]
    ) -> Sequence[Notice] | Forged:
        """Read a notice as Stripe's adapter does."""
        return notices.read(headers, body, self.secrets, live=False, now=clock.now())

    def events(self, since: datetime) -> Iterator[Notice]:
        """Yield those since then; the list breaks off where a test says so."""
        for number, event in enumerate(each for each in self.listed if each["created"] >= since.timestamp()):
            if number == self.list_ends_after:
                raise GatewayUnavailable("the list broke off")
            notice = notices.notice_of(event, live=False)
            assert isinstance(notice, Notice)
            yield notice

    def told_by(self, notice_type: str) -> OperationStatus | None:
        """Return the status that a notice claims, as Stripe's adapter does."""
        return notices.TOLD.get(notice_type)


def event_about(
    gateway_key: str | None, type_: str = "payment_intent.succeeded", *, kind: str = "payment_intent", **changes: Any
) -> dict[str, Any]:
    """Return an event about an object with this gateway key; its content claims that all money came."""
    metadata = {} if gateway_key is None else {"gateway_key": gateway_key}
    about = {"id": f"{kind[:2]}_{clock.new_hex(16)}", "object": kind, "status": "succeeded", "metadata": metadata}
    event = {"id": f"evt_{clock.new_hex(24)}", "object": "event", "type": type_, "livemode": False}
    return event | {"created": int(clock.now().timestamp()), "data": {"object": about}} | changes


def deliver(
    client: FlaskClient,
    event: dict[str, Any] | bytes,
    *,
    secrets: Sequence[str] = (SECRET,),
    age: float = 0.0,
    path: str = HOOK,
) -> TestResponse:
    """Send an event to the webhook, signed `age` seconds ago (negative: in the future) by each of the secrets."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signed = signature(list(secrets), int(clock.now().timestamp() - age), body)
    return client.post(path, data=body, headers={"Stripe-Signature": signed, "Content-Type": "application/json"})


def pay(client: FlaskClient, card: str = "tok_visa", key: str = "k1") -> dict[str, Any]:
    """Return a trip's charge; its answer."""
    answer = pay_trip(client, idempotency_key=key, payment_token=card)
    assert answer.status_code in (200, 202), answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def leave_pending(client: FlaskClient, bank: NotifyingGateway, deps: Dependencies, key: str = "k1") -> str:
    """Make a charge that the gateway decides later, put its look-up off for a day, and return its gateway key."""

    def take_time(asked: GatewayRequest) -> SendResult:
        bank.intents[asked.reference or ""].state = "acts"
        return Pending(asked.reference)

    bank.before_confirm.append(take_time)
    pay(client, key=key)
    put_off(deps)
    return str(rows(deps, idempotency_keys)[-1]["gateway_key"])


def put_off(deps: Dependencies) -> None:
    """Put every look-up off until tomorrow."""
    with deps.database.atomic("test") as connection:
        connection.execute(update(timers).values(due_at=clock.now() + timedelta(days=1)))


def decide_at_the_bank(bank: NotifyingGateway, gateway_key: str, *, successfully: bool = True) -> None:
    """Let the gateway decide a charge."""
    (intent,) = [each for each in bank.intents.values() if each.request.gateway_key == gateway_key]
    bank.act(intent.reference, successfully=successfully)


def let_notices_age(deps: Dependencies, age: timedelta) -> None:
    """Make every notice look as if it had come so long ago, and be due now where it is not handled."""
    with deps.database.atomic("test") as connection:
        past = clock.now() - age
        connection.execute(update(gateway_notices).values(received_at=past))
        waiting = gateway_notices.c.due_at.is_not(None)
        connection.execute(update(gateway_notices).where(waiting).values(due_at=clock.now() - timedelta(seconds=5)))


def status(deps: Dependencies) -> str:
    """Return the status of the latest payment."""
    return str(rows(deps, payments)[-1]["status"])


def snapshot(deps: Dependencies) -> Any:
    """Return all that could have changed by a notice that was believed."""
    return [rows(deps, table) for table in (payments, transactions, idempotency_keys)]
