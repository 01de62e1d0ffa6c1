"""The whole service before a bank that speaks Stripe; the bank delivers webhooks on a test's order."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from random import Random

from werkzeug.test import TestResponse

from payment_service.services.notices import handle_due
from tests.model.at_stripe.bank import StripeBank
from tests.model.system import System
from tests.model.wire import Wire

CARD, SECURE_CARD, BACK = "pm_card_visa", "pm_card_threeDSecure2Required", "https://shop.example.com/back"

AGAIN = 12
"""Webhooks that come once more at a time."""


class StripeSystem(System):
    """As the base class; `bank` is Stripe's adapter before a simulator of its own."""

    bank: StripeBank  # type: ignore[assignment]

    def make_bank(self) -> StripeBank:  # type: ignore[override]
        """Return a bank with a file of its own."""
        self._home = tempfile.TemporaryDirectory(prefix="model-")
        self.is_secure, self._told = False, 0
        return StripeBank(Path(self._home.name))

    def send(
        self, wire: Wire, subject: str, key: str | None = None, more: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Send as the base class does, with the customer's card; one that must authenticate has a return page."""
        card = {"Payment-Token": SECURE_CARD, "Payment-Return-Url": BACK} if self.is_secure else {"Payment-Token": CARD}
        return super().send(wire, subject, key, card if wire.method != "GET" else more)

    def deliver(self, *, again: bool = False) -> None:
        """Deliver the webhooks that have not come yet, or repeat some in any order; then the worker looks at them."""
        webhooks, told = self.bank.webhooks(), self._told
        self._told = len(webhooks)
        webhooks = Random(self.operations).sample(webhooks, min(AGAIN, len(webhooks))) if again else webhooks[told:]
        for body, signed in webhooks:
            answer = self._client.post("/webhooks/remote", data=body, headers=signed)
            assert answer.status_code == 200, answer.text
        while handle_due(self.deps).total():
            pass

    def decided(self, before: int) -> Counter[tuple[str, int, str]]:
        """Return the bank's decisions since the example began."""
        return self.bank.decided()

    def decisions(self) -> int:
        """Begin an example at the bank, which counts its decisions from there."""
        self.bank.begin()
        self._told = 0
        return 0

    def empty_bank(self) -> None:
        """Begin with another bank: the audit compares all there is."""
        self.bank.empty()

    def close(self) -> None:
        """Let go of the bank, too."""
        super().close()
        self.bank.close()
        self._home.cleanup()
