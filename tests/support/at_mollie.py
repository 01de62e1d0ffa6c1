"""Mollie's adapter before a bank of its own, alone and in a service, and the helpers for tests of both."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from payment_service.domain.operations import Kind
from payment_service.gateways.base import GatewayRequest, GatewayResult
from payment_service.gateways.mollie import MollieGateway
from payment_service.services.dependencies import Dependencies
from tests.conftest import MakeApp
from tests.support.contract_banks import Bank
from tests.support.database import recover_all
from tests.support.instructions import PATIENT
from tests.support.mollie_bank import KEY, MollieBank
from tests.support.paying_by_token import BACK, pay, status

HOOK = "/webhooks/remote"
"""The path of a gateway that a test hands in."""


@dataclass(frozen=True)
class Mollie:
    """The adapter, and its bank behind it."""

    own: Bank
    bank: MollieBank

    def lookup(self, request: GatewayRequest) -> GatewayResult:
        """Return the adapter's result."""
        return self.own.gateway.lookup(request)

    def send(self, request: GatewayRequest) -> GatewayResult:
        """Send without any customer's action: return the adapter's first result."""
        return self.own.gateway.send(request)

    def acted(self, request: GatewayRequest, outcome: str) -> GatewayResult:
        """Let the customer act, and return what a look-up then finds."""
        self.bank.act(request.reference or "", outcome)
        return self.lookup(request)

    def parent(self, kind: Kind) -> GatewayRequest:
        """Return a charge for a refund, a hold for any other operation."""
        return self.own.done(self.own.asked(Kind.CHARGE if kind is Kind.REFUND else Kind.AUTHORIZE))


@contextmanager
def service_at(bank: MollieBank, make_app: MakeApp) -> Iterator[Flask]:
    """Yield a service that uses the bank, and is reachable for Mollie."""
    hook = f"http://127.0.0.1{HOOK}"
    gateway = MollieGateway(KEY, base=bank.url, connect_timeout=PATIENT, read_timeout=PATIENT, webhook_url=hook)
    with closing(gateway):
        yield make_app(gateway=gateway)


def begun(client: FlaskClient, bank: MollieBank, key: str = "k1") -> tuple[dict[str, Any], str]:
    """Return a trip's payment that waits for its customer: the answer, and Mollie's id of it."""
    answer = pay(client, key, card=None, return_url=BACK)
    assert answer.status_code == 202, answer.text
    return answer.json, list(bank.payments)[-1]


def paid(client: FlaskClient, deps: Dependencies, bank: MollieBank) -> int:
    """Return the number of a trip's payment that its customer has paid."""
    body, reference = begun(client, bank)
    bank.act(reference)
    recover_all(deps)
    assert status(deps) == "CAPTURED"
    return int(body["payment_id"])


def refund(client: FlaskClient, number: int, amount: float = 50.0) -> TestResponse:
    """Refund a trip."""
    return client.post(f"/payments/{number}/refunds", json={"idempotency_key": "r1", "amount": amount})
