"""Fields of responses: each renders a value of a record and describes it for OpenAPI.

A field reads the record's attribute of the same name, or the one that `attribute` names. `computed` calls a function
with the whole record. Every function here passes further options on to marshmallow's field.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import Schema, fields

from payment_service.clock import naive_text

TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"


class Timestamp(fields.String):
    """A time in ISO 8601, in UTC without a zone, with microseconds. It is no `date-time`, which has a zone."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else naive_text(value)


class StatusName(fields.String):
    """A status under the name that the channel's document gives it."""

    def __init__(self, names: Mapping[Any, str], **options: Any) -> None:
        self.names = names
        super().__init__(**options)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return self.names[value]


def integer(example: int | None, **options: Any) -> fields.Integer:
    """Return a field for an integer."""
    return fields.Integer(**_options(options, example=example))


def money(example: float, **options: Any) -> fields.Float:
    """Return a field for an amount, as JSON number."""
    return fields.Float(**_options(options, example=example, minimum=0))


def text(example: str | None, pattern: str | None = None, **options: Any) -> fields.String:
    """Return a field for a text, of the pattern if there is one."""
    return fields.String(**_options(options, example=example, pattern=pattern))


def choice(example: str, words: Iterable[str], **options: Any) -> fields.String:
    """Return a field for one of these words."""
    return fields.String(**_options(options, example=example, enum=list(words)))


def status_name(example: str, names: Mapping[Any, str], **options: Any) -> StatusName:
    """Return a field for a status under one of these names."""
    return StatusName(names, **_options(options, example=example, enum=list(dict.fromkeys(names.values()))))


def timestamp(example: str | None, **options: Any) -> Timestamp:
    """Return a field for a time."""
    return Timestamp(**_options(options, example=example, pattern=TIMESTAMP))


def uuid(example: str, **options: Any) -> fields.UUID:
    """Return a field for a UUID."""
    return fields.UUID(**_options(options, example=example))


def boolean(*, example: bool, **options: Any) -> fields.Boolean:
    """Return a field for true or false."""
    return fields.Boolean(**_options(options, example=example))


def constant(value: str | None, **described: Any) -> "fields.Constant[str | None]":
    """Return a field with the same text in every response; None: always null."""
    nullable = value is None
    return fields.Constant(value, **_options({"nullable": nullable}, type="string", example=value, **described))


def computed(
    value_of: Callable[[Any], Any], kind: str, example: object, pattern: str | None = None, **options: Any
) -> fields.Function:
    """Return a field for the result of `value_of(record)`, of this OpenAPI type; left out if that is `missing`."""
    return fields.Function(value_of, **_options(options, type=kind, example=example, pattern=pattern))


def nested(schema: type[Schema], *, many: bool = False, **options: Any) -> fields.Nested:
    """Return a field for an object, or a list of objects."""
    return fields.Nested(schema, many=many, **_options(options))


def _options(options: Mapping[str, Any], **described: Any) -> dict[str, Any]:
    """Return the options of marshmallow's field: required by default, and `described` for OpenAPI."""
    given = dict(options)
    known = {name: value for name, value in described.items() if value is not None or name == "example"}
    metadata = known | given.pop("metadata", {})
    return {"required": True, "allow_none": given.pop("nullable", False), "metadata": metadata, **given}
