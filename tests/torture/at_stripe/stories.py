"""The differences of a story at a bank that speaks Stripe: cards, customers who must act, and later events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from tests.crash.caller import CARD, Intent
from tests.crash.stages import Fault
from tests.torture.stories import LATE, REFUSES, SICK, Step, Story

BACK = "https://shop.example.com/back"

SILENCE = 1.5
"""Seconds for which the service waits for Stripe: a charge is three exchanges."""

BEFORE_500 = Fault("error_before_effect")

AT_STRIPE = (
    # A missing row is lost at Stripe: a person's matter.
    *(fault for fault in SICK if fault.on == "send" and fault.name not in {"slow", "sleep_then_answer"}),
    Fault("slow", more=(("ms", int(SILENCE * 1000) + 300),)),
    Fault("sleep_then_answer", more=(("ms", int(SILENCE * 1000) + 300),)),
    # Kept under the key and repeated, or not kept.
    Fault("error_before_effect", more=(("status", 503),)),
    Fault("error_after_effect", more=(("status", 503),)),
    Fault("error_before_effect", more=(("status", 409),)),
    Fault("error_before_effect", more=(("status", 429),), times=3),
    Fault("error_before_effect", on="register"),
    Fault("error_before_effect", on="register", more=(("status", 429),)),
    Fault("error_after_effect", on="register"),
    Fault("drop_before_effect", on="register"),
    Fault("drop_after_effect", on="register"),
    Fault("garbage", on="register"),
    Fault("error_before_effect", on="lookup", times=2),
    Fault("drop_before_effect", on="lookup"),
    Fault("truncated", on="lookup"),
)
"""The faults that the bank may apply to one operation. The faults of look-ups come with one of sends, for otherwise no
process looks up.
"""

Customer = Literal["", "confirms", "fails", "stays away", "is late"]
"""The customer's reaction when the bank asks: none needed, or one of these; a late customer acts as the time ends."""


@dataclass(frozen=True)
class Payer:
    """A card, with a customer who acts as `acts` where the bank asks; without `comes_back` the bank cannot ask."""

    card: str
    acts: Customer = ""
    comes_back: bool = False
    is_declined: bool = False
    weight: int = 1

    @property
    def may_be_declined(self) -> bool:
        """Whether the bank may refuse the card, or the customer may not confirm."""
        return self.is_declined or self.acts in {"fails", "stays away", "is late"}


SECURE = "pm_card_threeDSecure2Required"
PAYERS = (
    Payer(CARD, weight=12),
    Payer("pm_card_mastercard", weight=2),
    Payer(SECURE, "confirms", comes_back=True, weight=5),
    Payer(SECURE, "fails", comes_back=True, weight=2),
    Payer(SECURE, "stays away", comes_back=True, weight=2),
    Payer(SECURE, "is late", comes_back=True, weight=2),
    Payer("pm_card_threeDSecureRequiredChargeDeclined", "confirms", comes_back=True, is_declined=True),
    Payer("pm_card_pendingRefund", weight=2),
    Payer("pm_card_refundFail", weight=2),
)
PAYERS_OF_ANYBODY = (
    Payer(CARD, weight=8),
    Payer(SECURE, is_declined=True),
    Payer("pm_card_chargeDeclined", is_declined=True),
    Payer("pm_card_chargeDeclinedInsufficientFunds", is_declined=True),
)
"""Also for callers that ask once: no caller waits for this customer or retries a returned refund endlessly."""

Fate = Literal["", "disputed", "disputed and won", "disputed and lost", "refund fails", "hold ends"]
FATES: Sequence[Fate] = ("", "", "disputed", "disputed and won", "disputed and lost", "refund fails", "refund fails")
"""The possible events after a story, beside a hold's end, which is drawn for held money."""


@dataclass
class StripeStep(Step):
    """A step with its payer, if it asks a card for money."""

    payer: Payer = Payer(CARD)

    @property
    def may_be_declined(self) -> bool:
        """Whether the bank may refuse it, if it did not forget to, or the customer will not confirm."""
        return super().may_be_declined or self.payer.may_be_declined or self.intent.card == "pm_card_refundFail"


@dataclass
class StripeStory(Story):
    """A story with payments by card; `fate` is the event afterwards."""

    fate: Fate = ""
    sick: ClassVar[Sequence[Fault]] = AT_STRIPE
    late: ClassVar[Sequence[Fault]] = (*(fault for fault in LATE if fault not in SICK), *AT_STRIPE)

    def steps(self) -> Iterator[Step]:
        """Yield the steps as in every story; now and then no step takes or releases held money."""
        self.fate = self.random.choice(FATES)
        ends_held = self.random.random() < 0.3
        for step in super().steps():
            yield step
            if ends_held and step.intent.kind == "authorize":
                self.fate = "hold ends"
                return

    def drawn(self, intent: Intent) -> Step:
        """Return a step with a card, and with the faults that a refund can be healed of."""
        plain = super().drawn(intent)
        if intent.kind == "refund":
            intent.card = next(each.card for each in self.intents if each.kind in {"charge", "authorize"})
            fault = plain.fault if plain.fault != BEFORE_500 else None  # its key is spent: a person's matter, in a day
            return StripeStep(**(vars(plain) | {"fault": fault}))
        if intent.kind not in {"charge", "authorize"} or (not intent.key and not intent.asks_once):
            return StripeStep(**vars(plain))
        payers = PAYERS_OF_ANYBODY if intent.asks_once else (*PAYERS, *PAYERS_OF_ANYBODY)
        payer = self.random.choices(payers, [each.weight for each in payers])[0]
        intent.card, intent.return_url = payer.card, BACK if payer.comes_back else ""
        # A refusal by fault would strike only one of the attempts that 3-D Secure makes two of.
        step = StripeStep(**vars(plain), payer=payer)
        return replace(step, fault=None) if payer.acts and step.fault is REFUSES else step
