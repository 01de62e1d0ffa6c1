"""Watermarks: how far a process has walked through a table by its numbers."""

from dataclasses import dataclass

from payment_service.connection import Connection


@dataclass(frozen=True)
class Watermark:
    """The state of a watermark. `look` is a number drawn when the `open_transactions` (JSON) were open."""

    value: int
    look: int | None
    open_transactions: str | None


def begin(connection: Connection, name: str) -> None:
    """Make a watermark's row if it is missing. Unlike `advance` it does not wait for a lock on the row."""
    connection.write("begin_watermark", {"name": name})


def advance(connection: Connection, name: str, value: int) -> None:
    """Move a watermark up, never down."""
    connection.write("advance_watermark", {"name": name, "value": value})


def value(connection: Connection, name: str) -> int:
    """Return a watermark's value, 0 before it has begun."""
    row = connection.row("find_watermark", {"name": name})
    return 0 if row is None else int(row[0])


def lock(connection: Connection, name: str) -> Watermark | None:
    """Lock a watermark's row and return it; None if another transaction has locked it, or there is none."""
    row = connection.row("lock_watermark", {"name": name})
    return None if row is None else Watermark(*row)


def set_look(connection: Connection, name: str, look: int | None, open_transactions: str | None) -> None:
    """Remember a number, and the transactions that were open when it was the last one drawn."""
    connection.write("set_look", {"name": name, "look": look, "open_transactions": open_transactions})
