"""The settings choose the gateways and their payments; production refuses unsafe ones."""

from dataclasses import replace

import pytest

from payment_service.config import ConfigurationError, Settings
from tests.unit.test_config_production import PRODUCTION

TEST_KEY, LIVE_KEY = "sk_test_51Hx0000000000000000000000", "rk_live_51Hx0000000000000000000000"
LONGER = {"GUNICORN_TIMEOUT": "52", "NGINX_TIMEOUT": "55", "LEASE_SECONDS": "60"}
STRIPE = {"GATEWAY": "stripe", "STRIPE_API_KEY": TEST_KEY} | LONGER
MOLLIE_TEST, MOLLIE_LIVE = "test_dHar4XY7LxsDOtmnkVtjNVWXLSlXsM", "live_dHar4XY7LxsDOtmnkVtjNVWXLSlXsM"
MOLLIE = {"GATEWAY": "mollie", "MOLLIE_API_KEY": MOLLIE_TEST}
LIVE_MOLLIE = PRODUCTION | MOLLIE | {"MOLLIE_API_KEY": MOLLIE_LIVE, "GATEWAY_URL": ""}
LIVE_MOLLIE |= {"PAYMENT_RETURN_ORIGINS": "https://shop.example.com"}
LIVE = PRODUCTION | STRIPE | {"STRIPE_API_KEY": LIVE_KEY, "GATEWAY_URL": ""}


def faults_of(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env(environ)
    return caught.value.faults


def named_by(environ: dict[str, str]) -> list[str]:
    return [fault.split(":")[0] for fault in faults_of(environ)]


def test_gateway_url_alone_chooses_the_gateway_as_in_1_0_0() -> None:
    nothing, address = Settings.from_env({}), Settings.from_env({"GATEWAY_URL": "http://bank.test"})
    assert (nothing.main_gateway, nothing.gateways, nothing.former_gateway) == (
        "simulated",
        ("simulated",),
        "simulated",
    )
    assert (address.main_gateway, address.gateways, address.former_gateway) == ("remote", ("remote",), "remote")


def test_gateway_without_a_route_stays_for_its_old_payments() -> None:
    settings = Settings.from_env(STRIPE | {"GATEWAY_URL": "http://bank.test"})
    assert settings.main_gateway == "stripe"
    assert settings.gateways == ("remote", "stripe")
    assert settings.former_gateway == "remote"


def test_routes_ignore_case_and_blanks() -> None:
    settings = Settings.from_env(
        STRIPE | {"GATEWAY_ROUTES": " CARD, credit_card = stripe ; COD,CASH=Offline;*=stripe;"}
    )
    assert dict(settings.gateway_routes) == {
        "card": "stripe",
        "credit_card": "stripe",
        "cod": "offline",
        "cash": "offline",
        "*": "stripe",
    }
    assert settings.gateways == ("stripe", "offline")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY", "paypal"),
        ("GATEWAY_ROUTES", "CARD"),
        ("GATEWAY_ROUTES", "=offline"),
        ("GATEWAY_ROUTES", "CARD=paypal"),
        ("GATEWAY_ROUTES", "CARD=offline;card=simulated"),
        ("LEGACY_GATEWAY", "legacy"),
        ("STRIPE_API_KEY", "pk_test_publishable"),
        ("STRIPE_API_KEY", "hunter2"),
        ("STRIPE_API_BASE", "stripe.test"),
        ("STRIPE_WEBHOOK_SECRETS", ","),
        ("STRIPE_DESCRIPTOR_SUFFIX", "a text that is too long to be one"),
        ("STRIPE_DESCRIPTOR_SUFFIX", "12345"),
        ("STRIPE_DESCRIPTOR_SUFFIX", "SHOP*ONE"),
        ("STRIPE_READ_TIMEOUT", "0"),
        ("ALLOW_STRIPE_TEST_MODE", "maybe"),
        ("MOLLIE_API_KEY", "sk_test_51Hx0000000000000000000000"),
        ("MOLLIE_API_KEY", "test_hunter2"),
        ("MOLLIE_WEBHOOK_URL", "https://pay.example.com/webhooks/mollie?key=1"),
        ("MOLLIE_API_BASE", "mollie.test"),
        ("ALLOW_MOLLIE_TEST_MODE", "maybe"),
    ],
)
def test_unreadable_value_is_named_and_not_shown(name: str, value: str) -> None:
    (fault,) = faults_of({name: value})
    assert fault.startswith(f"{name}: ")
    assert "hunter2" not in fault


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"GATEWAY": "stripe"}, "GATEWAY, STRIPE_API_KEY"),
        ({"GATEWAY": "mollie"}, "GATEWAY, MOLLIE_API_KEY"),
        ({"GATEWAY_ROUTES": "ideal=mollie"}, "GATEWAY_ROUTES, MOLLIE_API_KEY"),
        ({"GATEWAY": "remote"}, "GATEWAY, GATEWAY_URL"),
        ({"GATEWAY_ROUTES": "CARD=stripe"}, "GATEWAY_ROUTES, STRIPE_API_KEY"),
        ({"GATEWAY_ROUTES": "CARD=remote"}, "GATEWAY_ROUTES, GATEWAY_URL"),
        ({"LEGACY_GATEWAY": "remote"}, "LEGACY_GATEWAY, GATEWAY_URL"),
    ],
)
def test_route_to_a_gateway_that_is_not_configured_is_refused(change: dict[str, str], named: str) -> None:
    assert named_by(LONGER | change) == [named]


def test_stripe_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payment_service.config_gateways.find_spec", lambda _: None)
    assert faults_of(STRIPE) == ("STRIPE_API_KEY: needs the packages of requirements-stripe.txt.",)


def test_budget_of_stripe_is_three_exchanges_within_the_outer_limits() -> None:
    """A confirmation may take 15 seconds: with the default limits a proxy would cut it off."""
    settings = Settings.from_env(STRIPE)
    assert settings.gateway_budget == 3 * (1 + 15) + 1 == 49
    assert settings.lookup_budget == 17
    assert named_by(STRIPE | {"GUNICORN_TIMEOUT": "49"}) == [
        "GATEWAY_CONNECT_TIMEOUT, STRIPE_READ_TIMEOUT, GUNICORN_TIMEOUT"
    ]
    assert Settings.from_env({"STRIPE_READ_TIMEOUT": "600"}).gateway_budget == 13
    short = {"GATEWAY": "stripe", "STRIPE_API_KEY": TEST_KEY, "STRIPE_READ_TIMEOUT": "6.9"}
    assert Settings.from_env(short).gateway_budget == pytest.approx(24.7)


def test_api_key_names_its_mode() -> None:
    assert Settings.from_env(LIVE).stripe_is_live
    assert not Settings.from_env(STRIPE).stripe_is_live
    assert not replace(Settings.from_env(STRIPE), stripe_api_key=None).stripe_is_live


def test_production_with_a_live_key_is_accepted() -> None:
    assert Settings.from_env(LIVE | {"GATEWAY_ROUTES": "COD=offline"}).gateways == ("stripe", "offline")
    assert Settings.from_env(LIVE | {"STRIPE_API_KEY": TEST_KEY, "ALLOW_STRIPE_TEST_MODE": "true"}).is_production


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"STRIPE_API_KEY": TEST_KEY}, "STRIPE_API_KEY"),
        ({"GATEWAY_ROUTES": "CARD=simulated"}, "GATEWAY_URL"),
        ({"LEGACY_GATEWAY": "simulated"}, "GATEWAY_URL"),
        ({"GATEWAY": "offline"}, "GATEWAY, GATEWAY_ROUTES"),
        ({"GATEWAY_ROUTES": "*=offline"}, "GATEWAY, GATEWAY_ROUTES"),
        ({"STRIPE_WEBHOOK_SECRETS": "whsec_short"}, "STRIPE_WEBHOOK_SECRETS"),
    ],
)
def test_production_refuses_unsafe_gateway_settings_by_name(change: dict[str, str], named: str) -> None:
    assert named_by(LIVE | change) == [named]


@pytest.mark.parametrize("address", ["http://api.stripe.com", "https://api.stripe.com.evil.test"])
def test_live_key_is_sent_only_to_stripe(address: str) -> None:
    joined = "STRIPE_API_KEY, STRIPE_API_BASE"
    assert named_by(STRIPE | {"STRIPE_API_KEY": LIVE_KEY, "STRIPE_API_BASE": address}) == [joined]
    assert named_by(LIVE | {"STRIPE_API_BASE": address}) == [joined, "STRIPE_API_BASE"]
    test_mode = {"STRIPE_API_KEY": TEST_KEY, "ALLOW_STRIPE_TEST_MODE": "true", "STRIPE_API_BASE": address}
    assert named_by(LIVE | test_mode) == ["STRIPE_API_BASE"]


def test_printed_settings_show_no_secret_of_stripe() -> None:
    secret = "whsec_f3b0c44298fc1c149afbf4c8996fb924"
    settings = Settings.from_env(STRIPE | {"STRIPE_WEBHOOK_SECRETS": f"{secret}, {secret}2"})
    assert settings.stripe_webhook_secrets == (secret, f"{secret}2")
    assert TEST_KEY not in repr(settings)
    assert secret not in repr(settings)


def test_budget_of_mollie_is_three_exchanges_within_the_default_limits() -> None:
    settings = Settings.from_env(MOLLIE)
    assert (settings.main_gateway, settings.gateway_budget, settings.lookup_budget) == ("mollie", 19, 7)
    assert named_by(MOLLIE | {"GATEWAY_READ_TIMEOUT": "7"}) == [
        "GATEWAY_CONNECT_TIMEOUT, GATEWAY_READ_TIMEOUT, GUNICORN_TIMEOUT"
    ]


def test_keys_of_mollie_are_secret_and_name_their_mode() -> None:
    assert MOLLIE_TEST not in repr(Settings.from_env(MOLLIE))
    assert not Settings.from_env(MOLLIE).mollie_is_live
    assert Settings.from_env(LIVE_MOLLIE).mollie_is_live
    allowed = {"MOLLIE_API_KEY": MOLLIE_TEST, "ALLOW_MOLLIE_TEST_MODE": "true"}
    assert Settings.from_env(LIVE_MOLLIE | allowed).is_production
    assert named_by(LIVE_MOLLIE | {"MOLLIE_API_KEY": MOLLIE_TEST}) == ["MOLLIE_API_KEY"]


def test_production_with_mollie_needs_return_origins() -> None:
    """Every charge at Mollie needs a return URL, and production accepts only those of a configured origin."""
    without = {name: value for name, value in LIVE_MOLLIE.items() if name != "PAYMENT_RETURN_ORIGINS"}
    assert named_by(without) == ["PAYMENT_RETURN_ORIGINS"]
    assert named_by(LIVE | {"MOLLIE_API_KEY": MOLLIE_LIVE, "GATEWAY_ROUTES": "IDEAL=mollie"}) == [
        "PAYMENT_RETURN_ORIGINS"
    ]
    only_old_payments = LIVE | {"MOLLIE_API_KEY": MOLLIE_LIVE}
    assert Settings.from_env(only_old_payments).is_production


def test_live_key_is_sent_only_to_mollie() -> None:
    address = {"MOLLIE_API_BASE": "https://api.mollie.com.evil.test"}
    assert named_by(MOLLIE | {"MOLLIE_API_KEY": MOLLIE_LIVE} | address) == ["MOLLIE_API_KEY, MOLLIE_API_BASE"]
    assert named_by(LIVE_MOLLIE | address) == ["MOLLIE_API_KEY, MOLLIE_API_BASE", "MOLLIE_API_BASE"]
