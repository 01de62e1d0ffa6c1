"""The gateway over HTTP."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from urllib.parse import quote, urlencode

from payment_service import clock
from payment_service.domain.errors import GatewayUnavailable
from payment_service.failpoints import failpoint
from payment_service.gateways import protocol
from payment_service.gateways.base import Capabilities, GatewayRequest, GatewayResult, NotSent, SendResult, Unknown
from payment_service.gateways.listed import Entry
from payment_service.gateways.protocol import LedgerPage, Reply, UnreadableReplyError
from payment_service.gateways.transport import Transport

RESEND_PAUSE = 0.2
"""Seconds, at most, before the one resend: long enough for a restarting gateway's backlog, short beside the budget."""

MAX_IN_FLIGHT = 30.0
"""Seconds that a request may still wait in the gateway's queue after we stopped waiting for the reply."""

LEDGER_PAGE = 200
"""Movements per page: about 50 kB, less than the limit of a reply."""


class RemoteGateway:
    """The client of the simulator, or of any server with its protocol, at `url`; time-outs in seconds.

    Every request has `token` as bearer token. A send takes at most two times `connect_timeout` + `read_timeout`, plus
    `RESEND_PAUSE`. `idempotent_by_key`: that gateway honours the key; `max_in_flight`: see `Capabilities`. Raises
    ValueError for an invalid `url`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        connect_timeout: float = 1.0,
        read_timeout: float = 5.0,
        idempotent_by_key: bool = True,
        max_in_flight: float = MAX_IN_FLIGHT,
    ) -> None:
        self._transport = Transport(url, token, connect_timeout=connect_timeout, read_timeout=read_timeout)
        self.capabilities = Capabilities(
            idempotent_by_key=idempotent_by_key,
            lookup_consistent=True,
            max_in_flight=max_in_flight,
            key_retention=float("inf"),
            lists=True,
        )

    def send(self, gateway_request: GatewayRequest) -> SendResult:
        """Return the gateway's reply to the request; if it did not leave this machine, send it once more."""
        reply = self._post(gateway_request)
        if isinstance(reply, NotSent):
            clock.sleep(clock.jitter(RESEND_PAUSE))
            reply = self._post(gateway_request)
        failpoint("gateway.answered")
        return protocol.read_answer(gateway_request, reply) if isinstance(reply, Reply) else reply

    def lookup(self, gateway_request: GatewayRequest) -> GatewayResult:
        """Return the result that the gateway's ledger has for the request's key."""
        reply = self._transport.get(f"/operations/{quote(gateway_request.gateway_key, safe='')}")
        return protocol.read_finding(gateway_request, reply) if isinstance(reply, Reply) else reply

    def ledger(self, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
        """Yield the gateway's ledger, oldest first. Raises GatewayUnavailable while iterating.

        A gateway that does not know the bounds lists all movements, without their times.
        """
        bounds = {"since": since, "until": until}
        window = {name: moment.isoformat() for name, moment in bounds.items() if moment is not None}
        cursor: int | None = 0
        while cursor is not None:
            page = self._ledger_page(cursor, window)
            yield from page.entries
            cursor = page.following

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()

    def _post(self, gateway_request: GatewayRequest) -> Reply | NotSent | Unknown:
        return self._transport.post("/operations", protocol.encode(gateway_request))

    def _ledger_page(self, after: int, window: Mapping[str, str]) -> LedgerPage:
        reply = self._transport.get(f"/effects?{urlencode({'after': after, 'limit': LEDGER_PAGE, **window})}")
        if not isinstance(reply, Reply):
            raise GatewayUnavailable(f"the gateway's ledger cannot be read: {reply.reason}")
        try:
            return protocol.read_ledger(reply)
        except UnreadableReplyError as fault:
            raise GatewayUnavailable(f"the gateway's ledger cannot be read: {fault}") from fault
