"""Mollie: payments that wait for their customer, who always acts; without a library of Mollie's.

https://docs.mollie.com/reference/payments-api. The reply to a POST may be a stored one, up to an hour old, and does
not show that. So a reply to a send never decides: before and after it the adapter reads the object.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qs

from payment_service import clock
from payment_service.domain.operations import Kind, OperationStatus
from payment_service.failpoints import failpoint
from payment_service.gateways.base import (
    ActionRequired,
    Approved,
    Capabilities,
    Contradiction,
    Declined,
    GatewayRequest,
    GatewayResult,
    NotFound,
    NotSent,
    Pending,
    RegisterResult,
    SendResult,
    Unknown,
)
from payment_service.gateways.listed import Entry
from payment_service.gateways.minor import UnfitAmount
from payment_service.gateways.mollie import ledger, words
from payment_service.gateways.mollie.api import GATEWAY_KEY, Answer, MollieApi, MollieReply
from payment_service.gateways.notices import Forged, Notice
from payment_service.gateways.transport import Transport

API_BASE = "https://api.mollie.com"

KEY_RETENTION = 50 * 60.0
"""Seconds: Mollie keeps a reply for an hour; ten minutes of it are left for clocks and waits."""

MAX_IN_FLIGHT = 60.0
"""Seconds that Mollie may still work on a request after we stopped waiting."""

HINT_INTERVAL = 10
"""Seconds: of several hints about one payment within an interval the first one counts."""

NO_WAY_BACK = Declined("RETURN_URL_REQUIRED", "The payment needs a page that the customer comes back to")
_BY_CUSTOMER = (Kind.CHARGE, Kind.AUTHORIZE)
_PARTS = {Kind.CAPTURE: "captures", Kind.REFUND: "refunds"}
_ORPHAN = Contradiction("this service does not know Mollie's id of the charge")
_REFERENCE, _KEY = re.compile(r"tr_\w{1,64}"), re.compile(r"[\w-]{1,64}")


class MollieGateway:
    """The account of `api_key`, which is live or not by its prefix; time-outs in seconds.

    A movement is at most three exchanges. `webhook_url` is the public address of this service's own webhook.
    Raises ValueError for an invalid `base`.
    """

    capabilities = Capabilities(
        idempotent_by_key=True,
        lookup_consistent=True,
        max_in_flight=MAX_IN_FLIGHT,
        key_retention=KEY_RETENTION,
        lists=True,
        registers=frozenset(_BY_CUSTOMER),
        cancels=True,
        needs_return_url=True,
        notifies=True,
        hints_at_payments=True,
    )

    def __init__(
        self,
        api_key: str,
        *,
        base: str = API_BASE,
        connect_timeout: float = 1.0,
        read_timeout: float = 5.0,
        webhook_url: str | None = None,
    ) -> None:
        transport = Transport(base, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self._api = MollieApi(api_key, base, transport, webhook_url)
        self._live = api_key.startswith("live_")

    @property
    def accepts_us(self) -> bool:
        """False if Mollie rejected the key on the last request."""
        return self._api.accepts_us

    def register(self, gateway_request: GatewayRequest) -> RegisterResult:
        """Create a payment. The customer can pay it only with its checkout address, which `send` returns."""
        if not gateway_request.terms.return_url:
            return NO_WAY_BACK
        try:
            reply = self._api.create(gateway_request)
        except UnfitAmount as unfit:
            return Declined(unfit.code, unfit.message)
        return words.registered(reply, live=self._live) if isinstance(reply, MollieReply) else reply

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Read the payment that its customer pays; or capture, release or refund the parent."""
        if gateway_request.kind in _BY_CUSTOMER:
            found = self.lookup(gateway_request)
            return NotSent("the payment is not registered") if isinstance(found, NotFound) else found
        found = self._marked(gateway_request) if gateway_request.kind is Kind.VOID else self.lookup(gateway_request)
        if type(found) is Unknown:
            return NotSent(found.reason)
        if not isinstance(found, NotFound):
            return found
        try:
            reply = self._sent(gateway_request)
        except UnfitAmount as unfit:
            return Declined(unfit.code, unfit.message)
        failpoint("gateway.answered")
        if not isinstance(reply, MollieReply):
            return reply
        return words.undecided(reply) or self._outcome(gateway_request, reply)

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Return the result by the operation's own payment, by its parent, or by the parent's captures or refunds."""
        is_own = gateway_request.kind in _BY_CUSTOMER
        reference = gateway_request.reference if is_own else gateway_request.parent_reference
        if reference is None:
            return NotFound() if is_own else _ORPHAN
        if gateway_request.kind in _PARTS:
            return self._find_part(gateway_request, reference)
        return self._read(gateway_request, self._api.payment(reference))

    def cancel(self, gateway_request: GatewayRequest) -> GatewayResult:
        """End an unpaid payment or a hold. Mollie cancels only some payments; the others expire."""
        reference = gateway_request.reference
        if reference is None:
            return NotFound()
        reply = self._api.payment(reference)
        found = self._read(gateway_request, reply)
        is_cancelable = isinstance(reply, MollieReply) and reply.body.get("isCancelable") is True
        if _is_held(gateway_request, found):
            reply = self._api.release(reference, gateway_request.cancel_key)
        elif isinstance(found, ActionRequired | Pending) and is_cancelable:
            reply = self._api.cancel(reference)
        else:
            return Pending(reference) if isinstance(found, ActionRequired) else found
        problem = words.undecided(reply) if isinstance(reply, MollieReply) else reply
        if problem is not None:
            return problem
        found = self.lookup(gateway_request)
        return Pending(reference) if _is_held(gateway_request, found) or isinstance(found, ActionRequired) else found

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield every movement on the account: payments with their captures, newest first, then refunds.

        Raises GatewayUnavailable while iterating: a truncated list must not pass for a complete one.
        """
        return ledger.entries(self._api, since, until, live=self._live)

    def read_notice(
        self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]
    ) -> Sequence[Notice] | Forged:
        """Return the hint that a payment has changed. Mollie signs nothing: it counts if key and id fit each other."""
        del headers
        reference = parse_qs(body[:1024].decode(errors="replace")).get("id", [""])[0]
        key, now = query.get("key", ""), clock.now()
        if not _REFERENCE.fullmatch(reference) or not _KEY.fullmatch(key):
            return Forged("names no payment of this service")
        event_id = f"{reference}/{int(now.timestamp()) // HINT_INTERVAL}"
        return (Notice(event_id, "payment", now, (key,), reference, is_hint=True),)

    def told_by(self, notice_type: str) -> OperationStatus | None:
        """Return None: a hint states no outcome."""
        del notice_type
        return None

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._api.close()

    def _sent(self, request: GatewayRequest) -> Answer:
        """Return the reply to the request that moves money. Raises UnfitAmount."""
        parent = request.parent_reference or ""
        if request.kind is Kind.VOID:
            return self._api.release(parent, request.send_key)
        return self._api.add(request, parent, _PARTS[request.kind])

    def _outcome(self, request: GatewayRequest, reply: MollieReply) -> SendResult:
        """Return the result that Mollie shows after a send; its reply alone does not count."""
        found = self.lookup(request)
        if not isinstance(found, NotFound):
            return Unknown.after(found) if isinstance(found, NotSent) else found
        if not reply.is_success:
            return words.refusal(reply)
        # The issuer may need time to release a hold; a capture or refund would be there.
        return Pending() if request.kind is Kind.VOID else Unknown("Mollie agreed, and shows that nothing was done")

    def _marked(self, request: GatewayRequest) -> GatewayResult:
        """Write the void's key to the hold and return the void's state: a release cannot carry metadata."""
        if request.parent_reference is None:
            return _ORPHAN
        return self._read(request, self._api.mark_void(request, request.parent_reference))

    def _read(self, request: GatewayRequest, reply: Answer) -> GatewayResult:
        if not isinstance(reply, MollieReply):
            return reply
        return words.undecided(reply) or words.of_payment(request, reply.body, live=self._live)

    def _find_part(self, request: GatewayRequest, parent: str) -> GatewayResult:
        name = _PARTS[request.kind]
        for part in ledger.walk(self._api, f"/payments/{parent}/{name}", name):
            if isinstance(part, NotSent | Unknown):
                return part
            if words.mapping(part, "metadata").get(GATEWAY_KEY) == request.gateway_key:
                return words.of_part(request, part, live=self._live)
        return NotFound()


def _is_held(request: GatewayRequest, found: GatewayResult) -> bool:
    return request.kind is Kind.AUTHORIZE and isinstance(found, Approved)
