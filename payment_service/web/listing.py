"""Lists: opaque cursors and times as query parameters."""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from payment_service.web.field_errors import BaseField
from payment_service.web.strict_json import LARGEST_INTEGER

_DAY = timedelta(days=1)


def cursor_after(payment_id: int) -> str:
    """Return the cursor of the page that follows this payment."""
    return base64.urlsafe_b64encode(f"p{payment_id}".encode()).decode().rstrip("=")


class Cursor(BaseField):
    """A cursor from `cursor_after` → the number of its payment; `given_as` is its name in the response."""

    def __init__(self, given_as: str = "next_cursor", **kwargs: Any) -> None:
        about = f"As an answer's `{given_as}`."
        self.described = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "description": about}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        try:
            text = base64.urlsafe_b64decode(str(value) + "=" * (-len(str(value)) % 4)).decode("ascii")
        except (binascii.Error, ValueError):
            text = ""
        number = text.removeprefix("p")
        known = number.isdecimal() and len(number) <= 19 and int(number) <= LARGEST_INTEGER
        if not known or cursor_after(int(number)) != value:  # the decoder accepts more than we send
            raise self.fault(f"{self.label} is not a cursor of this list", "cursor")
        return int(number)


class Moment(BaseField):
    """An ISO 8601 date or time, UTC without a zone → an aware datetime.

    A date is its first instant; with `after_date` it is the first of the next day, so that a range includes the day.
    """

    def __init__(self, *, after_date: bool = False, **kwargs: Any) -> None:
        self.after_date = after_date
        of_date = "includes the whole day" if after_date else "is its first moment"
        about = f"UTC without a zone; a date {of_date}."
        self.described = {"type": "string", "format": "date-time", "description": about}
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        if self.after_date and (day := _date(str(value))) is not None:
            return datetime.combine(min(day, date.max - _DAY) + _DAY, time.min, UTC)
        try:
            moment = datetime.fromisoformat(str(value))
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.fault(f"{self.label} must be an ISO 8601 time", "datetime_parsing") from None


def _date(text: str) -> date | None:
    """Return a date, None for any text that is not a date without a time."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
