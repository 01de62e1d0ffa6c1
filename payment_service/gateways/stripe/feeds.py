"""Stripe's lists of events and disputes on the account, newest first."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from payment_service.domain.errors import GatewayUnavailable
from payment_service.gateways.listed import Dispute
from payment_service.gateways.notices import Forged, Notice
from payment_service.gateways.protocol import UnreadableReplyError
from payment_service.gateways.stripe import notices
from payment_service.gateways.stripe.client import StripeApi
from payment_service.gateways.stripe.disputes import of_object
from payment_service.gateways.stripe.lists import walk


def events(api: StripeApi, since: datetime, *, live: bool) -> Iterator[Notice]:
    """Yield events since a time that are about this service. Raises GatewayUnavailable while iterating."""
    for event in walk(partial(api.page, "events", {"created": {"gte": int(since.timestamp())}})):
        notice = notices.notice_of(event, live=live)
        if isinstance(notice, Forged):
            raise GatewayUnavailable(f"Stripe's list has {notice.reason}")
        if notice is not None:
            yield notice


def disputes(api: StripeApi, since: datetime, *, live: bool) -> Iterator[Dispute]:
    """Yield disputes opened since a time. Raises GatewayUnavailable while iterating."""
    wanted = {"created": {"gte": int(since.timestamp())}, "expand": ["data.payment_intent"]}
    for found in walk(partial(api.page, "disputes", wanted)):
        try:
            yield of_object(found, live=live)
        except UnreadableReplyError as fault:
            raise GatewayUnavailable(f"Stripe's list has an object that cannot be read: {fault}") from fault
