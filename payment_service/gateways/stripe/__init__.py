"""Stripe: payment intents that are registered before they are confirmed, and looked up by their id.

https://docs.stripe.com/payments/payment-intents. This package is imported only if Stripe is configured.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

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
    Refused,
    RegisterResult,
    SendResult,
    Spent,
    Unknown,
)
from payment_service.gateways.listed import Dispute, Entry
from payment_service.gateways.minor import STRIPE, UnfitAmount
from payment_service.gateways.notices import Forged, Notice
from payment_service.gateways.stripe import disputes, feeds, ledger, lists, notices, words
from payment_service.gateways.stripe.client import Answer, StripeApi
from payment_service.gateways.stripe.replies import GATEWAY_KEY, StripeReply, mapping, undecided
from payment_service.gateways.transport import Transport

API_BASE = "https://api.stripe.com"

KEY_RETENTION = 23 * 3600.0
"""Seconds: Stripe may forget a key after 24 hours; one of them is left for clocks and waits."""

MAX_IN_FLIGHT = 90.0
"""Seconds that Stripe may still work on a request after we stopped waiting: Stripe's own clients wait 80."""

NO_TOKEN = Declined("PAYMENT_METHOD_REQUIRED", "The payment needs a payment method")
_ASKS_THE_ISSUER = (Kind.CHARGE, Kind.AUTHORIZE)
_ORPHAN = Contradiction("this service does not know Stripe's id of the charge")


class StripeGateway:
    """The account of `api_key`, which is live or not by its prefix; time-outs in seconds.

    A movement is at most three exchanges: registration, send, and a look-up after an error.
    `webhook_secrets` are those of the endpoint, several while one replaces another.
    Raises ValueError for an invalid `base`.
    """

    capabilities = Capabilities(
        idempotent_by_key=True,
        lookup_consistent=True,
        max_in_flight=MAX_IN_FLIGHT,
        key_retention=KEY_RETENTION,
        lists=True,
        registers=frozenset(_ASKS_THE_ISSUER),
        cancels=True,
        needs_token=True,
        shows_reference=True,
        lists_disputes=True,
        notifies=True,
        lists_events=True,
    )

    def __init__(
        self,
        api_key: str,
        *,
        base: str = API_BASE,
        connect_timeout: float = 1.0,
        read_timeout: float = 15.0,
        webhook_secrets: Sequence[str] = (),
    ) -> None:
        transport = Transport(base, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self._api = StripeApi(api_key, base, transport)
        self._live = is_live(api_key)
        self._webhook_secrets = webhook_secrets

    @property
    def accepts_us(self) -> bool:
        """False if Stripe rejected the key on the last request."""
        return self._api.accepts_us

    def register(self, gateway_request: GatewayRequest) -> RegisterResult:
        """Create an unconfirmed payment intent; decline without a request if Stripe could never charge it."""
        try:
            amount = STRIPE.to_charge(gateway_request.amount, gateway_request.currency)
        except UnfitAmount as unfit:
            return Declined(unfit.code, unfit.message)
        if not gateway_request.terms.token:
            return NO_TOKEN
        reply = self._api.create_intent(gateway_request, amount)
        return words.registered(gateway_request, reply, live=self._live) if isinstance(reply, StripeReply) else reply

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Confirm the registered intent; or capture, cancel or refund the parent's."""
        try:
            reply = self._sent(gateway_request)
        except UnfitAmount as unfit:
            return Declined(unfit.code, unfit.message)
        failpoint("gateway.answered")
        if not isinstance(reply, StripeReply):
            return reply
        result = self._outcome(gateway_request, reply)
        if isinstance(result, NotFound):
            return self._untouched(gateway_request, reply)
        return result

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Return the result by the operation's own intent, by that of its parent, or by the parent's refunds."""
        if gateway_request.kind is Kind.REFUND:
            return self._find_refund(gateway_request)
        reference = _intent_of(gateway_request)
        if reference is None:
            # Registration comes first: without an id nothing can have happened. Other kinds need their parent's id.
            return NotFound() if gateway_request.kind in _ASKS_THE_ISSUER else _ORPHAN
        reply = self._api.intent(reference)
        if not isinstance(reply, StripeReply):
            return reply
        problem = undecided(reply)
        return problem or words.of_intent(gateway_request, reply.intent, live=self._live)

    def cancel(self, gateway_request: GatewayRequest) -> GatewayResult:
        """End a registered intent or a hold for good. Declined only once Stripe shows it as cancelled."""
        if gateway_request.reference is None:
            return NotFound()
        reply = self._api.cancel(gateway_request.reference, gateway_request.cancel_key)
        if not isinstance(reply, StripeReply):
            return reply
        result = self._outcome(gateway_request, reply)
        is_held = gateway_request.kind is Kind.AUTHORIZE and isinstance(result, Approved)
        if is_held or isinstance(result, ActionRequired | Refused | NotFound):
            return Unknown("Stripe has not cancelled the payment")
        return result

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield every movement on the account, also those of others. Raises GatewayUnavailable while iterating."""
        return ledger.Ledger(self._api, live=self._live).entries(since, until)

    def read_notice(
        self, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]
    ) -> Sequence[Notice] | Forged:
        """Check the signature of a request to the webhook and return its notices."""
        return notices.read(headers, body, self._webhook_secrets, live=self._live, now=clock.now())

    def events(self, since: datetime) -> Iterator[Notice]:
        """Yield the notices in Stripe's list of 30 days of events. Raises GatewayUnavailable while iterating."""
        return feeds.events(self._api, since, live=self._live)

    def told_by(self, notice_type: str) -> OperationStatus | None:
        """Return the outcome in events of a type."""
        return notices.TOLD.get(notice_type)

    def dispute(self, reference: str) -> Dispute | NotFound | NotSent | Unknown:
        """Return the present state of a dispute. Makes no request for an id that cannot be a dispute's."""
        if not reference.startswith(disputes.PREFIXES):
            return NotFound()
        return disputes.of_reply(self._api.dispute(reference), live=self._live)

    def disputes(self, since: datetime) -> Iterator[Dispute]:
        """Yield disputes opened since then, in their present state. Raises GatewayUnavailable while iterating."""
        return feeds.disputes(self._api, since, live=self._live)

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._api.close()

    def _sent(self, request: GatewayRequest) -> Answer:
        """Return the reply to the request that moves money. Raises UnfitAmount."""
        intent = _intent_of(request)
        if intent is None:
            return NotSent("the payment is not registered") if request.kind in _ASKS_THE_ISSUER else _ORPHAN
        match request.kind:
            case Kind.CAPTURE:
                return self._api.capture(request, intent, STRIPE.to_minor(request.amount, request.currency))
            case Kind.REFUND:
                return self._api.refund(request, intent, STRIPE.to_minor(request.amount, request.currency))
            case Kind.VOID:
                return self._void(request, intent)
            case _:
                return self._api.confirm(request, intent)

    def _void(self, request: GatewayRequest, intent: str) -> Answer:
        marked = self._api.mark_void(request, intent)
        problem = undecided(marked) if isinstance(marked, StripeReply) else marked
        if problem is None or isinstance(problem, Contradiction):
            return problem or self._api.cancel(intent, request.send_key)
        # The mark may be written or not: no cancel was sent.
        return NotSent(problem.reason, rejects_us=problem.rejects_us)

    def _outcome(self, request: GatewayRequest, reply: StripeReply) -> GatewayResult:
        """Return the result of a reply to a send or cancel: by the object in it, or by a new look-up."""
        replayed_failure = reply.is_failure and reply.is_replay
        if not replayed_failure and (problem := undecided(reply)) is not None:
            return problem
        if not reply.is_replay:
            if request.kind is Kind.REFUND and reply.is_success:
                return words.of_refund(request, reply.body)
            if request.kind is not Kind.REFUND and reply.intent is not None:
                return words.of_intent(request, reply.intent, live=self._live)
        found = self.lookup(request)
        return Unknown.after(found) if isinstance(found, NotSent) else found

    @staticmethod
    def _untouched(request: GatewayRequest, reply: StripeReply) -> Spent | Unknown | Refused | Declined:
        """Return the result of a reply after which Stripe shows that nothing was done."""
        if reply.is_failure:
            return Spent("Stripe repeats a failure of its own, and has done nothing")
        if reply.is_success:
            return Unknown("Stripe agreed, and shows that nothing was done")
        declined = words.refusal(request, reply)
        if request.kind in _ASKS_THE_ISSUER:
            return Refused(declined.code, declined.message, request.reference)
        return declined

    def _find_refund(self, request: GatewayRequest) -> GatewayResult:
        if request.parent_reference is None:
            return _ORPHAN
        after: str | None = None
        while True:
            reply = self._api.refunds(after, request.parent_reference)
            page = lists.page(reply)
            if not isinstance(page, lists.Page):
                return page
            for refund in page.objects:
                if mapping(refund, "metadata").get(GATEWAY_KEY) == request.gateway_key:
                    return words.of_refund(request, refund)
            if page.following is None:
                return NotFound()
            after = page.following


def is_live(api_key: str) -> bool:
    """Return True if a key moves real money (`sk_live_…`, or a restricted `rk_live_…`)."""
    return api_key.startswith(("sk_live_", "rk_live_"))


def _intent_of(request: GatewayRequest) -> str | None:
    return request.reference if request.kind in _ASKS_THE_ISSUER else request.parent_reference
