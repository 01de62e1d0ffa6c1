"""How a field refuses: in a message that names it and can stand alone, with a type for programs."""

from collections.abc import Mapping
from typing import Any, Self

from marshmallow import ValidationError, fields, missing


class Wording(str):
    """A field's message, and the type of the fault beside it."""

    __slots__ = ("type",)
    type: str

    def __new__(cls, message: str, kind: str) -> Self:
        """Make a text that remembers its type."""
        wording = super().__new__(cls, message)
        wording.type = kind
        return wording


class Worded(fields.Field[Any]):
    """What our fields have in common: messages that name the field and carry a type, and null as absent."""

    described: Mapping[str, Any] = {}
    null_is_absence = True

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, example: object = missing, **kwargs: Any) -> None:
        shown = {} if example is missing else {"example": example}
        super().__init__(metadata={**self.described, **shown, **(metadata or {})}, **kwargs)

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        """Judge a value; an optional field's null is its absence."""
        return super().deserialize(missing if value is None else value, attr, data, **kwargs)

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """The library's complaint that a required field is not there, in our words."""
        if key == "required":
            return self.fault(f"{self.called} is required", "missing")
        return super().make_error(key, **kwargs)

    @property
    def called(self) -> str:
        """The name the caller knows the field by."""
        return self.data_key or self.name or ""

    def fault(self, message: str, kind: str) -> ValidationError:
        """A refusal to be raised."""
        return ValidationError([Wording(message, kind)])
