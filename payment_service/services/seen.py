"""What came of looking again at something that a gateway has spoken of."""

from enum import StrEnum


class Seen(StrEnum):
    """What came of it, for whoever had a reason to look.

    UNKNOWN: nothing here belongs to it, not yet at least. OPEN: it is not decided, and recovery looks it up. UNCHANGED:
    it is as it was told. REVISED: it is not, and that is written down. UNDECIDED: the gateway or the row could not be
    asked, so look again. REVIEW: a person must look.
    """

    UNKNOWN = "unknown"
    OPEN = "open"
    UNCHANGED = "unchanged"
    REVISED = "revised"
    UNDECIDED = "undecided"
    REVIEW = "review"
