"""Amounts in a gateway's notation, as literals: a scale that is checked by its own inverse proves nothing."""

from decimal import Decimal

import pytest

from payment_service.domain.money import EXPONENTS
from payment_service.gateways.minor import STRIPE, UnfitAmount


@pytest.mark.parametrize(
    ("amount", "currency", "number"),
    [
        ("1.50", "USD", 150),
        ("0.50", "EUR", 50),
        ("500", "JPY", 500),
        ("500.00", "JPY", 500),
        ("5", "ISK", 500),
        ("5.00", "UGX", 500),
        ("5.00", "MGA", 5),
        ("1.230", "KWD", 1230),
        ("10", "KRW", 10),
        ("175.00", "HUF", 17500),
        ("20", "TWD", 2000),
        ("999999.99", "USD", 99_999_999),
        ("99999999", "JPY", 99_999_999),
    ],
)
def test_amount_is_sent_in_minor_units_of_stripe(amount: str, currency: str, number: int) -> None:
    """UGX taken for a currency without decimals was charged at a hundredth in five projects."""
    assert STRIPE.to_charge(Decimal(amount), currency) == number
    assert STRIPE.to_minor(Decimal(amount), currency) == number


@pytest.mark.parametrize(
    ("number", "currency", "amount"),
    [
        (150, "USD", "1.50"),
        (500, "JPY", "500"),
        (500, "ISK", "5"),
        (500, "UGX", "5"),
        (5, "MGA", "5"),
        (1230, "KWD", "1.23"),
        (1, "EUR", "0.01"),
    ],
)
def test_amount_of_stripe_is_read_in_major_units(number: int, currency: str, amount: str) -> None:
    assert STRIPE.to_major(number, currency) == Decimal(amount)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("0.49", "USD", "AMOUNT_TOO_SMALL"),
        ("49", "JPY", "AMOUNT_TOO_SMALL"),
        ("0.29", "GBP", "AMOUNT_TOO_SMALL"),
        ("1000000.00", "USD", "AMOUNT_TOO_LARGE"),
        ("100000000", "JPY", "AMOUNT_TOO_LARGE"),
        ("1000000", "UGX", "AMOUNT_TOO_LARGE"),
        ("1.234", "KWD", "AMOUNT_TOO_PRECISE"),
        ("5.50", "MGA", "AMOUNT_TOO_PRECISE"),
        ("5.50", "UGX", "AMOUNT_TOO_PRECISE"),
        ("1.005", "USD", "AMOUNT_TOO_PRECISE"),
        ("10.000", "LYD", "CURRENCY_NOT_SUPPORTED"),
    ],
)
def test_amount_that_stripe_cannot_move_is_refused_with_a_sentence(amount: str, currency: str, code: str) -> None:
    with pytest.raises(UnfitAmount) as refused:
        STRIPE.to_charge(Decimal(amount), currency)
    assert refused.value.code == code
    assert refused.value.message.startswith("The ")


def test_refund_may_be_smaller_than_any_charge() -> None:
    assert STRIPE.to_minor(Decimal("0.01"), "USD") == 1


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_one_unit_of_each_currency_is_converted_or_refused(currency: str) -> None:
    """A currency with three decimals that the table forgets would be charged at a tenth."""
    expected = {"KRW": 1, "JPY": 1, "MGA": 1} | dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 1000)
    others = "BIF CLP DJF GNF KMF PYG RWF VND VUV XAF XOF XPF"
    expected |= dict.fromkeys(others.split(), 1)
    if currency in {"IQD", "LYD"}:
        with pytest.raises(UnfitAmount):
            STRIPE.to_minor(Decimal(1), currency)
    else:
        assert STRIPE.to_minor(Decimal(1), currency) == expected.get(currency, 100)
