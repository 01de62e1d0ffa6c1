"""`GET /v1/idempotency-keys/{key}` and `?key=`: show the state of a request after its caller missed the response.

A key belongs to the subject of the token that used it, or, on open channels, to all callers without a token. The
search covers every channel that the caller may use; `channel` narrows it, and is required if several have the key.
Clients and proxies shorten paths with `.` and `..`: send such a key as the parameter `key`.
"""

from collections.abc import Mapping
from string import Formatter
from typing import Any

from flask import Blueprint, Response
from marshmallow import Schema, fields

from payment_service.domain.errors import FieldError, Invalid, NotFound, Retry
from payment_service.domain.records import KeyStatus, Payment
from payment_service.services.key_status import key_statuses
from payment_service.web import response_fields as field
from payment_service.web.access import is_allowed, refusal
from payment_service.web.context import dependencies, principal
from payment_service.web.error_schemas import RetryAdvice
from payment_service.web.fields import Choice, Text
from payment_service.web.key_header import unquoted
from payment_service.web.openapi.decorators import describe, text_param
from payment_service.web.parsing import LONGEST_KEY, key_text, query
from payment_service.web.responses import show

STATES = ("in_progress", "finished", "expired")


class KeyNotFound(NotFound):
    """No request with this idempotency key is known"""

    code = "idempotency_key_not_found"
    # Nothing was done under the key, unless its request is still on its way.
    retry = Retry(safe=True, key="same")


class BoundPayment(Schema):
    """The payment, by the id its channel's callers know it by, and where it is shown"""

    id = fields.Raw(
        required=True, metadata={"anyOf": [{"type": "integer"}, {"type": "string", "format": "uuid"}], "example": 353}
    )
    path = field.text("/payments/353", nullable=True)


class KeyState(Schema):
    """What is known of a key"""

    state = field.choice("finished", STATES)
    channel = field.text("trips")
    request_path = field.text("POST:/payments", nullable=True)
    payment = field.nested(BoundPayment, nullable=True)
    response_status = field.integer(200, nullable=True)
    created_at = field.timestamp("2025-11-03T11:23:00.145775")
    expires_at = field.timestamp("2025-11-04T11:23:00.145775", nullable=True)
    retry = field.nested(RetryAdvice)


KEY_STATE = KeyState()


def keys_blueprint(payment_paths: Mapping[str, str]) -> Blueprint:
    """Return the routes for the keys of every channel; `payment_paths` has each channel's `Channel.payment_path`."""
    blueprint = Blueprint("keys", __name__)
    channel, key_filter = (
        Choice(list(payment_paths)),
        Text(LONGEST_KEY, stripped=True, required=True, example="demo-client-1"),
    )
    filters = Schema.from_dict({"channel": channel}, name="KeyFilters")()
    filters_and_key = Schema.from_dict({"key": key_filter, "channel": channel}, name="KeyFiltersWithKey")()

    @blueprint.get("/idempotency-keys/<text:key>")
    @describe({200: KEY_STATE}, query=filters, path=[text_param("key", "demo-client-1")])
    def inspect(key: str) -> Response:
        """Tell what has become of a key: in progress, finished, or expired and bound to its payment for ever."""
        return _show(payment_paths, query(filters), key_text(key, ("path", "key")))

    @blueprint.get("/idempotency-keys")
    @describe({200: KEY_STATE}, query=filters_and_key)
    def inspect_parameter() -> Response:
        """Tell the same of any key at all, `.` and `..` too."""
        given = query(filters_and_key)
        return _show(payment_paths, given, key_text(given["key"], ("query", "key")))

    return blueprint


def _show(payment_paths: Mapping[str, str], filters: Mapping[str, Any], key: str) -> Response:
    use = _one(_statuses(_channels(payment_paths, filters), key))
    return show(KEY_STATE.dump(_state_of(use, payment_paths[use.channel])))


def _statuses(channels: list[str], key: str) -> list[KeyStatus]:
    """Return those of the key as written; if there are none, those of the key read as a header's value."""
    found = key_statuses(dependencies(), principal(), channels, key)
    if not found and '"' in key:
        found = key_statuses(dependencies(), principal(), channels, unquoted(key))
    return found


def _channels(payment_paths: Mapping[str, str], given: Mapping[str, Any]) -> list[str]:
    """Return the channels to search: the named one, or all that the caller may use."""
    wanted = [given["channel"]] if "channel" in given else list(payment_paths)
    allowed = [channel for channel in wanted if is_allowed(channel)]
    if not allowed:
        raise refusal(wanted)
    return allowed


def _one(uses: list[KeyStatus]) -> KeyStatus:
    if not uses:
        raise KeyNotFound
    if len(uses) > 1:
        several = ", ".join(sorted({use.channel for use in uses}))
        message = f"This key was used in several channels ({several}): name one"
        raise Invalid([FieldError(("query", "channel"), message)])
    return uses[0]


def _state_of(use: KeyStatus, payment_path: str) -> dict[str, Any]:
    # A stored error is replayed until it is deleted; a stored payment gives way to the payment's present status.
    expired = use.is_purged or (use.is_expired and use.payment is not None)
    in_progress = not use.is_purged and use.response_status is None
    return {
        **vars(use),
        "state": "in_progress" if in_progress else "expired" if expired else "finished",
        "payment": use.payment and _named(use.payment, payment_path),
        # The same request with the same key is always safe: it returns the response.
        "retry": Retry(safe=True, key="same", after=1 if in_progress else None),
    }


def _named(payment: Payment, payment_path: str) -> dict[str, Any]:
    """Return the payment's id and path; if the channel has no path for its payments, the payment's number."""
    name = next((field for _, field, _, _ in Formatter().parse(payment_path) if field), "payment_id")
    known_by = getattr(payment, name)
    path = payment_path.format_map({name: known_by}) or None
    return {"id": known_by if isinstance(known_by, int) else str(known_by), "path": path}
