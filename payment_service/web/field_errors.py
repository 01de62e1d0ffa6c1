"""The error messages of fields: each names its field, can stand alone, and has a type for programs."""

from collections.abc import Mapping
from typing import Any, Self

from marshmallow import ValidationError, fields, missing


class FieldMessage(str):
    """A field's message, and the type of the fault beside it."""

    __slots__ = ("type",)
    type: str

    def __new__(cls, message: str, kind: str) -> Self:
        """Make a text that remembers its type."""
        text = super().__new__(cls, message)
        text.type = kind
        return text


class BaseField(fields.Field[Any]):
    """The base of our fields: their messages name the field and have a type."""

    described: Mapping[str, Any] = {}
    null_is_absence = True

    def __init__(self, *, metadata: Mapping[str, Any] | None = None, example: object = missing, **kwargs: Any) -> None:
        shown = {} if example is missing else {"example": example}
        super().__init__(metadata={**self.described, **shown, **(metadata or {})}, **kwargs)

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        """Return our own error for a required field that is missing, the library's for anything worse."""
        if key in ("required", "null"):
            return self.fault(f"{self.label} is required", "missing")
        return super().make_error(key, **kwargs)

    @property
    def label(self) -> str:
        """The name by which the caller knows the field."""
        return self.data_key or self.name or ""

    def fault(self, message: str, kind: str) -> ValidationError:
        """Return the error to raise."""
        return ValidationError([FieldMessage(message, kind)])
