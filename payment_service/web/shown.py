"""What answers show, for the API's description: fields with an example, each one there unless it says otherwise."""

from collections.abc import Iterable
from typing import Any

from marshmallow import Schema, fields

MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$"


def whole(example: int | None, *, nullable: bool = False, optional: bool = False) -> fields.Integer:
    """A whole number."""
    return fields.Integer(required=not optional, allow_none=nullable, metadata={"example": example})


def money(example: float, *, optional: bool = False) -> fields.Float:
    """An amount as JSON number."""
    return fields.Float(required=not optional, metadata={"example": example, "minimum": 0})


def text(
    example: str | None,
    pattern: str | None = None,
    *,
    nullable: bool = False,
    optional: bool = False,
    about: str | None = None,
) -> fields.String:
    """A text, of the pattern where there is one."""
    said = {"pattern": pattern, "description": about}
    metadata = {"example": example, **{name: value for name, value in said.items() if value}}
    return fields.String(required=not optional, allow_none=nullable, metadata=metadata)


def word(example: str, words: Iterable[str], *, optional: bool = False) -> fields.String:
    """One of these words; the same word twice is once."""
    return fields.String(
        required=not optional, metadata={"example": example, "enum": list(dict.fromkeys([*words, example]))}
    )


def moment(example: str | None, *, nullable: bool = False) -> fields.String:
    """A time: ISO 8601, UTC without saying so, with microseconds (which is no `date-time`, since that has a zone)."""
    return text(example, MOMENT, nullable=nullable)


def uuid(example: str) -> fields.UUID:
    """A UUID."""
    return fields.UUID(required=True, metadata={"example": example})


def flag(*, example: bool, nullable: bool = False) -> fields.Boolean:
    """True or false."""
    return fields.Boolean(required=True, allow_none=nullable, metadata={"example": example})


def one(schema: type[Schema], *, nullable: bool = False, optional: bool = False) -> fields.Nested:
    """An object inside."""
    return fields.Nested(schema, required=not optional, allow_none=nullable)


def many(schema: type[Schema]) -> "fields.List[Any]":
    """A list of objects."""
    return fields.List(fields.Nested(schema), required=True)


class Retry(Schema):
    """Whether a repeat is safe, with which key (null: keys play no part), and after how many seconds."""

    safe = flag(example=True)
    key = fields.String(required=True, allow_none=True, metadata={"enum": ["same", "new", None], "example": "same"})
    after = whole(None, nullable=True)


class Fault(Schema):
    """One thing wrong with a request: where, what, and its type for programs."""

    loc = fields.List(fields.Raw(metadata={"anyOf": [{"type": "string"}, {"type": "integer"}]}), required=True)
    msg = text("amount is required")
    type = text("missing")


class KeyOwner(Schema):
    """The payment a key stands for, by every id a caller may know it by."""

    payment_id = whole(353)
    public_id = uuid("6f1c2f0e-6a39-4c5b-9d0e-3f1f3d1a7c11")
    reference = text("PAY-20251103-dd961ae0")


class _Refusal(Schema):
    code = text("validation_error")
    retry = one(Retry)


class ErrorText(_Refusal):
    """An error of trips and bookings."""

    error = text("Payment not found")


class ErrorDetail(_Refusal):
    """An error of bills, orders and checkout."""

    detail = text("Payment not found")


class ErrorFaults(_Refusal):
    """A request that is not valid, to bills, orders and checkout."""

    detail = many(Fault)


class ErrorForEverybody(ErrorText, ErrorDetail):
    """An error on a path of no channel, for every kind of caller."""


class _Mismatch(Schema):
    differing = fields.List(fields.String(), required=True, data_key="fields", metadata={"example": ["amount"]})
    payment = one(KeyOwner, nullable=True)


class MismatchText(ErrorText, _Mismatch):
    """A key that stands for another request: which fields differ, and the payment (trips, bookings)."""


class MismatchDetail(ErrorDetail, _Mismatch):
    """A key that stands for another request: which fields differ, and the payment (bills, orders, checkout)."""


def schema_of(refusal: dict[str, Any]) -> Schema:
    """The schema of a rendered refusal."""
    if isinstance(refusal.get("detail"), list):
        return ErrorFaults()
    if "error" in refusal and "detail" in refusal:
        return ErrorForEverybody()
    if "payment" in refusal:
        return MismatchText() if "error" in refusal else MismatchDetail()
    return ErrorText() if "error" in refusal else ErrorDetail()
