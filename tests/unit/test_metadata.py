from typing import Any

import pytest
from marshmallow import Schema

from payment_service.domain.errors import Invalid
from payment_service.web.fields import load
from payment_service.web.metadata import Metadata
from payment_service.web.strict_json import Number


def accept(field: Metadata, value: Any) -> Any:
    return load(Schema.from_dict({"field": field})(), {"field": value}, "body").get("field")


def test_metadata_is_kept_as_plain_json() -> None:
    given = {"a": 1, "b": Number("0.5"), "c": [Number("1e5"), None, True], "d": {"e": Number("12345678901234567890")}}
    plain = {"a": 1, "b": 0.5, "c": [100000.0, None, True], "d": {"e": 12345678901234567890}}
    assert accept(Metadata(), given) == plain
    assert accept(Metadata(), {}) == {}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({f"n{at}": 1 for at in range(21)}, "too_long"),
        ({"n" * 41: 1}, "too_long"),
        ({"n": "x" * 501}, "too_long"),
        ({"n": ["x" * 100] * 5}, "too_long"),
        ({"n": Number("1e400")}, "finite_number"),
        ({"n": [Number("-1e400")]}, "finite_number"),
        ({"n": Number("9" * 5_000)}, "finite_number"),
        ([1], "dict_type"),
        ("text", "dict_type"),
    ],
)
def test_metadata_above_its_limits_is_refused(value: Any, kind: str) -> None:
    with pytest.raises(Invalid) as caught:
        accept(Metadata(), value)
    assert [fault.type for fault in caught.value.faults] == [kind]


def test_metadata_at_its_limits_is_kept() -> None:
    full = {f"{at:<40}": "x" * 500 for at in range(20)}
    assert accept(Metadata(), full) == full


@pytest.mark.parametrize("value", [[1], "text", 7, True, Number("1e400"), None])
def test_metadata_that_is_no_object_is_ignored_where_allowed(value: Any) -> None:
    assert accept(Metadata(ignore_others=True), value) is None
