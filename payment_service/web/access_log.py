"""Log lines about access: refused callers with the reason, and the objects that operators viewed.

The lines go through the bounded queue of all lines, so a flood of refusals delays no request. No line contains a
token or an unverified claim.
"""

from collections.abc import Iterable
from ipaddress import ip_address

import structlog
from flask import current_app, g, request

from payment_service.domain.errors import Forbidden, ServiceError, Unauthenticated
from payment_service.domain.principals import Principal
from payment_service.domain.refusals import Reason

log = structlog.get_logger(__name__)

_ORDINARY = (Reason.MISSING, Reason.EXPIRED)
"""Clients send no token, or one that has just expired, every day."""
_OF_CODE = {
    "TOKEN_MISSING": Reason.MISSING,
    "TOKEN_INVALID": Reason.MALFORMED,
    "USER_NOT_FOUND": Reason.NO_SUBJECT,
    "scope_missing": Reason.SCOPE_MISSING,
    "foreign_form": Reason.FOREIGN_FORM,
}
"""The reason of an error that was raised without one."""


def log_refusal(error: ServiceError) -> None:
    """Log a refusal: the caller, the address, the route and the reason. Any other error leaves no line.

    The reason is a `Reason`; for an error that has none it is the error's code.
    """
    if not (error.refusal or error.status in (401, 403) or isinstance(error, Unauthenticated | Forbidden)):
        return
    refusal = error.refusal
    reason = refusal.reason if refusal else _reason_of(error)
    write = log.info if reason in _ORDINARY else log.warning
    write(
        "auth.refused",
        reason=str(reason),
        subject=(refusal.subject if refusal else "") or _principal().subject or None,
        scope_needed=refusal.scope_needed if refusal else None,
        address=client_address(),
        method=request.method,
        route=request.url_rule.rule if request.url_rule else None,
        status=error.status,
    )


def log_view(kind: str, ids: Iterable[int]) -> None:
    """Log that the operator views objects of a kind (`payment`), by their ids. Without an id there is no line."""
    if seen := list(ids):
        log.info("ops.viewed", operator=_principal().subject, object=kind, ids=seen, address=client_address())


def client_address() -> str | None:
    """Return the client's address: the one that the proxy states if the peer may be a proxy, or the peer's own.

    A proxy is on a private network, or connects through a local socket without an address. The last entry of
    `X-Forwarded-For` is the one that the nearest proxy wrote.
    """
    peer = request.remote_addr
    try:
        may_be_a_proxy = not peer or ip_address(peer).is_private
        stated = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return str(ip_address(stated)) if stated and may_be_a_proxy else peer or None
    except ValueError:
        return peer or None


def _reason_of(error: ServiceError) -> Reason | str:
    reason: Reason | str = _OF_CODE.get(error.code, error.code)
    if reason is Reason.MISSING and not _open_channels().isdisjoint(_channels()):
        return Reason.OPEN_CHANNEL_ONLY
    return reason


def _open_channels() -> frozenset[str]:
    """Return the open channels; none if the request has an Authorization header, which any channel then checks."""
    found: frozenset[str] = current_app.extensions.get("open_channels", frozenset())
    return frozenset() if "Authorization" in request.headers else found


def _channels() -> Iterable[str]:
    access = current_app.extensions.get("access", {}).get(request.blueprint or "")
    return access.channels if access else ()


def _principal() -> Principal:
    return g.get("principal") or Principal()
