import json
from contextlib import suppress
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from payment_service.domain.money import (
    BadAmount,
    decimals,
    parse_amount,
    to_number,
    to_text,
)


@given(st.integers(0, 10**15 - 1), st.sampled_from(["USD", "JPY", "KWD"]))
def test_amount_is_equal_after_parsing_and_rendering(units: int, currency: str) -> None:
    places = decimals(currency)
    amount = Decimal(units % 10 ** (12 + places)).scaleb(-places)
    assert parse_amount(f"{amount:f}", currency, allow_zero=True) == amount
    assert Decimal(json.dumps(to_number(amount))) == amount
    assert Decimal(to_text(amount)) == amount


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with suppress(BadAmount):
        assert Decimal("0.01") <= parse_amount(text, "USD") < 10**12
