"""The movements on a Stripe account, from its lists.

No single list has all of them. Balance transactions have the money with its time and fees; they come late and have no
holds. Intents have holds, and charges without a balance transaction yet. Only the list of refunds shows which ones were
done. Amounts are those of the object that the customer sees; fee and net are the balance transaction's, which may have
another currency.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from payment_service.domain.errors import GatewayUnavailable
from payment_service.domain.operations import Kind
from payment_service.gateways.listed import Entry, Unasked
from payment_service.gateways.minor import STRIPE
from payment_service.gateways.stripe.client import StripeApi
from payment_service.gateways.stripe.lists import Object, walk
from payment_service.gateways.stripe.replies import CAPTURE_KEY, GATEWAY_KEY, VOID_KEY, mapping

WINDOW = timedelta(hours=1)
"""The period of one walk, from the oldest on: if a walk breaks off, all earlier windows are complete."""

SECOND = timedelta(seconds=1)

PAID_OUT_WITHIN = timedelta(days=14)
"""After the period: payouts of this time are searched for its movements. Later ones leave the payout open."""

_TAKEN = ("charge", "payment")
_CAME_BACK = ("refund_failure", "payment_failure_refund")


class Ledger:
    """The movements on one account."""

    def __init__(self, api: StripeApi, *, live: bool) -> None:
        self._api = api
        self._live = live
        self._payouts: dict[str, str] = {}

    def entries(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield the entries of a period, window by window; with both bounds also their payouts.

        Raises GatewayUnavailable while iterating.
        """
        if since is None or until is None:
            yield from self._within(_created(since, until))
            return
        # Stripe's times are whole seconds: windows meet at one, so that no entry falls between two or into both.
        since = since.replace(microsecond=0)
        until += -timedelta(microseconds=until.microsecond) % SECOND
        self._payouts = dict(self._paid_out(since, until))
        while since < until:
            end = min(since + WINDOW, until)
            yield from self._within(_created(since, end))
            since = end

    def _paid_out(self, since: datetime, until: datetime) -> Iterator[tuple[str, str]]:
        """Yield the balance transactions of each payout that may contain money of the period."""
        for payout in self._walk("payouts", _created(since, until + PAID_OUT_WITHIN)):
            number = str(payout.get("id"))
            for booked in self._walk("balance_transactions", {"payout": number}):
                yield str(booked.get("id")), number

    def _within(self, created: Mapping[str, Any]) -> Iterator[Entry]:
        for word in _TAKEN:
            wanted = {**created, "type": word, "expand": ["data.source.payment_intent"]}
            for booked in self._walk("balance_transactions", wanted):
                yield self._taken(booked)
        wanted = {**created, "expand": ["data.latest_charge"]}
        for intent in self._walk("payment_intents", wanted):
            yield from self._of_intent(intent)
        wanted = {**created, "expand": ["data.balance_transaction", "data.payment_intent"]}
        for refund in self._walk("refunds", wanted):
            if refund.get("status") == "succeeded":
                parent, booked = mapping(refund, "payment_intent"), mapping(refund, "balance_transaction")
                yield self._entry(_key(refund, GATEWAY_KEY), Kind.REFUND, refund, parent=parent, booked=booked)
        for word in _CAME_BACK:
            for booked in self._walk("balance_transactions", {**created, "type": word, "expand": ["data.source"]}):
                refund = mapping(booked, "source")
                yield self._entry(_key(refund, GATEWAY_KEY), Unasked.REFUND_FAILED, refund, booked=booked)
        for dispute in self._walk("disputes", {**created, "expand": ["data.payment_intent"]}):
            yield self._disputed(dispute)

    def _walk(self, listed: str, wanted: Mapping[str, Any]) -> Iterator[Object]:
        for found in walk(partial(self._api.page, listed, wanted)):
            if found.get("livemode", self._live) is not self._live:
                raise GatewayUnavailable("Stripe's list has an object of the other mode")
            yield found

    def _taken(self, booked: Object) -> Entry:
        """Return the charge or capture of a balance transaction."""
        charge = mapping(booked, "source")
        intent = mapping(charge, "payment_intent")
        if intent.get("capture_method") == "manual":
            key = _key(intent, CAPTURE_KEY)
            return self._entry(key, Kind.CAPTURE, charge, "amount_captured", parent=intent, booked=booked)
        # A charge without an intent has only its own id.
        named = {**charge, **{name: intent[name] for name in ("id", "metadata") if name in intent}}
        return self._entry(_key(named, GATEWAY_KEY), Kind.CHARGE, named, "amount_captured", booked=booked)

    def _of_intent(self, intent: Object) -> Iterator[Entry]:
        """Yield a hold with the void that ended it, and captured money that has no balance transaction yet.

        A cancelled intent does not show if it ever held money. It certainly did if a void ended it, or Stripe because
        the hold expired.
        """
        key, status, charge = _key(intent, GATEWAY_KEY), intent.get("status"), mapping(intent, "latest_charge")
        is_booked = charge.get("balance_transaction") is not None
        if intent.get("capture_method") != "manual":
            if status == "succeeded" and not is_booked:
                yield self._entry(key, Kind.CHARGE, intent, "amount_received")
            return
        void_key = _key(intent, VOID_KEY)
        ended = status == "canceled" and (void_key or intent.get("cancellation_reason") == "automatic")
        if ended or status in {"requires_capture", "succeeded"}:
            yield self._entry(key, Kind.AUTHORIZE, intent)
        if status == "succeeded" and not is_booked:
            taken = {**intent, "id": charge.get("id")}
            yield self._entry(_key(intent, CAPTURE_KEY), Kind.CAPTURE, taken, "amount_received", parent=intent)
        if status == "canceled" and void_key:
            yield self._entry(void_key, Kind.VOID, intent, parent=intent)

    def _disputed(self, dispute: Object) -> Entry:
        """Return the amount that a customer's bank disputes, with its balance transaction while there is only one."""
        moved = dispute.get("balance_transactions")
        booked = moved[0] if isinstance(moved, list) and len(moved) == 1 and isinstance(moved[0], dict) else {}
        return self._entry(None, Unasked.DISPUTE, dispute, parent=mapping(dispute, "payment_intent"), booked=booked)

    def _entry(
        self,
        key: str | None,
        kind: Kind | Unasked,
        found: Object,
        amount: str = "amount",
        *,
        parent: Object | None = None,
        booked: Object | None = None,
    ) -> Entry:
        booked, currency = booked or {}, _currency(found)
        settled = _currency(booked) if booked else None
        return Entry(
            key,
            kind,
            _major(found, amount, currency),
            currency,
            reference=_text(found, "id"),
            created_at=_moment(booked or found),
            parent_key=_key(parent, GATEWAY_KEY) if parent else None,
            fee=_major(booked, "fee", settled) if settled else None,
            net=_major(booked, "net", settled) if settled else None,
            settlement_currency=settled,
            payout=self._payouts.get(str(booked.get("id"))),
        )


def _created(since: datetime | None, until: datetime | None) -> Mapping[str, Any]:
    """Return a list's filter by time."""
    bounds = {"gte": since, "lt": until}
    window = {name: int(moment.timestamp()) for name, moment in bounds.items() if moment is not None}
    return {"created": window} if window else {}


def _key(found: Object, name: str) -> str | None:
    value = mapping(found, "metadata").get(name)
    return value if isinstance(value, str) and value else None


def _text(found: Object, name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise GatewayUnavailable(f"Stripe's list has an object without a readable {name}")
    return value


def _currency(found: Object) -> str:
    return _text(found, "currency").upper()


def _major(found: Object, name: str, currency: str) -> Decimal:
    number = found.get(name)
    if type(number) is not int:
        raise GatewayUnavailable(f"Stripe's list has an object without a readable {name}")
    return STRIPE.to_major(number, currency)


def _moment(found: Object) -> datetime:
    number = found.get("created")
    if type(number) is not int:
        raise GatewayUnavailable("Stripe's list has an object without a readable moment")
    return datetime.fromtimestamp(number, UTC)
