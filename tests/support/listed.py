"""The ledger of a gateway in tests: money moved by gateway key, and the list of it that the port asks for."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from payment_service.gateways.listed import Entry

Moved = TypeVar("Moved")


class ListedLedger(dict[str, Moved]):
    """Money moved, by gateway key; called, it is the port's `ledger()`. `read` gives a value's entry, if it has one.

    `others` are listed as well: entries without a request of ours.
    """

    def __init__(self, read: Callable[[Moved], Entry | None]) -> None:
        super().__init__()
        self._read = read
        self.others: list[Entry] = []

    def __call__(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield the entries within the bounds, and those that say no moment."""
        found = [entry for entry in (*map(self._read, self.values()), *self.others) if entry is not None]
        return (entry for entry in found if _is_within(entry, since, until))


def _is_within(entry: Entry, since: datetime | None, until: datetime | None) -> bool:
    at = entry.created_at
    return at is None or ((since is None or since <= at) and (until is None or at < until))
