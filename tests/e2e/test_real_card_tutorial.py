"""The lesson on real cards, followed step by step: its commands, its variables, and a customer at the issuer's page."""

import re

import requests

from tests.e2e.test_readme import AT_STRIPE
from tests.support.at_stripe import bank
from tests.support.examples import Reader, examples, unanswered
from tests.support.markdown import document
from tests.support.served import Served, served
from tests.support.stripe_bank import StripeBank

__all__ = ["bank"]

STEPS = 7


class ReaderWithACard(Reader):
    """Follow the page, and open the address of a card's issuer where an answer shows one, as the page asks."""

    def __init__(self, service: Served) -> None:
        super().__init__(document(AT_STRIPE), service)
        self.authenticated = 0

    def _run(self, command: str) -> str:
        answer = super()._run(command)
        if page := re.search(r'"next_action":.*"url":"([^"]+)"', answer):
            assert "Complete" in requests.get(page[1], timeout=20).text
            pressed = requests.post(page[1], data={"success": "true"}, allow_redirects=False, timeout=20)
            assert pressed.headers["Location"].startswith("http://127.0.0.1:8000/paid")
            self.authenticated += 1
        return answer


def variables() -> dict[str, str]:
    """Return the variables that the page has its readers export."""
    (block,) = [text for word, text in document(AT_STRIPE).blocks if word == "sh" and "export " in text]
    pairs = [pair for line in block.splitlines() if line.startswith("export ") for pair in line.split()[1:]]
    return dict(pair.split("=", 1) for pair in pairs)


def test_every_step_answers_as_shown_and_stripe_has_the_charges(bank: StripeBank) -> None:
    with served(**variables(), STRIPE_API_BASE=bank.simulator.url) as service:
        reader = ReaderWithACard(service)
        wrong = reader.surprises()

    assert wrong == [], "".join(wrong)
    assert reader.authenticated == 1
    first, declined, authenticated = reversed(list(bank.intents.list({"limit": 100})))
    assert [each.status for each in (first, declined, authenticated)] == ["succeeded", "canceled", "succeeded"]
    assert (first.amount, first.currency, set(first.metadata.to_dict())) == (
        *(15000, "inr"),
        {"gateway_key", "payment", "channel"},
    )
    assert [(each.amount, each.payment_intent) for each in bank.refunds.list()] == [(5000, first.id)]


def test_every_command_of_the_page_shows_its_answer() -> None:
    assert len(examples(document(AT_STRIPE))) == STEPS
    assert unanswered(document(AT_STRIPE)) == []
