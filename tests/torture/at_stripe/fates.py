"""The fate of a payment after its story: a customer's bank disputes it, a refund comes back, a hold ends."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.torture.at_stripe.ledger import Object, StripeLedger, major
from tests.torture.at_stripe.stories import StripeStory


class Fates:
    """Lets things happen at the bank by its `admin` calls; the `account` shows what there is to happen to."""

    def __init__(self, admin: Callable[..., Any], account: StripeLedger) -> None:
        self._admin = admin
        self._account = account

    def happen(self, story: StripeStory) -> bool:
        """Let the story's fate come to pass, where there is money for it; whether it did."""
        match story.fate:
            case "hold ends":
                return self._end_hold(story)
            case "refund fails":
                return self._fail_refund(story)
            case "disputed" | "disputed and won" | "disputed and lost":
                return self._dispute(story)
        return False

    def _end_hold(self, story: StripeStory) -> bool:
        # A hold that ends before it is known here never was one: tests/e2e/test_stripe_later.py has that.
        held = self._intent(story, "requires_capture") if _is_known(story) else None
        if held is not None:
            self._admin(f"payment_intents/{held['id']}/expire")
        return held is not None

    def _fail_refund(self, story: StripeStory) -> bool:
        amounts = {intent.amount for intent in story.intents if intent.kind == "refund"}
        for refund in self._account.objects("refund"):
            if major(refund["amount"]) in amounts and refund["status"] == "succeeded":
                self._admin(f"refunds/{refund['id']}/fail", failure_reason="lost_or_stolen_card")
                return True
        return False

    def _dispute(self, story: StripeStory) -> bool:
        # A dispute during the reversal is a person's matter: the bank refuses the reversal.
        paid = self._intent(story, "succeeded") if _is_known(story) else None
        if paid is None:
            return False
        amount = paid["amount_received"] // story.random.choice((1, 2))
        dispute = self._admin("disputes", payment_intent=paid["id"], amount=amount)
        ends = {"disputed and won": ["under_review", "won"], "disputed and lost": ["lost"]}.get(story.fate, [])
        if ends == ["lost"] and story.random.random() < 0.3:
            ends += ["won"]  # a lost one can be won all the same
        for status in ends:
            self._admin(f"disputes/{dispute['id']}", status=status)
        return True

    def _intent(self, story: StripeStory, status: str) -> Object | None:
        """Return the intent that a story's charge or authorization has made."""
        wish = next((each for each in story.intents if each.kind in {"charge", "authorize"}), None)
        amount: Decimal = wish.amount if wish else Decimal(0)
        found = self._account.intents_of(wish.kind, amount) if wish else []
        return next((each for each in found if each["status"] == status), None)


def _is_known(story: StripeStory) -> bool:
    """Return whether no caller that asks once heard false."""
    return all(not wish.asks_once or wish.told for wish in story.intents)
