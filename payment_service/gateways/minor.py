"""Amounts in a gateway's format: in minor units by its own table, which differs from ISO 4217, or as a text.

Stripe's table is that of its page on currencies: https://docs.stripe.com/currencies
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from payment_service.domain.money import BadAmount, in_currency

TOO_SMALL, TOO_LARGE, TOO_PRECISE = "AMOUNT_TOO_SMALL", "AMOUNT_TOO_LARGE", "AMOUNT_TOO_PRECISE"
NOT_SUPPORTED = "CURRENCY_NOT_SUPPORTED"


class UnfitAmount(Exception):
    """A gateway cannot move this amount: `code` for machines, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


@dataclass(frozen=True)
class MinorUnits:
    """One gateway's format of amounts, by upper-case currency code.

    `decimals` are those of the transmitted unit, two for unnamed currencies; an amount must be a multiple of `steps`
    units; `minimums` are the smallest charges in major units; `digits` is the maximum length of a number; for the
    currencies in `unknown` the gateway does not state the unit.
    """

    decimals: Mapping[str, int]
    steps: Mapping[str, int]
    minimums: Mapping[str, Decimal]
    digits: int
    unknown: frozenset[str]

    def to_minor(self, amount: Decimal, currency: str) -> int:
        """Return an amount in major units of `currency` as the transmitted number. Raises UnfitAmount."""
        if currency in self.unknown:
            raise UnfitAmount(NOT_SUPPORTED, f"The payment gateway does not take {currency}")
        number = amount.scaleb(self.decimals.get(currency, 2))
        if number % self.steps.get(currency, 1):
            raise UnfitAmount(TOO_PRECISE, f"The payment gateway takes no such fraction of {currency}")
        if number >= 10**self.digits:
            raise UnfitAmount(TOO_LARGE, "The amount is larger than the payment gateway allows")
        return int(number)

    def to_charge(self, amount: Decimal, currency: str) -> int:
        """Return the same for an amount to charge or to hold, which also has a minimum. Raises UnfitAmount."""
        number = self.to_minor(amount, currency)
        if amount < self.minimums.get(currency, 0):
            least = f"{self.minimums[currency]} {currency}"
            raise UnfitAmount(TOO_SMALL, f"The payment gateway charges no less than {least}")
        return number

    def to_major(self, number: int, currency: str) -> Decimal:
        """Return a transmitted number as an amount in major units of the upper-case `currency`."""
        return Decimal(number).scaleb(-self.decimals.get(currency, 2))


def as_text(amount: Decimal, currency: str) -> str:
    """Return an amount in major units with ISO 4217's decimals: `10.00`, `500`. Raises UnfitAmount."""
    try:
        return format(in_currency(amount, currency), "f")
    except BadAmount as bad:
        code = NOT_SUPPORTED if bad.reason == "currency" else TOO_PRECISE
        raise UnfitAmount(code, str(bad.message)) from bad


# ISK and UGX have no fractions, but are transmitted with two decimals.
_STRIPE_WHOLE = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
_STRIPE_WHOLE_WITH_TWO = "ISK UGX"
_STRIPE_THREE = "BHD JOD KWD OMR TND"
_STRIPE_MINIMUMS = """
    AED 2.00 AUD 0.50 BGN 1.00 BRL 0.50 CAD 0.50 CHF 0.50 CZK 15.00 DKK 2.50 EUR 0.50 GBP 0.30 HKD 4.00 HUF 175.00
    INR 0.50 JPY 50 MXN 10 MYR 2 NOK 3.00 NZD 0.50 PLN 2.00 RON 2.00 SEK 3.00 SGD 0.50 THB 10 USD 0.50
"""
_words = _STRIPE_MINIMUMS.split()

STRIPE = MinorUnits(
    decimals=dict.fromkeys(_STRIPE_WHOLE.split(), 0) | dict.fromkeys(_STRIPE_THREE.split(), 3),
    steps=dict.fromkeys(_STRIPE_WHOLE_WITH_TWO.split(), 100) | dict.fromkeys(_STRIPE_THREE.split(), 10),
    minimums={code: Decimal(least) for code, least in zip(_words[::2], _words[1::2], strict=True)},
    digits=8,
    # Three decimals by ISO 4217 and not in Stripe's list: any guess would be ten times too much or too little.
    unknown=frozenset({"IQD", "LYD"}),
)
"""Stripe's. The last digit of a three-decimal currency is 0. Stripe declines currencies that it does not support."""
