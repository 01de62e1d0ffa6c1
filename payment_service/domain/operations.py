"""An operation is one money movement of a payment."""

from enum import StrEnum


class Kind(StrEnum):
    """What an operation asks the gateway to do."""

    CHARGE = "charge"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationStatus(StrEnum):
    """What the gateway has said about an operation; PENDING includes *unknown*, which is never FAILED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
