"""Types of the commands' arguments. An invalid value ends the command with a sentence and exit code 2."""

import getpass
import os
from datetime import UTC, datetime

import click

from payment_service.domain.cards import masked

NUMBER = click.IntRange(1, 2**63 - 1)
"""A number from the database."""


class Moment(click.ParamType[datetime]):
    """A time as the commands and the log print it; UTC without a zone."""

    name = "moment"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment such as 2026-11-30, 2026-11-30T08:15:00Z or +01:00.", param, ctx)


class Words(click.ParamType[str]):
    """A text that is not blank and fits its column; `longest` is in characters."""

    name = "text"

    def __init__(self, longest: int | None = None) -> None:
        self._longest = longest

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without blanks around it, and with card numbers masked: most texts are stored."""
        text = value.strip()
        if not text:
            self.fail("it must not be empty.", param, ctx)
        if self._longest is not None and len(text) > self._longest:
            self.fail(f"it must not be longer than {self._longest} characters.", param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail("it must be text in UTF-8.", param, ctx)
        return masked(text)


def user() -> str:
    """Return the system's name of the user who runs the command, or the number without a name, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
