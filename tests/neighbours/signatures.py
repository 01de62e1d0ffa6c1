"""A receiver's check of a request, by Standard Webhooks: its sender knows the secret."""

import base64
import hmac
import time

from tests.support.receiver import Taken


def is_signed(taken: Taken, secret: str) -> bool:
    """Return whether one of the signatures is of this secret, over these bytes and of the last five minutes."""
    moment = taken.headers["Webhook-Timestamp"]
    signed = f"{taken.headers['Webhook-Id']}.{moment}.".encode() + taken.body
    expected = "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()
    return expected in taken.headers.get("Webhook-Signature", "").split() and abs(time.time() - int(moment)) < 300
