"""Standard Webhooks: a receiver with the secret can verify that an event is ours, complete and recent."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

PREFIX = "whsec_"
"""Libraries write a secret as this and base64; of any other text the bytes are the secret."""


@dataclass(frozen=True)
class Signer:
    """Signs with every one of `keys`: while a secret is being changed, a receiver accepts any one of the signatures."""

    keys: Sequence[bytes] = ()

    @classmethod
    def of(cls, secrets: str | None) -> "Signer":
        """Return the signer for comma-separated secrets. Raises ValueError for a `whsec_` without base64 after it."""
        parts = (part.strip() for part in (secrets or "").split(","))
        return cls(tuple(_key(part) for part in parts if part))

    def headers(self, identity: str, moment: datetime, body: bytes) -> dict[str, str]:
        """Return `Webhook-Id`, `Webhook-Timestamp` (of this attempt) and, with a secret, `Webhook-Signature`."""
        seconds = str(int(moment.timestamp()))
        headers = {"Webhook-Id": identity, "Webhook-Timestamp": seconds}
        if self.keys:
            signed = f"{identity}.{seconds}.".encode() + body
            headers["Webhook-Signature"] = " ".join(_signature(key, signed) for key in self.keys)
        return headers


def _key(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"WEBHOOK_SECRET: after {PREFIX} comes base64") from error


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
