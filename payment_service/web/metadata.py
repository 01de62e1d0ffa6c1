"""The caller's own object with a payment. The service stores it and does not interpret it."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import fields, missing

from payment_service.domain.card_names import is_card_secret
from payment_service.domain.cards import is_number_in_parts
from payment_service.web.field_errors import BaseField
from payment_service.web.strict_json import SANE_NAME, Number, Path, card_data

Data = Mapping[str, Any] | None
_COUNTED = re.compile(r"(?:[\W_]*[0-9]+|^[A-Za-z])\Z")  # a number at the end of a name, or a letter


class Metadata(BaseField, fields.Dict):
    """A small object of the caller: plain JSON values, few names, short values (nested ones by their JSON text).

    Raises CardDataNotAccepted for names of security codes, PINs or track data, and for a card number in parts.
    `ignore_others` drops any value that is no object, as the original of the trips document did.
    """

    MOST_NAMES, LONGEST_NAME, LONGEST_VALUE, LONGEST_NUMBER = 20, 40, 500, 40

    def __init__(self, *, ignore_others: bool = False, **kwargs: Any) -> None:
        self.ignore_others = ignore_others
        self.described = {"maxProperties": self.MOST_NAMES}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Data, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            if self.ignore_others:
                return missing
            raise self.fault(f"{self.label} must be an object", "dict_type")
        if len(value) > self.MOST_NAMES or any(len(name) > self.LONGEST_NAME for name in value):
            wanted = f"at most {self.MOST_NAMES} names of {self.LONGEST_NAME} characters"
            raise self.fault(f"{self.label} must have {wanted}", "too_long")
        _refuse_card_data(value, ("body", self.label))
        plain: dict[str, Any] = self._plain(value)
        if any(_length(inner) > self.LONGEST_VALUE for inner in plain.values()):
            raise self.fault(f"{self.label} must have values of at most {self.LONGEST_VALUE} characters", "too_long")
        return plain

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._plain(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._plain(inner) for inner in value]
        if not isinstance(value, Number):
            return value
        number = json.loads(value.text) if len(value.text) <= self.LONGEST_NUMBER else math.inf
        if not math.isfinite(number):
            raise self.fault(f"{self.label} contains a number that is too large", "finite_number")
        return number


def _refuse_card_data(value: Any, place: Path) -> None:
    """Refuse data that only its names reveal: a card's secrets, or its number in parts, as in `pan1`, `pan2`."""
    if isinstance(value, list):
        for inner in value:
            _refuse_card_data(inner, place)
    if not isinstance(value, dict):
        return
    parts: dict[str, list[str]] = {}
    for name, inner in value.items():
        if is_card_secret(name):
            raise card_data((*place, name) if SANE_NAME.fullmatch(name) else place)
        if isinstance(inner, str | int):
            parts.setdefault(_COUNTED.sub("", name), []).append(str(inner))
        _refuse_card_data(inner, place)
    if any(map(is_number_in_parts, parts.values())):
        raise card_data(place)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False))
