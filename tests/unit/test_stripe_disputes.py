"""Literal examples of Stripe's disputes, one for each case, give the expected results."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from payment_service.domain.disputes import DisputeStatus
from payment_service.gateways.base import NotFound, NotSent, Unknown
from payment_service.gateways.listed import Dispute
from payment_service.gateways.stripe.disputes import of_reply
from payment_service.gateways.stripe.replies import StripeReply


def shown(**changes: Any) -> dict[str, Any]:
    """Return a dispute in Stripe's form, with its intent."""
    return {
        "id": "dp_1",
        "object": "dispute",
        "livemode": False,
        "amount": 6000,
        "currency": "usd",
        "charge": "ch_1",
        "payment_intent": {"id": "pi_1", "object": "payment_intent", "metadata": {"gateway_key": "v1-key"}},
        "status": "needs_response",
        "reason": "fraudulent",
        "evidence_details": {"due_by": 1_798_761_600, "has_evidence": False},
        "balance_transactions": [{"amount": -6000, "currency": "usd"}],
        **changes,
    }


def meaning(**changes: Any) -> Dispute | NotFound | NotSent | Unknown:
    return of_reply(StripeReply(200, shown(**changes)), live=False)


def status_of(**changes: Any) -> DisputeStatus:
    found = meaning(**changes)
    assert isinstance(found, Dispute), found
    return found.status


def test_dispute_is_read_with_all_its_fields() -> None:
    assert meaning() == Dispute(
        reference="dp_1",
        gateway_key="v1-key",
        charge_reference="ch_1",
        amount=Decimal("60.00"),
        currency="USD",
        status=DisputeStatus.OPEN,
        gateway_status="needs_response",
        reason="fraudulent",
        evidence_due_at=datetime(2027, 1, 1, tzinfo=UTC),
        withdrawn=True,
    )


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("needs_response", DisputeStatus.OPEN),
        ("under_review", DisputeStatus.OPEN),
        ("warning_needs_response", DisputeStatus.OPEN),
        ("warning_under_review", DisputeStatus.OPEN),
        ("warning_closed", DisputeStatus.WON),
        ("prevented", DisputeStatus.WON),
        ("won", DisputeStatus.WON),
        ("lost", DisputeStatus.LOST),
    ],
)
def test_status_of_the_object_decides(word: str, status: DisputeStatus) -> None:
    assert status_of(status=word) is status


def test_returned_money_does_not_decide_a_dispute() -> None:
    """Other projects read `funds_reinstated` as won, though the dispute was lost."""
    found = meaning(status="lost", balance_transactions=[{"amount": -6000}, {"amount": 6000}])
    assert isinstance(found, Dispute)
    assert (found.status, found.withdrawn) == (DisputeStatus.LOST, False)


def test_amounts_are_converted_from_minor_units() -> None:
    found = meaning(currency="jpy", amount=500)
    assert isinstance(found, Dispute)
    assert (found.amount, found.currency) == (Decimal(500), "JPY")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "a_new_word"},
        {"amount": "6000"},
        {"amount": -1},
        {"livemode": True},
        {"object": "charge"},
        {"id": None},
        {"currency": 7},
    ],
    ids=str,
)
def test_unreadable_dispute_decides_nothing(changes: dict[str, Any]) -> None:
    assert isinstance(meaning(**changes), Unknown)


def test_missing_fields_of_a_dispute_are_none() -> None:
    found = meaning(payment_intent="pi_1", evidence_details={"due_by": None}, reason=None, balance_transactions=None)
    assert isinstance(found, Dispute)
    assert (found.gateway_key, found.evidence_due_at, found.reason, found.withdrawn) == (None, None, None, False)


@pytest.mark.parametrize(
    ("status", "result"), [(404, NotFound), (429, NotSent), (500, Unknown), (401, NotSent)], ids=str
)
def test_error_of_a_dispute_is_classified_by_its_status(status: int, result: type) -> None:
    found = of_reply(StripeReply(status, {"error": {"type": "invalid_request_error"}}), live=False)
    assert type(found) is result
