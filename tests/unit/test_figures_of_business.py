import pytest

from payment_service.domain.business_metrics import METHODS, OTHER, Figures, method_label


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("CARD", "CARD"),
        ("upi", "UPI"),
        ("credit_card", "CREDIT_CARD"),
        ("Net banking", "NET_BANKING"),
        ("credit-card", "CREDIT_CARD"),
        ("INV-2025-0001", OTHER),
        ("", OTHER),
        ("CARD ", OTHER),
    ],
)
def test_method_is_counted_under_one_of_a_few_labels(written: str, label: str) -> None:
    assert method_label(written) == label


def test_every_documented_method_is_its_own_label_and_fits_its_column() -> None:
    assert {method_label(method) for method in METHODS} == METHODS
    assert max(map(len, METHODS | {OTHER})) <= 20


def test_figures_without_changes_are_zero() -> None:
    totals = Figures.nothing().totals

    assert (totals.created, totals.failed, totals.errors, totals.refunds) == (0, 0, 0, 0)
    assert (dict(totals.taken), dict(totals.given_back), dict(totals.by_channel_and_method)) == ({}, {}, {})
    assert (set(totals.by_status.values()), dict(totals.by_channel_and_status)) == ({0}, {})
