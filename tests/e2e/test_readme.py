"""The documents' commands, run in their order on a service just started, do as the documents say."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from payment_service_client import Declined, OrderPayment, Refused
from tests.support.examples import SHOWN_AT, Reader, examples, unanswered
from tests.support.markdown import document, documents
from tests.support.processes import ROOT
from tests.support.served import Served, served

FEWEST_EXAMPLES = {
    "README.md": 3,
    "docs/tutorials/first-charge.md": 10,
    "docs/how-to/deploy.md": 1,
    "docs/reference/commands.md": 3,
} | {f"docs/reference/channels/{path.name}": 9 for path in (ROOT / "docs" / "reference" / "channels").glob("*.md")}
"""The pages with commands to run, and how many each has at least."""

AT_STRIPE = "docs/tutorials/real-card-in-test-mode.md"
"""The page for a simulator of Stripe; a test of its own follows it."""

FOLLOWED_ELSEWHERE = {
    AT_STRIPE,
    *(f"docs/tutorials/{name}.md" for name in ("add-a-channel", "connect-a-gateway", "receive-your-first-event")),
}
"""The pages that need more than a service; tests of their own follow them."""

every_page = pytest.mark.parametrize("name", sorted(FEWEST_EXAMPLES))


@every_page
def test_every_command_of_the_page_answers_as_shown(name: str) -> None:
    # The page of checkout asks its readers to set this; no other page charges as checkout.
    with served(CHECKOUT_SUCCESS_RATE="1") as service:
        wrong = Reader(document(name), service).surprises()

    assert wrong == [], "".join(wrong)


@every_page
def test_every_command_of_the_page_shows_its_answer(name: str) -> None:
    assert len(examples(document(name))) >= FEWEST_EXAMPLES[name]
    assert unanswered(document(name)) == []


def test_every_page_with_answers_is_compared() -> None:
    pages = {str(page.path.relative_to(ROOT)) for page in documents() if examples(page)}

    assert pages == FEWEST_EXAMPLES.keys() | FOLLOWED_ELSEWHERE


@pytest.fixture(scope="module")
def service() -> Iterator[Served]:
    with served() as running:
        yield running


def call(service: Served, name: str) -> Callable[..., OrderPayment]:
    """Return a function of the program that the page of orders shows."""
    (program,) = [text for word, text in document("docs/reference/channels/orders.md").blocks if word == "python"]
    names: dict[str, Any] = {}
    exec(program.replace(SHOWN_AT, service.url), names)  # noqa: S102 - it is our own document
    found: Callable[..., OrderPayment] = names[name]
    return found


@pytest.mark.parametrize(("order", "amount"), [(7001, "100"), (7002, "202.03")])
def test_program_of_the_order_service_gets_one_final_answer_for_a_key(service: Served, order: int, amount: str) -> None:
    first, again = (call(service, "charge")(order, 601, Decimal(amount)) for _ in range(2))

    assert (first.status, first.amount) == ("COMPLETED", Decimal(amount))
    assert again == first


def test_program_of_the_order_service_counts_attempts_after_a_decline(service: Served) -> None:
    charge = call(service, "charge")
    with pytest.raises(Declined):
        charge(7003, 601, Decimal("402.02"))

    assert charge(7003, 601, Decimal(100), attempt=2).status == "COMPLETED"


def test_program_of_the_order_service_refunds_once_and_reports_a_refusal(service: Served) -> None:
    payment = call(service, "charge")(7004, 601, Decimal(80))
    refund = call(service, "refund")
    refunded = [refund(payment, Decimal(50), 1).refunded_amount for _ in range(2)]

    assert refunded == [50, 50]
    with pytest.raises(Refused, match="cannot exceed"):
        refund(payment, Decimal(50), 2)
