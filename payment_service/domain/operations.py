"""An operation is one money movement of a payment."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal


class Kind(StrEnum):
    """The kinds of operation at the gateway."""

    CHARGE = "charge"
    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class Purpose(StrEnum):
    """The purpose of a key's operation beyond the request itself.

    TOLD_FALSE: the caller takes an undecided answer for a failure and never asks again, so the owner that learns of an
    approval later reverses it. REVERSAL: the refund or void that does so.
    """

    TOLD_FALSE = "told_false"
    REVERSAL = "reversal"


class CancelReason(StrEnum):
    """The reason to cancel an operation at its gateway.

    REFUSED: the gateway refused it, and only a cancel makes that final. CALLER: its caller gave the payment up.
    EXPIRED: the customer did not act in time.
    """

    REFUSED = "refused"
    CALLER = "caller"
    EXPIRED = "expired"


class OperationStatus(StrEnum):
    """The gateway's decision about an operation; PENDING includes *unknown*, which is never FAILED.

    REVERSED: a refund that succeeded first, and failed later.
    """

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REVERSED = "REVERSED"


@dataclass(frozen=True)
class Terms:
    """The terms of an operation at its gateway beside the money, frozen at the claim: every resend says the same.

    `token` names the customer's payment method, as the customer's browser got it from the gateway. The customer comes
    back to `return_url` after an authentication; without one, a needed authentication is a decline. The customer reads
    `descriptor` on a statement. The token is neither printed nor kept after the end.
    """

    token: str | None = field(default=None, repr=False)
    return_url: str | None = None
    descriptor: str | None = None

    def text(self) -> str | None:
        """Return them as one JSON text for the key's row; None if there are none."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, separators=(",", ":")) if given else None

    @classmethod
    def read(cls, text: str | None) -> "Terms":
        """Read a text that `text()` wrote."""
        return cls(**json.loads(text)) if text else NO_TERMS


NO_TERMS = Terms()


@dataclass(frozen=True)
class Action:
    """The customer's action before the gateway decides: follow `url`, or let the gateway's own script continue.

    `client_secret` is for that script. Both let their holder act for the customer: only the payment's caller sees them,
    and they are deleted once the operation is decided. At `expires_at` the service asks the gateway to cancel.
    """

    type: Literal["redirect", "sdk"]
    url: str | None = field(default=None, repr=False)
    client_secret: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def text(self) -> str:
        """Return it as one JSON text for the key's row."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return json.dumps(given, separators=(",", ":"), default=datetime.isoformat)

    @classmethod
    def read(cls, text: str | None) -> "Action | None":
        """Read a text that `text()` wrote."""
        if text is None:
            return None
        given = json.loads(text)
        expires_at = given.get("expires_at")
        return cls(**given | {"expires_at": expires_at and datetime.fromisoformat(expires_at)})
