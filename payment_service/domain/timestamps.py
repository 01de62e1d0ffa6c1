"""Times as the callers' documents write them: ISO 8601, UTC without saying so, always with microseconds."""

from datetime import UTC, datetime


def naive_text(moment: datetime) -> str:
    """`2025-11-03T11:23:00.145775` for an aware moment."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
