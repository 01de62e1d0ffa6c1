"""What a call can end in besides its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from payment_service_client.decoding import decode
from payment_service_client.wire import Reply, Retry

NAMELESS = {0: "no_answer", 202: "pending"}
"""Codes for what has none in the service's words."""


@dataclass(frozen=True, slots=True)
class NextAction:
    """What a customer must do: open `url` (redirect), or pass `client_secret` to the gateway's own form (sdk)."""

    type: Literal["redirect", "sdk"]
    url: str | None = None
    client_secret: str | None = None
    expires_at: datetime | None = None


class PaymentError(Exception):
    """A call without the answer that was asked for; every subclass says what that means for the money.

    `code` is stable and made for programs, `status` is the HTTP status (0: no answer), `body` the reply's object.
    `key` is the idempotency key of the call: another call with it and with the same arguments does nothing twice.
    """

    def __init__(self, message: str, reply: Reply, key: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.code: str = code or text(reply.fields.get("code")) or NAMELESS.get(reply.status, "unknown")
        self.status: int = reply.status
        self.retry: Retry | None = reply.retry
        self.request_id: str | None = reply.request_id
        self.key: str | None = key
        self.body: Mapping[str, object] = reply.fields


class Refused(PaymentError):
    """The service does not do this, and this call moves no money: `code` says why, such as `validation_error`.

    If `retry.safe` is False, no repeat helps: look the payment up before you send anything.
    """


class Declined(PaymentError):
    """The gateway declined. This is final for the key; another try takes a new key."""


class Mismatch(PaymentError):
    """The key belongs to another request: nothing happens. `fields` differ; `body["payment"]` is the key's payment."""

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields that differ."""
        names = self.body.get("fields")
        return tuple(map(str, names)) if isinstance(names, list) else ()


class ActionRequired(PaymentError):
    """The customer must act first: send them to `next_action`, then call again with the same key and arguments."""

    def __init__(self, message: str, reply: Reply, key: str | None) -> None:
        super().__init__(message, reply, key, code="action_required")
        self.next_action: NextAction = decode(NextAction, reply.fields.get("next_action"))


class OutcomeUnknown(PaymentError):
    """Money may have moved, or may still move.

    With a `key`: call again later with the same key and arguments, or ask `PaymentClient.key_state`. Without one: look
    the payment up before you send anything.
    """


class Unavailable(PaymentError):
    """The service could not be reached, or takes no requests now, and nothing happened. Call again later."""


def text(value: object) -> str | None:
    """The value, if it is a text."""
    return value if isinstance(value, str) else None


def message_of(reply: Reply) -> str:
    """What a reply says to people, in the field that its channel uses."""
    message = reply.fields.get("error") or reply.fields.get("detail") or reply.fields.get("message")
    if isinstance(message, list):
        return "; ".join(str(fault.get("msg")) for fault in message if isinstance(fault, dict))
    if isinstance(message, str):
        return message
    return str(reply.cause) if reply.cause else f"HTTP status {reply.status}"
