"""Fields that all channels share, and `load`, which turns their errors into faults in the order of declaration.

Every message names its field, so that it can stand alone in `{"error": text}`; every fault has a type for programs.
`null` counts as absent, except for amounts: an empty variable must not refund everything. The `metadata` of a field
has its limits as well, for the API's description.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from payment_service.domain.errors import FieldError, Invalid
from payment_service.domain.money import EXPONENTS, BadAmount, parse_amount
from payment_service.web.field_errors import BaseField
from payment_service.web.strict_json import LARGEST_INTEGER, Number

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_LINE_END = re.compile(r"[\t\r\n]")

Data = Mapping[str, Any] | None


def load(schema: Schema, data: Mapping[str, Any], location: str) -> dict[str, Any]:
    """Return the values of `schema` in `data`: no unknown fields; absent ones and nulls only with a default.

    Raises Invalid with one fault for each field refused, `loc` = (`location`, field), in the schema's order.
    """
    if None in data.values():
        kept = {field.data_key or name for name, field in schema.load_fields.items() if isinstance(field, Amount)}
        data = {name: value for name, value in data.items() if value is not None or name in kept}
    try:
        loaded: dict[str, Any] = schema.load(data, unknown=EXCLUDE)
    except ValidationError as error:
        raise Invalid(_faults(schema, error.messages_dict, location)) from None
    return loaded


def _faults(schema: Schema, messages: Mapping[str, Sequence[str]], location: str) -> list[FieldError]:
    order = {field.data_key or name: at for at, (name, field) in enumerate(schema.load_fields.items())}
    names = sorted(messages, key=lambda name: order.get(name, len(order)))
    return [
        FieldError((location, name) if name in order else (location,), str(text), getattr(text, "type", "value_error"))
        for name in names
        for text in messages[name]
    ]


class Amount(BaseField, fields.Decimal):
    """Money as JSON number or numeric text → Decimal with the currency's decimals (`domain.money.parse_amount`).

    The `currency` field decides the currency, or the default given here. Without a default the stored payment decides:
    up to three decimals pass, and the engine checks them. `rounded` and `allow_zero` are those of `parse_amount`;
    `most` is the largest amount, before and after rounding, that the document allows.
    """

    null_is_absence = False

    def __init__(
        self,
        currency: str | None = None,
        *,
        allow_zero: bool = False,
        rounded: bool = False,
        most: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.currency, self.allow_zero, self.rounded, self.most = currency, allow_zero, rounded, most
        # The smallest amount of any currency; "exclusiveMinimum" means different things in OpenAPI 3.0 and 3.1.
        self.described = {"minimum": 0 if allow_zero else 0.001, "maximum": most or 999_999_999_999.999}
        super().__init__(**kwargs)

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """Refuse null, which must not mean "everything"."""
        if key == "null" and not self.required:
            return self.fault("Amount must be a number", "decimal_type")
        return super().make_error(key, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> Any:
        if type(value) is int:
            text = str(value)
        elif isinstance(value, str | Number):
            text = value if isinstance(value, str) else value.text
        else:
            raise self.fault("Amount must be a number", "decimal_type")
        # The currency field reports an unknown currency; the amount is then checked against the default.
        named = str((data or {}).get("currency")).upper()
        currency = named if self.currency is not None and named in EXPONENTS else self.currency
        try:
            amount = parse_amount(text, currency, allow_zero=self.allow_zero, rounded=self.rounded)
        except BadAmount as error:
            raise self.fault(error.message, error.faults[0].type) from None
        if self.most is not None and max(amount, Decimal(text)) > self.most:
            raise self.fault(f"Amount must be at most {self.most}", "less_than_equal")
        return amount


class Currency(BaseField, fields.String):
    """An ISO 4217 code in any case → upper case; `only` narrows the choice."""

    def __init__(self, *, only: Sequence[str] = (), **kwargs: Any) -> None:
        self.only = frozenset(only or EXPONENTS)
        self.wanted = f"one of {', '.join(only)}" if only else "an ISO 4217 code"
        self.described = {"enum": list(only)} if only else {"pattern": "^[A-Z]{3}$"}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        if not isinstance(value, str) or value.upper() not in self.only:
            raise self.fault(f"{self.label} must be {self.wanted}", "enum")
        return value.upper()


class Whole(BaseField, fields.Integer):
    """A whole number within bounds, as JSON integer or (`texts`) in ASCII digits."""

    def __init__(self, low: int, high: int, *, texts: bool = True, **kwargs: Any) -> None:
        self.low, self.high, self.texts = low, high, texts
        self.described = {"minimum": low, "maximum": high}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> int:
        if self.texts and isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if type(value) is not int:
            raise self.fault(f"{self.label} must be a whole number", "int_parsing")
        if not self.low <= value <= self.high:
            bounds = f"at least {self.low}" if value < self.low else f"at most {self.high}"
            raise self.fault(f"{self.label} must be {bounds}", "int_range")
        return value


class PositiveId(Whole):
    """A number from 1 to 2**63 - 1, the largest a database takes; `texts` accepts it in ASCII digits, too."""

    def __init__(self, *, texts: bool = False, **kwargs: Any) -> None:
        super().__init__(1, LARGEST_INTEGER, texts=texts, **kwargs)


class Text(BaseField, fields.String):
    """A text of `shortest` to `longest` characters, as sent; tabs and line ends only with `lines`.

    `numbers` accepts JSON integers as their digits, because the original service did not check the type; `stripped`
    removes the blanks around the text.
    """

    def __init__(
        self,
        longest: int,
        shortest: int = 1,
        *,
        lines: bool = False,
        numbers: bool = False,
        stripped: bool = False,
        **kwargs: Any,
    ) -> None:
        self.longest, self.shortest = longest, shortest
        self.lines, self.numbers, self.stripped = lines, numbers, stripped
        self.described = {"minLength": shortest, "maxLength": longest}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        if self.numbers and type(value) is int:
            value = str(value)
        if not isinstance(value, str):
            raise self.fault(f"{self.label} must be a text", "string_type")
        text = value.strip() if self.stripped else value
        if not self.shortest <= len(text) <= self.longest:
            raise self.fault(f"{self.label} must have {self.shortest} to {self.longest} characters", "string_length")
        if not self.lines and _LINE_END.search(text):
            raise self.fault(f"{self.label} must be a single line", "string_unicode")
        return text


class Choice(BaseField, fields.String):
    """One of the given words, returned as listed; with `any_case`, upper and lower case do not matter."""

    def __init__(self, words: Sequence[str], *, any_case: bool = False, **kwargs: Any) -> None:
        self.any_case = any_case
        self.words = {word.lower() if any_case else word: word for word in words}
        self.described = {"enum": list(words)}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> str:
        word = value.lower() if self.any_case and isinstance(value, str) else value
        if not isinstance(word, str) or word not in self.words:
            raise self.fault(f"{self.label} must be one of {', '.join(self.words.values())}", "enum")
        return self.words[word]


class Flag(BaseField, fields.Boolean):
    """`true` or `false`, no other value."""

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.fault(f"{self.label} must be true or false", "bool_type")
        return value
