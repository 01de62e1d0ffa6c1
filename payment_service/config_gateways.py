"""The settings of gateways: the gateways, the payments that go to each, and the rules that join them.

`config.Settings` inherits `GatewaySettings`; the gateways' factory reads it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from marshmallow import ValidationError

from payment_service import config_contents as contents
from payment_service import config_fields as parse
from payment_service.config_fields import Refusal, Violation, var

WORDS = ("simulated", "remote", "stripe", "mollie", "offline")
"""The names of gateways in settings. A payment keeps the name, with the mode: `stripe/test`, `mollie/live`."""

STRIPE_API_BASE, MOLLIE_API_BASE = "https://api.stripe.com", "https://api.mollie.com"

ANY_METHOD = "*"

_STRIPE_KEY = re.compile(r"(sk|rk)_(test|live)_\w+")
_MOLLIE_KEY = re.compile(r"(test|live)_\w{20,}")
_SUFFIX = re.compile(r"""(?=.*[A-Za-z])[^<>\\'"*]{1,22}""")
_SECONDS = parse.real(0, 86400, min_inclusive=False)
_RATE = parse.real(0, 1)


def stripe_key(text: str) -> str:
    """Parse a secret or restricted key of Stripe's."""
    if not _STRIPE_KEY.fullmatch(text):
        raise ValidationError("must be a secret or restricted key: sk_test_, sk_live_, rk_test_ or rk_live_ and more.")
    return text


def mollie_key(text: str) -> str:
    """Parse an API key of Mollie's."""
    if not _MOLLIE_KEY.fullmatch(text):
        raise ValidationError("must be an API key: test_ or live_ and more.")
    return text


def descriptor_suffix(text: str) -> str:
    """Parse the text that follows the account's own name on a customer's statement."""
    if not _SUFFIX.fullmatch(text) or not (text.isascii() and text.isprintable()):
        raise ValidationError("must be up to 22 printable ASCII characters, one of them a letter, without <>\\'\"*.")
    return text


def signing_secrets(text: str) -> tuple[str, ...]:
    """Parse the secrets of webhook endpoints at a gateway, separated by commas."""
    secrets = parse.split(text)
    if not secrets:
        raise ValidationError("must be a secret, or several separated by commas.")
    return secrets


def routes(text: str) -> tuple[tuple[str, str], ...]:
    """Parse `CARD,CREDIT_CARD=stripe;COD=offline;*=remote` into pairs: method in lower case (or `*`), gateway."""
    gateway, found = parse.choice(*WORDS), []
    for part in filter(None, map(str.strip, text.split(";"))):
        methods, equals, name = part.partition("=")
        if not equals or not parse.split(methods):
            raise ValidationError("must be methods and a gateway, such as CARD,CREDIT_CARD=stripe;COD=offline.")
        found += [(method.lower(), gateway(name)) for method in parse.split(methods)]
    if len(dict(found)) != len(found):
        raise ValidationError("must name each method once.")
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """The gateways, and how each is reached. Times are seconds.

    `gateway` None: the one at `gateway_url`, or without one the simulator in this process. `gateway_routes` are pairs
    of a method in lower case, or `*` for every other, and a gateway. `legacy_gateway` has the payments of release
    1.0.0; None: the gateway to which that release sent them, by `gateway_url`.
    """

    gateway: str | None = var(None, parse.choice(*WORDS))
    gateway_routes: tuple[tuple[str, str], ...] = var((), routes)
    legacy_gateway: str | None = var(None, parse.choice(*WORDS))
    gateway_url: str | None = var(None, parse.gateway_url)
    gateway_token: str | None = var(None, contents.header_value, secret=True)
    allow_plain_gateway: bool = var(False, parse.boolean)
    allow_gateway_without_token: bool = var(False, parse.boolean)
    gateway_connect_timeout: float = var(1.0, _SECONDS)
    gateway_read_timeout: float = var(5.0, _SECONDS)
    # Customers who must authenticate a payment: the origins of their return URLs, and the time they may take.
    payment_return_origins: tuple[str, ...] = var((), parse.origins)
    gateway_action_ttl: float = var(3600.0, parse.real(60, 7 * 86400))
    gateway_success_rate: float = var(1.0, _RATE)
    checkout_success_rate: float = var(0.95, _RATE)
    gateway_latency_ms: int = var(0, parse.integer(0, 60000))
    allow_simulated_gateway: bool = var(False, parse.boolean)
    stripe_api_key: str | None = var(None, stripe_key, secret=True)
    stripe_webhook_secrets: tuple[str, ...] = var((), signing_secrets, secret=True)
    stripe_api_base: str = var(STRIPE_API_BASE, parse.gateway_url)
    stripe_descriptor_suffix: str | None = var(None, descriptor_suffix)
    stripe_read_timeout: float = var(15.0, _SECONDS)
    allow_stripe_test_mode: bool = var(False, parse.boolean)
    mollie_api_key: str | None = var(None, mollie_key, secret=True)
    mollie_webhook_url: str | None = var(None, parse.http_url)
    mollie_api_base: str = var(MOLLIE_API_BASE, parse.gateway_url)
    allow_mollie_test_mode: bool = var(False, parse.boolean)

    @property
    def main_gateway(self) -> str:
        """The gateway of payments with a method that no route names."""
        return dict(self.gateway_routes).get(ANY_METHOD) or self.gateway or self._by_url

    @property
    def former_gateway(self) -> str:
        """The gateway of the payments of release 1.0.0."""
        return self.legacy_gateway or self._by_url

    @property
    def gateways(self) -> tuple[str, ...]:
        """Every gateway that is named or can be reached: older payments may belong to one that gets no new ones."""
        named = {self.main_gateway, self.legacy_gateway, *dict(self.gateway_routes).values()}
        reachable = {"remote": self.gateway_url, "stripe": self.stripe_api_key, "mollie": self.mollie_api_key}
        return tuple(word for word in WORDS if word in named or reachable.get(word))

    @property
    def stripe_is_live(self) -> bool:
        """True if Stripe's key moves real money."""
        return (self.stripe_api_key or "")[3:].startswith("live_")

    @property
    def mollie_is_live(self) -> bool:
        """True if Mollie's key moves real money."""
        return (self.mollie_api_key or "").startswith("live_")

    @property
    def gateway_budget(self) -> float:
        """The longest gateway call of one operation, at the slowest gateway."""
        return max(seconds for _, _, seconds in self.gateway_budgets())

    def gateway_budgets(self) -> Iterator[tuple[tuple[str, str], str, float]]:
        """Yield the variables, the formula and the seconds of each gateway's budget."""
        connect, read = self.gateway_connect_timeout, self.gateway_read_timeout
        # Two sends and at most a second of jitter between them.
        yield ("GATEWAY_CONNECT_TIMEOUT", "GATEWAY_READ_TIMEOUT"), "2 * (connect + read) + 1", 2 * (connect + read) + 1
        if "mollie" in self.gateways:
            # A look before, the send, and a look afterwards.
            names, seconds = ("GATEWAY_CONNECT_TIMEOUT", "GATEWAY_READ_TIMEOUT"), connect + read
            yield names, "3 * (connect + read) + 1", 3 * seconds + 1
        if "stripe" in self.gateways:
            # Registration, send, and a look at what an error left behind.
            names, seconds = ("GATEWAY_CONNECT_TIMEOUT", "STRIPE_READ_TIMEOUT"), connect + self.stripe_read_timeout
            yield names, "3 * (connect + read) + 1", 3 * seconds + 1

    @property
    def lookup_budget(self) -> float:
        """The longest look-up at a gateway, and a second to write its result down."""
        slow = self.stripe_read_timeout if "stripe" in self.gateways else 0.0
        return self.gateway_connect_timeout + max(self.gateway_read_timeout, slow) + 1

    @property
    def _by_url(self) -> str:
        return "remote" if self.gateway_url else "simulated"


def contradictions(settings: GatewaySettings) -> Iterator[Violation]:
    """Yield rules broken in every environment: named gateways are configured, live keys go to their gateway alone."""
    named = (
        (("GATEWAY",), (settings.gateway,)),
        (("GATEWAY_ROUTES",), tuple(dict(settings.gateway_routes).values())),
        (("LEGACY_GATEWAY",), (settings.legacy_gateway,)),
    )
    for variables, words in named:
        if "remote" in words and not settings.gateway_url:
            yield (*variables, "GATEWAY_URL"), "the remote gateway needs its address."
        if "stripe" in words and not settings.stripe_api_key:
            yield (*variables, "STRIPE_API_KEY"), "Stripe needs a key."
        if "mollie" in words and not settings.mollie_api_key:
            yield (*variables, "MOLLIE_API_KEY"), "Mollie needs a key."
    if settings.stripe_api_key and find_spec("stripe") is None:
        yield ("STRIPE_API_KEY",), "needs the packages of requirements-stripe.txt."
    if settings.stripe_is_live and settings.stripe_api_base != STRIPE_API_BASE:
        yield ("STRIPE_API_KEY", "STRIPE_API_BASE"), "a live key is sent to Stripe alone."
    if settings.mollie_is_live and settings.mollie_api_base != MOLLIE_API_BASE:
        yield ("MOLLIE_API_KEY", "MOLLIE_API_BASE"), "a live key is sent to Mollie alone."


def refusals(settings: GatewaySettings) -> Iterator[Refusal]:
    """Yield the settings that production refuses."""
    if "simulated" in settings.gateways:
        yield "ALLOW_SIMULATED_GATEWAY", ("GATEWAY_URL",), "production needs a gateway."
    if (settings.gateway_url or "").startswith("http://"):
        yield "ALLOW_PLAIN_GATEWAY", ("GATEWAY_URL",), "must be https:// in production."
    if settings.gateway_url and settings.gateway_token is None:
        yield "ALLOW_GATEWAY_WITHOUT_TOKEN", ("GATEWAY_TOKEN",), "production needs the gateway's token."
    if settings.main_gateway == "offline":
        yield None, ("GATEWAY", "GATEWAY_ROUTES"), "the offline gateway approves everything: name the methods for it."
    yield from _commercial(settings)


def _commercial(settings: GatewaySettings) -> Iterator[Refusal]:
    """Yield test keys, other addresses, and secrets that are too weak."""
    if settings.stripe_api_key and not settings.stripe_is_live:
        yield "ALLOW_STRIPE_TEST_MODE", ("STRIPE_API_KEY",), "production needs a live key."
    if settings.stripe_api_base != STRIPE_API_BASE:
        yield None, ("STRIPE_API_BASE",), "only Stripe's own address is accepted in production."
    if settings.mollie_api_key and not settings.mollie_is_live:
        yield "ALLOW_MOLLIE_TEST_MODE", ("MOLLIE_API_KEY",), "production needs a live key."
    takes_new_payments = {settings.main_gateway, *dict(settings.gateway_routes).values()}
    if "mollie" in takes_new_payments and not settings.payment_return_origins:
        yield None, ("PAYMENT_RETURN_ORIGINS",), "Mollie's customers come back to a page: name its origin."
    if settings.mollie_api_base != MOLLIE_API_BASE:
        yield None, ("MOLLIE_API_BASE",), "only Mollie's own address is accepted in production."
    problems = filter(None, map(contents.secret_problem, settings.stripe_webhook_secrets))
    if (problem := next(problems, None)) is not None:
        yield None, ("STRIPE_WEBHOOK_SECRETS",), problem
