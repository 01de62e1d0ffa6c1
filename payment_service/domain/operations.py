"""An operation is one money movement of a payment."""

from enum import StrEnum


class Kind(StrEnum):
    """What an operation asks the gateway to do."""

    CHARGE = "charge"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class Purpose(StrEnum):
    """What a key's operation is for beyond the request itself.

    TOLD_FALSE: the caller takes an undecided answer for a failure and never asks again, so whoever learns of an
    approval later reverses it. REVERSAL: the refund or void that does so.
    """

    TOLD_FALSE = "told_false"
    REVERSAL = "reversal"


class OperationStatus(StrEnum):
    """What the gateway has said about an operation; PENDING includes *unknown*, which is never FAILED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
