"""The operators' search for payments."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from payment_service.connection import Connection
from payment_service.repositories import search
from payment_service.services.dependencies import Dependencies

PAGE = 25

_NUMBER = re.compile("[0-9]{1,19}")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_HASH = re.compile("[0-9a-f]{64}", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """Payments, newest first, and keys; `before` starts the next page, None on the last."""

    payments: Sequence[Mapping[str, Any]]
    keys: Sequence[Mapping[str, Any]]
    before: int | None


def find(deps: Dependencies, wanted: str, *, before: int | None = None) -> Found:
    """Find payments by number, public id, reference, transaction, payable, refund or gateway key.

    A key's hash finds the key in every channel and of every subject, and the payment that it made.
    """
    below = search.LARGEST if before is None else before
    with deps.database.reading() as connection:
        keys = search.keys_of_hash(connection, wanted.lower(), PAGE) if _HASH.fullmatch(wanted) else []
        numbers = _numbers(connection, deps, wanted, below)
        numbers |= {key["payment_id"] for key in keys if key["payment_id"] is not None}
        newest = sorted((number for number in numbers if number < below), reverse=True)
        rows = search.rows(connection, newest[:PAGE])
    return Found([dict(row) for row in rows], [dict(key) for key in keys], newest[PAGE - 1] if newest[PAGE:] else None)


def _numbers(connection: Connection, deps: Dependencies, wanted: str, below: int) -> set[int]:
    channels = deps.renderers.keys()
    found = search.by_text(connection, channels, wanted, below, PAGE + 1)
    if _NUMBER.fullmatch(wanted) and int(wanted) <= search.LARGEST:
        found |= search.by_number(connection, int(wanted))
    if _UUID.fullmatch(wanted):
        found |= search.by_uuid(connection, UUID(wanted))
    return found
