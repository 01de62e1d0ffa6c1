from dataclasses import replace

from flask import Flask

from payment_service.channels.checkout import CHANNEL
from payment_service.channels.checkout.renderer import CheckoutRenderer
from payment_service.domain.operations import Kind
from payment_service.services.dependencies import ChannelReferences
from tests.conftest import MakeApp
from tests.support.checkouts import body_of, process
from tests.support.gateways import LedgerGateway


class Unlucky(CheckoutRenderer):
    """Gives every payment the same transaction at the first attempt."""

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        drawn = super().references(gateway_key, kind)
        return drawn if "/" in gateway_key else replace(drawn, transaction_id="txn_0000000000000000")


class Cursed(CheckoutRenderer):
    """Gives every payment the same transaction at every attempt."""

    def references(self, gateway_key: str, kind: Kind) -> ChannelReferences:
        return ChannelReferences("txn_0000000000000000")


def app_with(make_app: MakeApp, renderer: CheckoutRenderer) -> Flask:
    return make_app(channels=(replace(CHANNEL, renderer=renderer),), idempotency_wait=0.1)


def test_taken_transaction_id_is_drawn_again(make_app: MakeApp, gateway: LedgerGateway) -> None:
    client = app_with(make_app, Unlucky()).test_client()
    first, second = (body_of(process(client, key)) for key in ("one", "two"))
    assert first["transaction_id"] == "txn_0000000000000000"
    assert (second["status"], second["transaction_id"] != first["transaction_id"]) == ("captured", True)
    assert body_of(process(client, "two")) == second
    assert gateway.count(Kind.CHARGE) == 2


def test_transaction_id_that_is_always_taken_answers_an_error_and_charges_once(
    make_app: MakeApp, gateway: LedgerGateway
) -> None:
    client = app_with(make_app, Cursed()).test_client()
    assert process(client, "one").status_code == 200
    assert {process(client, "two").status_code for _ in range(2)} <= {409, 500}
    assert gateway.count(Kind.CHARGE) == 2
