"""Mollie's lists, page by page, and the movements of money in them."""

from collections.abc import Iterator
from datetime import datetime

from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.operations import Kind
from payment_service.gateways.base import NotSent, Unknown
from payment_service.gateways.listed import Entry
from payment_service.gateways.mollie.api import GATEWAY_KEY, VOID_KEY, MollieApi
from payment_service.gateways.mollie.words import Object, mapping, moment, money, page
from payment_service.gateways.protocol import UnreadableReplyError


def walk(api: MollieApi, path: str, name: str) -> Iterator[Object | NotSent | Unknown]:
    """Yield every object of a list, newest first. If a page could not be read, the last item is the failure."""
    after: str | None = None
    while True:
        part = page(api.page(path, after), name)
        if isinstance(part, NotSent | Unknown):
            yield part
            return
        yield from part.objects
        if (after := part.following) is None:
            return


def entries(api: MollieApi, since: datetime | None, until: datetime | None, *, live: bool) -> Iterator[Entry]:
    """Yield the movements on the account within a period. Raises GatewayUnavailable while iterating.

    Mollie's lists have no filter by time: they are read whole. A movement without a time is in every period.
    """
    try:
        for entry in _all(api, live):
            at = entry.created_at
            if at is None or ((since is None or since <= at) and (until is None or at < until)):
                yield entry
    except UnreadableReplyError as fault:
        raise GatewayUnavailable(f"Mollie's list has an object that cannot be read: {fault}") from fault


def _all(api: MollieApi, live: bool) -> Iterator[Entry]:
    for payment in _whole(api, "/payments", "payments"):
        if payment.get("mode") != ("live" if live else "test"):
            raise GatewayUnavailable("Mollie's list has an object of the other mode")
        yield from _of_payment(api, payment)
    yield from _parts(api, "/refunds", Kind.REFUND, "refunded")


def _whole(api: MollieApi, path: str, name: str) -> Iterator[Object]:
    for each in walk(api, path, name):
        if isinstance(each, NotSent | Unknown):
            raise GatewayUnavailable(f"Mollie's list cannot be read: {each.reason}")
        yield each


def _of_payment(api: MollieApi, payment: Object) -> Iterator[Entry]:
    """Yield the charge; or the hold, with the capture or void that ended it."""
    if payment.get("captureMode") != "manual":
        if payment.get("status") == "paid":
            yield _moved(GATEWAY_KEY, Kind.CHARGE, payment, "paidAt")
        return
    if not payment.get("authorizedAt"):
        return
    yield _moved(GATEWAY_KEY, Kind.AUTHORIZE, payment, "authorizedAt")
    if payment.get("status") == "canceled" and VOID_KEY in mapping(payment, "metadata"):
        yield _moved(VOID_KEY, Kind.VOID, payment, "canceledAt")
    if payment.get("amountCaptured"):
        yield from _parts(api, f"/payments/{payment.get('id')}/captures", Kind.CAPTURE, "succeeded")


def _parts(api: MollieApi, path: str, kind: Kind, done: str) -> Iterator[Entry]:
    for part in _whole(api, path, path.rpartition("/")[2]):
        if part.get("status") == done:
            yield _moved(GATEWAY_KEY, kind, part, "createdAt")


def _moved(key_name: str, kind: Kind, found: Object, at: str) -> Entry:
    """Return one movement. It has no key of ours if this service did not request it."""
    key, reference = mapping(found, "metadata").get(key_name), found.get("id")
    return Entry(
        str(key) if key else None,
        kind,
        *money(found, "amount"),
        reference=str(reference) if reference else None,
        created_at=moment(found.get(at)),
    )
