from decimal import Decimal
from typing import Any

import pytest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, ValidationError, fields, validates_schema

from payment_service.domain.errors import FieldError, Invalid
from payment_service.web.fields import (
    Amount,
    Choice,
    Currency,
    Flag,
    PositiveId,
    Text,
    Whole,
    load,
)
from payment_service.web.metadata import Metadata
from payment_service.web.strict_json import Number

NO_TEXT = [7, Number("1.5"), True, ["a"], {"a": 1}]


def accept(field: fields.Field[Any], value: Any, **others: Any) -> Any:
    schema = Schema.from_dict({"currency": Currency(load_default="USD"), "field": field})()
    return load(schema, {"field": value, **others}, "body").get("field")


def refuse(field: fields.Field[Any], value: Any, **others: Any) -> FieldError:
    with pytest.raises(Invalid) as caught:
        accept(field, value, **others)
    (fault,) = caught.value.faults
    return fault


@pytest.mark.parametrize(
    ("value", "amount"),
    [(150, "150.00"), (Number("150.0"), "150.00"), ("150", "150.00"), (Number("0.01"), "0.01"), ("10.50", "10.50")],
    ids=repr,
)
def test_amount_is_accepted_as_a_number_or_numeric_text(value: Any, amount: str) -> None:
    assert str(accept(Amount("USD"), value)) == amount


@pytest.mark.parametrize("value", [True, False, None, [], [1], {}, {"a": 1}])
@pytest.mark.parametrize("required", [True, False])
def test_amount_of_another_type_is_refused(value: Any, required: bool) -> None:
    fault = refuse(Amount("USD", required=required), value)
    assert fault.loc == ("body", "field")
    assert fault.type == ("missing" if value is None and required else "decimal_type")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (Number("1e5"), "decimal_parsing"),
        (Number("1e2000000"), "decimal_parsing"),
        ("NaN", "decimal_parsing"),
        ("1,000", "decimal_parsing"),
        ("\u0661", "decimal_parsing"),
        (Number("-0"), "greater_than"),
        (-5, "greater_than"),
        (0, "greater_than"),
        (10**12, "decimal_whole_digits"),
        (Number("9" * 30), "decimal_whole_digits"),
        (Number("0.001"), "decimal_max_places"),
    ],
)
def test_invalid_amount_is_refused_with_its_fault(value: Any, kind: str) -> None:
    assert refuse(Amount("USD"), value).type == kind


def test_amount_has_the_decimals_of_the_currency_field() -> None:
    assert str(accept(Amount("USD"), "1500", currency="jpy")) == "1500"
    assert str(accept(Amount("USD"), "1.234", currency="KWD")) == "1.234"
    assert refuse(Amount("USD"), "1.5", currency="JPY").msg == "Amount must have at most 0 decimals in JPY"


@pytest.mark.parametrize("currency", ["XXX", 7, ["USD"], True, "US"])
def test_invalid_currency_is_one_fault_not_two(currency: object) -> None:
    with pytest.raises(Invalid) as caught:
        accept(Amount("USD"), "1.50", currency=currency)
    assert [fault.loc for fault in caught.value.faults] == [("body", "currency")]


def test_amount_without_a_currency_keeps_its_decimals() -> None:
    assert accept(Amount(), "1.234") == Decimal("1.234")
    assert refuse(Amount(), "1.2345").type == "decimal_max_places"


def test_amount_of_orders_is_rounded_and_of_trips_may_be_zero() -> None:
    assert str(accept(Amount("INR", rounded=True), Number("10.005"))) == "10.00"
    assert refuse(Amount("INR", rounded=True), Number("0.004")).type == "greater_than"
    assert accept(Amount("USD", allow_zero=True), 0) == 0


def test_currency_is_accepted_in_any_case() -> None:
    assert accept(Currency(), "eur") == "EUR"
    assert refuse(Currency(only=["USD", "EUR"]), "INR").msg == "field must be one of USD, EUR"
    assert refuse(Currency(), "ZZZ").msg == "field must be an ISO 4217 code"


@pytest.mark.parametrize("value", [1, 7, 2**63 - 1])
def test_positive_id_within_64_bits_is_accepted(value: int) -> None:
    assert accept(PositiveId(), value) == value
    assert accept(PositiveId(texts=True), str(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        0, -1, 2**63, 10**40, Number("1.0"), Number("9" * 30), True, [1], "", "x", "0", "-1", "+1", "1.0", "1e3", " 1",
        "1\n", "1_0", "0x1", "\u0661", "\uff11", "\u00b2", "01", str(2**63), "9" * 100,
    ],
    ids=repr,
)  # fmt: skip
def test_invalid_id_is_refused(value: Any) -> None:
    assert refuse(PositiveId(texts=True), value).type in {"int_parsing", "int_range"}


def test_id_as_text_is_accepted_only_where_documented() -> None:
    assert refuse(PositiveId(), "7").msg == "field must be a whole number"


def test_whole_number_out_of_bounds_is_refused() -> None:
    assert accept(Whole(0, 100), "0") == 0
    assert refuse(Whole(0, 100), "101").msg == "field must be at most 100"
    assert refuse(Whole(0, 100), "-1").msg == "field must be at least 0"


def test_text_within_its_length_is_kept_as_sent() -> None:
    assert accept(Text(5), " a b ") == " a b "
    assert accept(Text(5), "\U0001f600" * 5) == "\U0001f600" * 5
    assert refuse(Text(5), "abcdef").msg == "field must have 1 to 5 characters"
    assert refuse(Text(500, 5), "abcd").type == "string_length"
    assert refuse(Text(5), "").type == "string_length"


@pytest.mark.parametrize("value", NO_TEXT)
def test_text_of_another_type_is_refused(value: Any) -> None:
    assert refuse(Text(50), value).type == "string_type"


def test_number_as_text_is_accepted_only_where_documented() -> None:
    assert accept(Text(50, numbers=True), 42) == "42"
    assert refuse(Text(50, numbers=True), True).type == "string_type"


def test_line_breaks_are_accepted_only_where_allowed() -> None:
    assert accept(Text(50, lines=True), "a\nb\tc") == "a\nb\tc"
    assert refuse(Text(50), "a\nb").msg == "field must be a single line"


def test_choice_is_returned_in_its_listed_spelling() -> None:
    assert accept(Choice(["CARD", "UPI"], any_case=True), "card") == "CARD"
    assert accept(Choice(["credit_card"]), "credit_card") == "credit_card"
    assert refuse(Choice(["CARD", "UPI"]), "card").msg == "field must be one of CARD, UPI"


@pytest.mark.parametrize("value", [*NO_TEXT, "", "CARD ", "CARD\n"], ids=repr)
def test_unlisted_choice_is_refused(value: Any) -> None:
    assert refuse(Choice(["CARD", "UPI"], any_case=True), value).type == "enum"


@pytest.mark.parametrize("value", ["true", "false", 1, 0, Number("-0"), [], "yes"], ids=repr)
def test_flag_accepts_only_true_and_false(value: Any) -> None:
    assert accept(Flag(), False) is False
    assert refuse(Flag(), value).type == "bool_type"


class Order(Schema):
    order_id = PositiveId(required=True)
    paid = Amount("USD", required=True, data_key="amount")
    method = Choice(["CARD"], required=True)
    note = Text(10, load_default="-")
    since = Text(10, data_key="from")


def test_faults_are_in_the_order_of_the_fields_with_their_names() -> None:
    with pytest.raises(Invalid) as caught:
        load(Order(), {"from": "x" * 11, "method": 7, "amount": None}, "body")
    assert caught.value.faults == (
        FieldError(("body", "order_id"), "order_id is required", "missing"),
        FieldError(("body", "amount"), "amount is required", "missing"),
        FieldError(("body", "method"), "method must be one of CARD", "enum"),
        FieldError(("body", "from"), "from must have 1 to 10 characters", "string_length"),
    )
    assert caught.value.message.startswith("order_id is required; amount is required")


def test_unknown_field_is_left_out_and_null_counts_as_absent() -> None:
    data = {"order_id": 7, "amount": 1, "method": "CARD", "note": None, "from": None, "status": "PAID", "__proto__": {}}
    assert load(Order(), data, "body") == {"order_id": 7, "paid": Decimal("1.00"), "method": "CARD", "note": "-"}


def test_fault_of_a_schema_rule_has_the_place_of_the_schema() -> None:
    class Range(Schema):
        low = Whole(0, 9)
        high = Whole(0, 9)

        @validates_schema
        def ordered(self, data: dict[str, int], **_: Any) -> None:
            if data["low"] > data["high"]:
                raise ValidationError("low must not exceed high")

    with pytest.raises(Invalid) as caught:
        load(Range(), {"low": 2, "high": 1}, "query")
    assert caught.value.faults == (FieldError(("query",), "low must not exceed high", "value_error"),)


def test_fields_describe_themselves() -> None:
    class Everything(Schema):
        amount = Amount("USD")
        currency = Currency(only=["USD", "EUR"])
        order_id = PositiveId()
        text = Text(50, 5, metadata={"description": "why"})
        method = Choice(["CARD", "UPI"])
        flag = Flag()
        metadata = Metadata()

    spec = APISpec("t", "1", "3.0.3", plugins=[MarshmallowPlugin()])
    spec.components.schema("Everything", schema=Everything)
    described = spec.to_dict()["components"]["schemas"]["Everything"]["properties"]
    assert described["amount"] == {"type": "number", "minimum": 0.001, "maximum": 999_999_999_999.999}
    assert described["order_id"] == {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}
    assert described["text"] == {"type": "string", "minLength": 5, "maxLength": 50, "description": "why"}
    assert described["method"] == {"type": "string", "enum": ["CARD", "UPI"]}
    assert described["currency"] == {"type": "string", "enum": ["USD", "EUR"]}
    assert described["flag"] == {"type": "boolean"}
    assert described["metadata"] == {"type": "object", "additionalProperties": {}, "maxProperties": 20}
