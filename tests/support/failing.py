"""Failpoints armed for as long as a block lasts."""

from collections.abc import Iterator
from contextlib import contextmanager

from payment_service.failpoints import arm


@contextmanager
def armed(specification: str) -> Iterator[None]:
    """Arm as FAILPOINTS would (`finish.before_commit=raise`), and disarm at the end."""
    arm(specification)
    try:
        yield
    finally:
        arm("")
