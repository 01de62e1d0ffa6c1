"""The simulator in Stripe's language, spoken to by Stripe's own library, and what tests do behind its back."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import stripe

from tests.support.simulator import PATIENCE, Simulator, running_simulator

stripe.enable_telemetry = False

VISA = "pm_card_visa"
NO_REDIRECTS = {"enabled": True, "allow_redirects": "never"}
SHOP = "http://127.0.0.1/shop"


def new_key() -> str:
    """Return a gateway key that was never used before."""
    return f"v1-{secrets.token_hex(12)}"


class StripeBank:
    """A running simulator and a client of Stripe's library for it. Parameters are those of Stripe, untyped."""

    def __init__(self, simulator: Simulator, **options: Any) -> None:
        self.simulator = simulator
        self.client = client_for(simulator.url, **options)
        self.intents: Any = self.client.v1.payment_intents
        self.refunds: Any = self.client.v1.refunds
        self.v1: Any = self.client.v1

    def made(self, amount: int = 15_000, card: str | None = VISA, **changes: Any) -> Any:
        """Return an intent in dollars that is not confirmed, unless `confirm` says so; `key` is its gateway key."""
        key = changes.pop("key", None) or new_key()
        wanted = {"amount": amount, "currency": "usd", "metadata": {"gateway_key": key}}
        wanted |= {"payment_method": card} if card else {}
        if "return_url" not in changes:
            wanted["automatic_payment_methods"] = NO_REDIRECTS
        return self.intents.create(wanted | changes)

    def paid(self, amount: int = 15_000, card: str = VISA, **changes: Any) -> Any:
        """Return an intent that was confirmed."""
        return self.made(amount, card, confirm=True, **changes)

    def held(self, amount: int = 15_000, card: str = VISA, **changes: Any) -> Any:
        """Make an intent that holds money."""
        return self.paid(amount, card, capture_method="manual", **changes)

    def refunded(self, intent: Any, amount: int, **changes: Any) -> Any:
        """Return a refund of an intent."""
        wanted = {"payment_intent": intent.id, "amount": amount, "metadata": {"gateway_key": new_key()}}
        return self.refunds.create(wanted | changes)

    def events(self, subject: str) -> list[str]:
        """Return the types of the events about an object, oldest first."""
        found = [each for each in self.v1.events.list({"limit": 100}) if each.data.object.id == subject]
        return [each.type for each in reversed(found)]

    def admin(self, path: str, **body: Any) -> Any:
        """POST to an admin path, and what it answers."""
        answer = requests.post(f"{self.simulator.url}/_simulator/stripe/{path}", json=body, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def look(self, path: str) -> Any:
        """GET an admin path."""
        return requests.get(f"{self.simulator.url}/_simulator/stripe/{path}", timeout=PATIENCE).json()

    def moved(self, key: str) -> list[tuple[str, str]]:
        """Return the ledger's entries under a gateway key: kind and amount in major units."""
        return [(each["kind"], each["amount"]) for each in self.simulator.effects() if each["gateway_key"] == key]


def client_for(url: str, key: str = "sk_test_simulator", **options: Any) -> stripe.StripeClient:
    """Return Stripe's client for the simulator at `url`, without retries."""
    return stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=0, **options)


@contextmanager
def stripe_bank(home: Path, **options: object) -> Iterator[StripeBank]:
    """Yield a bank with its ledger in the directory `home`, gone at the end."""
    with running_simulator(home, **options) as simulator:
        yield StripeBank(simulator)
