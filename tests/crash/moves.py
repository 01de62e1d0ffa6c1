"""From status to status, as the trials move payments: the oracle's own opinion, not the product's table."""

from collections.abc import Mapping

from tests.crash.stages import ACTS, News

Moves = frozenset[tuple[str | None, str]]

LEGAL: Moves = frozenset(
    {
        (None, "PENDING"),
        (None, "PROCESSING"),
        ("PENDING", "PROCESSING"),
        ("PENDING", "CANCELLED"),
        ("PROCESSING", "AUTHORIZED"),
        ("PROCESSING", "CAPTURED"),
        ("PROCESSING", "CANCELLED"),
        ("PROCESSING", "FAILED"),
        ("AUTHORIZED", "PROCESSING"),
        ("CAPTURED", "CAPTURED"),
        ("CAPTURED", "PARTIALLY_REFUNDED"),
        ("CAPTURED", "REFUNDED"),
        ("PARTIALLY_REFUNDED", "PARTIALLY_REFUNDED"),
        ("PARTIALLY_REFUNDED", "REFUNDED"),
    }
)
"""The transitions that clients' requests cause."""

LATE = ("PROCESSING", "PROCESSING")
"""Approved after its caller, who asks once, may have heard false: the service must reverse it."""

_ACTS: Moves = frozenset(
    {
        ("PROCESSING", "REQUIRES_ACTION"),
        *(("REQUIRES_ACTION", status) for status in ("CAPTURED", "AUTHORIZED", "FAILED", "CANCELLED")),
    }
)
NEWS_MOVES: Mapping[News, Moves] = {
    **dict.fromkeys(ACTS, _ACTS),
    "settles": frozenset(),
    "refund_fails": frozenset(
        {
            ("REFUNDED", "CAPTURED"),
            ("PARTIALLY_REFUNDED", "CAPTURED"),
        }
    ),
    "hold_ends": frozenset({("AUTHORIZED", "CANCELLED")}),
    "disputed": frozenset(),
}
"""The transitions that each kind of news adds. A dispute leaves the status as it is."""
