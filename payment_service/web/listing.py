"""Lists: opaque cursors and moments as query parameters."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from payment_service.web.field_errors import BaseField
from payment_service.web.strict_json import LARGEST_INTEGER


def cursor_after(payment_id: int) -> str:
    """The cursor of the page that follows this payment."""
    return base64.urlsafe_b64encode(f"p{payment_id}".encode()).decode().rstrip("=")


class Cursor(BaseField):
    """A cursor as given out by `cursor_after` → the payment's number it stands for."""

    described: Mapping[str, Any] = {
        "type": "string",
        "pattern": "^[A-Za-z0-9_-]+$",
        "description": "As an answer's `next_cursor`.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        try:
            text = base64.urlsafe_b64decode(str(value) + "=" * (-len(str(value)) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            text = ""
        number = text.removeprefix("p")
        known = number.isdecimal() and len(number) <= 19 and int(number) <= LARGEST_INTEGER
        if not known or cursor_after(int(number)) != value:  # the decoder is lenient, we are not
            raise self.fault(f"{self.label} is not a cursor of this list", "cursor")
        return int(number)


class Moment(BaseField):
    """An ISO 8601 date or time, UTC where it names no zone → an aware datetime."""

    described: Mapping[str, Any] = {
        "type": "string",
        "format": "date-time",
        "description": "UTC without a zone; a date is its first moment.",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(str(value))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.fault(f"{self.label} must be an ISO 8601 time", "datetime_parsing") from None
