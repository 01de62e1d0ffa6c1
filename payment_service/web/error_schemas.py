"""The shapes of errors. Each channel has one schema, which renders its errors and describes them."""

from typing import Any, ClassVar

from marshmallow import Schema, fields

from payment_service.domain.errors import Invalid, ServiceError
from payment_service.domain.records import StoredResponse
from payment_service.web.response_fields import boolean, integer, nested, text, uuid
from payment_service.web.responses import answered

MESSAGE = "Payment not found"  # in examples


class RetryAdvice(Schema):
    """Whether a repeat is safe, with which key (null: keys play no part), and after how many seconds."""

    safe = boolean(example=True)
    key = text("same", nullable=True, metadata={"enum": ["same", "new", None]})
    after = integer(None, nullable=True)


class FieldErrorSchema(Schema):
    """One thing wrong with a request: where, what, and its type for programs."""

    loc = fields.List(fields.Raw(metadata={"anyOf": [{"type": "string"}, {"type": "integer"}]}), required=True)
    msg = text("amount is required")
    type = text("missing")


class KeyPayment(Schema):
    """The payment that an idempotency key belongs to, by every id that a caller may know it by."""

    payment_id = integer(353)
    public_id = uuid("6f1c2f0e-6a39-4c5b-9d0e-3f1f3d1a7c11")
    reference = text("PAY-20251103-dd961ae0")


class TextOrErrors(fields.List[Any]):
    """The error's text, or for an invalid request the list of its faults."""

    def __init__(self) -> None:
        metadata = {"example": MESSAGE}
        super().__init__(fields.Nested(FieldErrorSchema), attribute="message", required=True, metadata=metadata)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if isinstance(obj, Invalid):
            return super()._serialize(obj.faults, attr, obj, **kwargs)
        return self.root.message(obj) if isinstance(self.root, ErrorSchema) else value


def _message() -> fields.Method:
    return fields.Method("message", required=True, metadata={"type": "string", "example": MESSAGE})


class ErrorSchema(Schema):
    """An error on a path of no channel, with both texts; `fields` and `payment` are about a key of another request"""

    invalid_status: ClassVar[int] = Invalid.status

    error = _message()
    detail: "fields.Field[Any]" = _message()
    code = text("payment_not_found")
    retry = nested(RetryAdvice)
    differing = fields.List(fields.String(), data_key="fields", attribute="details.fields")
    payment = nested(KeyPayment, attribute="details.payment", required=False, nullable=True)

    def message(self, error: ServiceError) -> str:
        """Return the error's text; a channel overrides this if its document defines its own texts."""
        return error.message

    def render(self, error: ServiceError) -> StoredResponse:
        """Return the response to a request that ended in `error`."""
        status = self.invalid_status if isinstance(error, Invalid) else error.status
        return answered(status, self.dump(error), retry_after=error.retry.after)


class TextError(ErrorSchema):
    """An error with a text"""

    invalid_status = 400

    class Meta:
        """Without the other text."""

        exclude = ("detail",)


class DetailError(ErrorSchema):
    """An error with a text, or with the list of what is wrong with the request"""

    detail = TextOrErrors()

    class Meta:
        """Without the other text."""

        exclude = ("error",)
