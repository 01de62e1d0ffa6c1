"""Watermarks: how far something has walked through a table by its numbers."""

from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from payment_service.connection import Connection
from payment_service.models import watermarks

_LOCK = select(watermarks).where(watermarks.c.name == bindparam("of")).with_for_update(skip_locked=True)
_VALUE = select(watermarks.c.value).where(watermarks.c.name == bindparam("of"))


def _insert(dialect: Any) -> Any:
    return dialect.insert(watermarks).values(name=bindparam("of"), value=bindparam("value"))


def _advance(dialect: Any) -> Any:
    given = _insert(dialect)
    return given.on_conflict_do_update(
        index_elements=["name"], set_={"value": given.excluded.value}, where=watermarks.c.value < given.excluded.value
    )


_DIALECTS = {"postgresql": postgresql, "sqlite": sqlite}
_BEGIN = {name: _insert(dialect).on_conflict_do_nothing() for name, dialect in _DIALECTS.items()}
_ADVANCE = {name: _advance(dialect) for name, dialect in _DIALECTS.items()}
_SET_LOOK = (
    watermarks.update()
    .where(watermarks.c.name == bindparam("of"))
    .values(look=bindparam("at"), open_transactions=bindparam("open"))
)


def begin(connection: Connection, name: str) -> None:
    """Make a watermark's row where there is none. Unlike `advance` it waits for nobody who has locked the row."""
    connection.execute(_BEGIN[connection.database], {"of": name, "value": 0})


def advance(connection: Connection, name: str, value: int) -> None:
    """Move a watermark up, never down."""
    connection.execute(_ADVANCE[connection.database], {"of": name, "value": value})


def value(connection: Connection, name: str) -> int:
    """Where a watermark stands, 0 where it has not begun."""
    return int(connection.execute(_VALUE, {"of": name}).scalar() or 0)


def lock(connection: Connection, name: str) -> Any:
    """A watermark's row, locked; None where somebody else has locked it, or there is none."""
    return connection.execute(_LOCK, {"of": name}).one_or_none()


def set_look(connection: Connection, name: str, look: int | None, open_transactions: str | None) -> None:
    """Remember a number, and the transactions that were open when it was the last one drawn."""
    connection.execute(_SET_LOOK, {"of": name, "at": look, "open": open_transactions})
