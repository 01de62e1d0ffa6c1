"""An operation is one money movement of a payment."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal


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


class CancelReason(StrEnum):
    """Why an operation is to be cancelled at its gateway.

    REFUSED: it was refused, and only a cancel makes that final. CALLER: its caller gave the payment up. EXPIRED: the
    customer did not act in time.
    """

    REFUSED = "refused"
    CALLER = "caller"
    EXPIRED = "expired"


class OperationStatus(StrEnum):
    """What the gateway has said about an operation; PENDING includes *unknown*, which is never FAILED.

    REVERSED: a refund that succeeded first, and failed later.
    """

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REVERSED = "REVERSED"


@dataclass(frozen=True)
class Terms:
    """What an operation takes to its gateway beside the money, frozen at the claim: every resend says the same.

    `token` names the customer's payment method, as the customer's browser got it from the gateway. `return_url` is
    where the customer comes back to after an authentication; without one a needed authentication is a decline.
    `descriptor` is what the customer reads on a statement. The token is neither printed nor kept after the end.
    """

    token: str | None = field(default=None, repr=False)
    return_url: str | None = None
    descriptor: str | None = None

    def text(self) -> str | None:
        """As one JSON text for the key's row; None where there are no terms."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, separators=(",", ":")) if given else None

    @classmethod
    def read(cls, text: str | None) -> "Terms":
        """What `text()` wrote."""
        return cls(**json.loads(text)) if text else NO_TERMS


NO_TERMS = Terms()


@dataclass(frozen=True)
class Action:
    """What the customer must do before the gateway decides: follow `url`, or let the gateway's own script go on.

    `client_secret` is for that script. Both let their holder act for the customer: they are shown to the payment's
    caller alone, and gone once the operation is decided. `expires_at` is when the service asks the gateway to cancel.
    """

    type: Literal["redirect", "sdk"]
    url: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def text(self) -> str:
        """As one JSON text for the key's row."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, separators=(",", ":"), default=datetime.isoformat)

    @classmethod
    def read(cls, text: str | None) -> "Action | None":
        """What `text()` wrote."""
        if text is None:
            return None
        given = json.loads(text)
        expires_at = given.get("expires_at")
        return cls(**given | {"expires_at": expires_at and datetime.fromisoformat(expires_at)})
