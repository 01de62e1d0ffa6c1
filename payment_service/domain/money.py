"""Money from text and to text: Decimal throughout, exact, never a float on the way in.

An amount is judged as text (length and shape) before any number type sees it: `1e2000000` costs a comparison, not
gigabytes. The parser refuses text that Python's number types would accept: Arabic digits, underscores, blanks, `NaN`.
"""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from payment_service.domain.errors import FieldError, Invalid

# ISO 4217, the active codes of money people pay with (no funds, metals or test codes), by their number of decimals.
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
_TWO_DECIMALS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
    CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
    KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
    TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""
EXPONENTS: dict[str, int] = (
    dict.fromkeys(_NO_DECIMALS.split(), 0)
    | dict.fromkeys(_TWO_DECIMALS.split(), 2)
    | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)
"""Decimals of each currency, by its upper-case ISO 4217 code."""

# 12 digits before the point and at most 3 after it stay exact in a double, which is how callers read JSON numbers.
_INTEGER_DIGITS = 12
_MOST_DECIMALS = 3
# A double printed in full has 17 significant digits; a longer text was not computed but typed to do harm.
_LONGEST_TEXT = 40
_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")
_CENTS = Decimal("0.01")

Reason = Literal["malformed", "negative", "zero", "too_large", "too_precise", "currency"]
_FAULT_TYPES: dict[Reason, str] = {
    "malformed": "decimal_parsing",
    "negative": "greater_than",
    "zero": "greater_than",
    "too_large": "decimal_whole_digits",
    "too_precise": "decimal_max_places",
    "currency": "currency",
}


class BadAmount(Invalid):
    """The amount is not acceptable: `reason` for the program, `message` for the caller."""

    def __init__(self, reason: Reason, message: str) -> None:
        self.reason: Reason = reason
        field = "currency" if reason == "currency" else "amount"
        super().__init__([FieldError(("body", field), message, _FAULT_TYPES[reason])])


def decimals(currency: str) -> int:
    """Return how many decimals the currency has (`JPY` 0, `USD` 2, `KWD` 3).

    Raises BadAmount("currency") for anything but an active upper-case ISO 4217 code.
    """
    if currency not in EXPONENTS:
        raise BadAmount("currency", "Currency must be an ISO 4217 code")
    return EXPONENTS[currency]


def in_currency(amount: Decimal, currency: str) -> Decimal:
    """Return the same amount with the currency's decimals. Raises BadAmount("too_precise") if it would change."""
    places = decimals(currency)
    exact = amount.quantize(Decimal(1).scaleb(-places))
    if exact != amount:
        raise BadAmount("too_precise", f"Amount must have at most {places} decimals in {currency}")
    return exact


def rounded_in(amount: Decimal, currency: str) -> Decimal:
    """Round the amount half-even to the currency's decimals. Raises BadAmount if nothing or too much is left."""
    rounded = amount.quantize(Decimal(1).scaleb(-decimals(currency)), rounding=ROUND_HALF_EVEN)
    _refuse_too_large(rounded)
    if not rounded:
        raise BadAmount("zero", "Amount must be positive")
    return rounded


def parse_amount(text: str, currency: str | None, *, allow_zero: bool = False, rounded: bool = False) -> Decimal:
    """Return the amount in major units of a text as sent, with the currency's decimals (`"150"`, `USD` → `150.00`).

    Accepted: ASCII digits, at most 12 before the point, no sign but `-` (refused as negative, also `-0`), no exponent.
    Decimals beyond the currency's are refused unless they are zeros; with `rounded` (the orders document) they are
    rounded half-even. Zero passes only with `allow_zero`. If the currency is not known yet (None: a refund has its
    payment's) three decimals pass, and `in_currency` judges later; with `rounded` any, and `rounded_in` does. Raises
    BadAmount.
    """
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST_TEXT else None
    if match is None:
        raise BadAmount("malformed", "Amount must be a number")
    if match[1]:
        raise BadAmount("negative", "Amount must be positive")
    amount = Decimal(text)
    _refuse_too_large(amount)  # before rounding, which knows no more than 28 digits, and after it: 999.999 grows
    if not amount and not allow_zero:
        raise BadAmount("zero", "Amount must be positive")
    if rounded:
        return amount if currency is None else rounded_in(amount, currency)
    if currency is not None:
        return in_currency(amount, currency)
    exact = amount.quantize(Decimal(1).scaleb(-_MOST_DECIMALS))
    if exact != amount:
        raise BadAmount("too_precise", f"Amount must have at most {_MOST_DECIMALS} decimals")
    return exact


def _refuse_too_large(amount: Decimal) -> None:
    if amount.adjusted() >= _INTEGER_DIGITS:
        raise BadAmount("too_large", f"Amount must have at most {_INTEGER_DIGITS} digits before the decimal point")


def as_stored(amount: Decimal) -> Decimal:
    """Return the same amount as the database gives it back: with two decimals, a third only if it is not zero."""
    cents = amount.quantize(_CENTS)
    return cents if cents == amount else amount


def to_number(amount: Decimal) -> float:
    """Return the amount as JSON number (`150.0`): exact in print for every amount `parse_amount` lets in."""
    return float(amount)


def to_text(amount: Decimal) -> str:
    """Return the amount as text with at least two decimals (`525.00`, `1.234`), as the bills document shows it."""
    exponent = amount.as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"{amount:.{places}f}"
