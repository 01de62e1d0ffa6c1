"""The outcome of a new look at an operation or a dispute after a gateway spoke of it."""

from enum import StrEnum


class Seen(StrEnum):
    """The outcome, for the caller that asked for the look.

    UNKNOWN: nothing here belongs to it, or not yet. OPEN: it is not decided, and recovery looks it up. UNCHANGED: it
    still is as it was reported. REVISED: it has changed, and that is written down. UNDECIDED: the gateway or the row
    did not answer, so look again. REVIEW: a person must look.
    """

    UNKNOWN = "unknown"
    OPEN = "open"
    UNCHANGED = "unchanged"
    REVISED = "revised"
    UNDECIDED = "undecided"
    REVIEW = "review"
