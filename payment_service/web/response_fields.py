"""Fields of responses: each one renders a value of a record and describes it for OpenAPI.

A field reads the record's attribute of the same name, or the one that `attribute` names. `computed` calls a function
with the whole record. Every function here passes further options on to marshmallow's field.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from marshmallow import Schema, fields

from payment_service.clock import naive_text

TIMESTAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"


class Timestamp(fields.String):
    """A time in ISO 8601, in UTC without a zone, with microseconds. This is no `date-time`, which has a zone."""

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
    """An integer."""
    return fields.Integer(**_options(options, example=example))


def money(example: float, **options: Any) -> fields.Float:
    """An amount as JSON number."""
    return fields.Float(**_options(options, example=example, minimum=0))


def text(example: str | None, pattern: str | None = None, **options: Any) -> fields.String:
    """A text, of the pattern where there is one."""
    return fields.String(**_options(options, example=example, pattern=pattern))


def choice(example: str, words: Iterable[str], **options: Any) -> fields.String:
    """One of these words."""
    return fields.String(**_options(options, example=example, enum=list(words)))


def status_name(example: str, names: Mapping[Any, str], **options: Any) -> StatusName:
    """A status under one of these names."""
    return StatusName(names, **_options(options, example=example, enum=list(dict.fromkeys(names.values()))))


def timestamp(example: str | None, **options: Any) -> Timestamp:
    """A time."""
    return Timestamp(**_options(options, example=example, pattern=TIMESTAMP))


def uuid(example: str, **options: Any) -> fields.UUID:
    """A UUID."""
    return fields.UUID(**_options(options, example=example))


def boolean(*, example: bool, **options: Any) -> fields.Boolean:
    """True or false."""
    return fields.Boolean(**_options(options, example=example))


def constant(value: str | None, **described: Any) -> "fields.Constant[str | None]":
    """The same text in every response; None: always null."""
    nullable = value is None
    return fields.Constant(value, **_options({"nullable": nullable}, type="string", example=value, **described))


def computed(
    value_of: Callable[[Any], Any], kind: str, example: object, pattern: str | None = None, **options: Any
) -> fields.Function:
    """What `value_of` makes of the whole record, of this OpenAPI type; left out where that is `missing`."""
    return fields.Function(value_of, **_options(options, type=kind, example=example, pattern=pattern))


def nested(schema: type[Schema], *, many: bool = False, **options: Any) -> fields.Nested:
    """An object inside, or a list of objects."""
    return fields.Nested(schema, many=many, **_options(options))


def _options(options: Mapping[str, Any], **described: Any) -> dict[str, Any]:
    """The options of marshmallow's field: required where nothing else is asked for, and `described` for OpenAPI."""
    given = dict(options)
    known = {name: value for name, value in described.items() if value is not None or name == "example"}
    metadata = known | given.pop("metadata", {})
    return {"required": True, "allow_none": given.pop("nullable", False), "metadata": metadata, **given}
