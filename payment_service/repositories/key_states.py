"""Parts of a key's row: for a replay, and for an owner before it completes."""

from dataclasses import dataclass

from payment_service.domain.operations import CancelReason

NOT_KEPT = {"response_data": None, "response_hash": None}
"""The columns of a response that is not kept, to be merged into the hashes: each repeat renders it anew."""


@dataclass(frozen=True)
class FinishedKey:
    """A finished key for a replay, read without a lock: it never changes again, but its response may be emptied."""

    key_id: int
    fingerprint: str
    payment_id: int | None
    owner: str
    response_status: int
    response_data: str | None
    expired: bool


@dataclass(frozen=True)
class ClaimState:
    """A key's row as its owner needs it before it completes; `version` and `journal_hash` are the payment's.

    `keeps_response`: a client sent the key, and the time in which it gets the stored response has not ended.
    """

    fence: int
    attempts: int
    response_status: int | None
    response_data: str | None
    cancel_asked: CancelReason | None
    keeps_response: bool
    version: int | None
    journal_hash: str | None
