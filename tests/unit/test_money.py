from decimal import Decimal

import pytest

from payment_service.domain.errors import FieldError, Invalid
from payment_service.domain.money import (
    EXPONENTS,
    BadAmount,
    decimals,
    in_currency,
    parse_amount,
    rounded_in,
    to_text,
)
from tests.support.effort import least_work


def reason_of(text: str, currency: str | None = "USD", **options: bool) -> str:
    with pytest.raises(BadAmount) as caught:
        parse_amount(text, currency, **options)
    return caught.value.reason


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("150", "USD", "150.00"),
        ("150.0", "USD", "150.00"),
        ("0.01", "USD", "0.01"),
        ("999999999999.99", "USD", "999999999999.99"),
        ("1500", "JPY", "1500"),
        ("1500.00", "JPY", "1500"),
        ("1.234", "KWD", "1.234"),
        ("10.500", "EUR", "10.50"),
    ],
)
def test_amount_has_the_decimals_of_its_currency(text: str, currency: str, amount: str) -> None:
    assert str(parse_amount(text, currency)) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [("0.001", "USD"), ("19.999", "USD"), ("0.005", "USD"), ("100.5", "JPY"), ("1.2345", "KWD"), ("10.05", "KRW")],
)
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    assert reason_of(text, currency) == "too_precise"


@pytest.mark.parametrize(
    ("text", "amount"),
    [("10.005", "10.00"), ("10.015", "10.02"), ("2.675", "2.68"), ("0.006", "0.01"), ("19.990000000000002", "19.99")],
)
def test_amount_of_orders_is_rounded_half_even(text: str, amount: str) -> None:
    assert str(parse_amount(text, "INR", rounded=True)) == amount


@pytest.mark.parametrize("text", ["0.004", "0.005", "0", "0.00"])
def test_amount_that_rounds_to_zero_is_refused(text: str) -> None:
    assert reason_of(text, "INR", rounded=True) == "zero"


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [("100.5", "JPY", "100"), ("101.5", "JPY", "102"), ("99.999", "KWD", "99.999"), ("0.0015", "KWD", "0.002")],
)
def test_amount_of_orders_is_rounded_to_the_decimals_of_the_currency(text: str, currency: str, amount: str) -> None:
    assert str(parse_amount(text, currency, rounded=True)) == amount


def test_amount_of_a_refund_is_rounded_by_the_currency_of_its_payment() -> None:
    amount = parse_amount("10.0051", None, rounded=True)
    assert (str(rounded_in(amount, "INR")), str(rounded_in(amount, "KWD"))) == ("10.01", "10.005")
    with pytest.raises(BadAmount, match="must be positive"):
        rounded_in(Decimal("0.004"), "INR")


def test_amount_rounded_above_the_limit_is_refused() -> None:
    assert reason_of("999999999999.999", "INR", rounded=True) == "too_large"


@pytest.mark.parametrize("rounded", [True, False])
@pytest.mark.parametrize("digits", [13, 25, 26, 27, 28, 29, 36])
@pytest.mark.parametrize("decimals", ["", ".5", ".005", ".99"])
def test_amount_with_more_digits_than_a_decimal_holds_is_too_large(digits: int, decimals: str, rounded: bool) -> None:
    """Rounding knows 28 digits: judged first, an amount of 27 and two decimals never gets there."""
    assert reason_of("9" * digits + decimals, "INR", rounded=rounded) == "too_large"
    assert reason_of("9" * digits + decimals, None, rounded=rounded) == "too_large"


@pytest.mark.parametrize(("text", "reason"), [("9" * 40, "too_large"), ("9" * 39 + ".5", "malformed")])
def test_text_that_is_too_long_is_no_amount(text: str, reason: str) -> None:
    assert reason_of(text, "INR", rounded=True) == reason


@pytest.mark.parametrize("text", ["0", "0.0", "0.00"])
def test_zero_is_accepted_only_where_allowed(text: str) -> None:
    assert reason_of(text) == "zero"
    assert parse_amount(text, "USD", allow_zero=True) == 0


@pytest.mark.parametrize("text", ["-0", "-0.00", "-5", "-0.01", "-999999999999999999"])
def test_negative_amount_and_negative_zero_are_refused_as_negative(text: str) -> None:
    assert reason_of(text, allow_zero=True) == "negative"


@pytest.mark.parametrize("text", ["1000000000000", "9" * 39, "1" + "0" * 20 + ".5"])
def test_more_than_twelve_digits_before_the_point_are_refused(text: str) -> None:
    assert reason_of(text) == "too_large"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "-", "5.", ".5", "007", "00", "+12", " 12", "12 ", "12\n", "1_000", "1,000", "1 000", "0x10",
        "1e2", "1E2", "1e-2", "1e2000000", "NaN", "nan", "Infinity", "-Infinity", "inf", "sNaN", "1.2.3", "--1", "1-",
        "\u0661\u0662", "\uff11\uff12", "\u00b2", "\u00bd", "12\x00", "true", "None", "[]",
        "1" * 41, "0." + "0" * 50, "9" * 100_000,
    ],
)  # fmt: skip
def test_text_that_is_no_plain_number_is_refused(text: str) -> None:
    assert reason_of(text) == "malformed"


@pytest.mark.parametrize(
    "text", ["1e2000000", "1E+2000000", "9" * 10_000_000, "1." + "0" * 10_000_000, "-" * 10_000_000]
)
def test_huge_number_is_refused_fast(text: str) -> None:
    assert reason_of(text) == "malformed"
    assert least_work(lambda: reason_of(text)) < 0.005


@pytest.mark.parametrize("currency", ["usd", "US", "USDT", "XXX", "XAU", "DEM", "", "US\x00", "ÜSD", "USD "])
def test_only_active_iso_codes_are_currencies(currency: str) -> None:
    assert reason_of("1", currency) == "currency"


def test_no_currency_is_listed_twice_or_misspelled() -> None:
    assert {"USD", "EUR", "GBP", "INR", "JPY", "KWD", "CHF", "CNY", "BRL", "XOF", "XCG", "ZWG"} <= EXPONENTS.keys()
    assert all(len(code) == 3 and code.isupper() and code.isascii() for code in EXPONENTS)
    assert len(EXPONENTS) == 16 + 7 + 132
    assert (decimals("JPY"), decimals("USD"), decimals("BHD")) == (0, 2, 3)


def test_amount_of_a_refund_is_checked_with_the_currency_of_its_payment() -> None:
    amount = parse_amount("10.005", None)
    assert amount == Decimal("10.005")
    assert str(in_currency(amount, "KWD")) == "10.005"
    with pytest.raises(BadAmount, match="at most 2 decimals in USD"):
        in_currency(amount, "USD")
    assert reason_of("10.0005", None) == "too_precise"


def test_invalid_amount_is_a_fault_of_the_body() -> None:
    with pytest.raises(Invalid) as caught:
        parse_amount("-1", "USD")
    assert caught.value.faults == (FieldError(("body", "amount"), "Amount must be positive", "greater_than"),)
    assert caught.value.message == "Amount must be positive"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("525", "525.00"), ("525.5", "525.50"), ("1.234", "1.234"), ("1E+2", "100.00"), ("0", "0.00"), ("0.10", "0.10")],
)
def test_amount_of_bills_has_at_least_two_decimals(amount: str, text: str) -> None:
    assert to_text(Decimal(amount)) == text
