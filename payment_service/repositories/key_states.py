"""Parts of a key's row: what a replay reads, and what an owner must know before it completes."""

from dataclasses import dataclass

from payment_service.domain.operations import CancelReason


@dataclass(frozen=True)
class FinishedKey:
    """What a replay reads of a finished key, without a lock: it never changes again, but its response may be purged."""

    key_id: int
    fingerprint: str
    payment_id: int | None
    owner: str
    response_status: int
    response_data: str | None
    expired: bool


@dataclass(frozen=True)
class ClaimState:
    """What an owner must know before it completes; `version` and `journal_hash` are the payment's."""

    fence: int
    attempts: int
    response_status: int | None
    response_data: str | None
    cancel_asked: CancelReason | None
    version: int | None
    journal_hash: str | None
