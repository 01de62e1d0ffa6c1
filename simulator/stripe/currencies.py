"""Amounts in Stripe's format: whole numbers of its own minor units, by currency, within its limits."""

from decimal import Decimal

from payment_service.domain.money import decimals
from simulator.stripe.errors import StripeError, invalid, malformed

_ZERO = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE = "bhd jod kwd omr tnd"
_TWO = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve
    czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt
    lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln
    qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx usd uyu uzs wst xcd
    xcg yer zar zmw
"""
_DIGITS = dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3) | dict.fromkeys(_TWO.split(), 2)
WHOLE_ONLY = frozenset({"isk", "ugx"})
"""Sent with two decimals, which must be 00, although ISO 4217 gives these currencies none."""
MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200,
    "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
"""The smallest charge, in minor units; 1 for the others, which are settled in another currency."""
MOST = 99_999_999
"""Eight digits."""


def digits(currency: str) -> int:
    """Return the decimals of Stripe's minor unit of a known currency."""
    return _DIGITS[currency]


def check_currency(currency: str) -> None:
    """Raise StripeError unless Stripe supports this currency; its codes are in lower case."""
    if currency not in _DIGITS:
        raise malformed(f"Invalid currency: {currency}. Stripe does not support it.", param="currency")


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    """Raise StripeError unless so many minor units can be charged."""
    check_shape(amount, currency, param=param)
    if amount > MOST:
        raise _out_of_range("amount_too_large", f"Amount must be no more than {MOST} {currency}", param)
    if amount < MINIMUM.get(currency, 1):
        raise _out_of_range("amount_too_small", f"Amount must be at least {MINIMUM[currency]} {currency}", param)


def check_shape(amount: int, currency: str, *, param: str = "amount") -> None:
    """Raise StripeError unless the amount is positive and its last digits are valid for its currency."""
    if amount < 1:
        message = "This value must be greater than or equal to 1."
        raise malformed(message, code="parameter_invalid_integer", param=param)
    step = 100 if currency in WHOLE_ONLY else 10 if digits(currency) == 3 else 1
    if amount % step:
        raise invalid(f"Amounts in {currency} must be divisible by {step}.", param=param)


def to_major(amount: int, currency: str) -> Decimal:
    """Return minor units of Stripe's as an amount with the decimals of ISO 4217."""
    exact = Decimal(amount).scaleb(-digits(currency))
    if currency in WHOLE_ONLY | {"mga"}:
        return exact.quantize(Decimal(1).scaleb(-decimals(currency.upper())))
    return exact


def asked_for(amount: int | None, currency: str | None) -> Decimal | None:
    """Return the amount that a request names, in major units; None without a readable one."""
    return None if amount is None or currency not in _DIGITS else to_major(amount, currency)


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in major units in Stripe's minor units."""
    return int(amount.scaleb(digits(currency)))


def _out_of_range(code: str, message: str, param: str) -> StripeError:
    return invalid(message, code=code, param=param)
