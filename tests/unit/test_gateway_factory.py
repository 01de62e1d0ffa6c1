"""The factory makes gateways by name and chooses the gateway of a payment."""

from decimal import Decimal

from payment_service.config import Settings
from payment_service.gateways.base import Approved
from payment_service.gateways.factory import gateways_from
from payment_service.gateways.mollie import MollieGateway
from payment_service.gateways.offline import OfflineGateway
from payment_service.gateways.remote import RemoteGateway
from payment_service.gateways.simulated import SimulatedGateway
from payment_service.gateways.stripe import StripeGateway
from tests.support.instructions import instruct
from tests.unit.test_config_gateways import LIVE, LIVE_MOLLIE, MOLLIE, STRIPE


def test_default_gateway_is_simulated() -> None:
    gateways = gateways_from(Settings.from_env({}))
    assert gateways.name_for("CARD") == gateways.resolved("legacy") == "simulated"
    assert [(name, type(gateway)) for name, gateway in gateways] == [("simulated", SimulatedGateway)]


def test_route_of_a_method_ignores_its_case() -> None:
    routes = {"GATEWAY_ROUTES": "CARD,CREDIT_CARD=stripe;COD,CASH=offline;*=remote", "GATEWAY_URL": "http://bank.test"}
    gateways = gateways_from(Settings.from_env(STRIPE | routes))
    assert [gateways.name_for(method) for method in ("CARD", "credit_card", "Card")] == ["stripe/test"] * 3
    assert gateways.name_for("cash") == gateways.name_for("COD") == "offline"
    assert gateways.name_for("WALLET") == gateways.name_for("") == "remote"
    kinds = {"stripe/test": StripeGateway, "offline": OfflineGateway, "remote": RemoteGateway}
    assert {name: type(gateway) for name, gateway in gateways} == kinds


def test_payment_keeps_the_gateway_and_mode_of_its_charge() -> None:
    live = gateways_from(Settings.from_env(LIVE))
    assert isinstance(live.named("stripe/live"), StripeGateway)
    assert live.name_for("card") == "stripe/live"
    assert live.named("stripe/test") is None
    assert live.named("remote") is None


def test_mollie_and_stripe_have_their_own_names() -> None:
    both = gateways_from(Settings.from_env(STRIPE | MOLLIE | {"GATEWAY_ROUTES": "CARD=stripe;ideal=mollie"}))
    assert isinstance(both.named("stripe/test"), StripeGateway)
    assert isinstance(both.named("mollie/test"), MollieGateway)
    assert (both.name_for("CARD"), both.name_for("iDEAL"), both.name_for("UPI")) == (
        "stripe/test",
        "mollie/test",
        "mollie/test",
    )
    live = gateways_from(Settings.from_env(LIVE_MOLLIE))
    assert live.name_for("card") == "mollie/live"
    assert live.named("mollie/test") is None


def test_payments_of_release_1_0_0_have_the_gateway_of_that_release() -> None:
    with_address = gateways_from(Settings.from_env(STRIPE | {"GATEWAY_URL": "http://bank.test"}))
    assert isinstance(with_address.named("legacy"), RemoteGateway)
    without = gateways_from(Settings.from_env(STRIPE))
    assert without.named("legacy") is None, "a payment of the simulated bank must not be looked for at Stripe"
    chosen = gateways_from(Settings.from_env(STRIPE | {"LEGACY_GATEWAY": "simulated"}))
    assert isinstance(chosen.named("legacy"), SimulatedGateway)


def test_cash_payment_is_approved_without_a_gateway() -> None:
    gateway = OfflineGateway()
    request = instruct(amount="12.30", currency="EUR", method="COD")
    answer = gateway.send(request)
    assert answer == Approved(Decimal("12.30"), "EUR", "offline", "OFFLINE")
    assert gateway.lookup(request) == answer
    assert list(gateway.ledger(None, None)) == []
