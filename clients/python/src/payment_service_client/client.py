"""The client: one channel each for the five kinds of callers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

import requests

from payment_service_client.bills import Bills
from payment_service_client.bookings import Bookings
from payment_service_client.checkout import Checkout
from payment_service_client.orders import Orders
from payment_service_client.sending import Sender
from payment_service_client.trips import Trips
from payment_service_client.wire import Request, Retry

ChannelName = Literal["trips", "bills", "bookings", "orders", "checkout"]


@dataclass(frozen=True, slots=True)
class BoundPayment:
    """The payment that a key belongs to: its id, and the path that shows it."""

    id: int | str
    path: str | None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What became of a key. Expired: the stored response has ended, the payment stays bound to the key."""

    state: Literal["in_progress", "finished", "expired"]
    channel: ChannelName
    request_path: str | None
    payment: BoundPayment | None
    response_status: int | None
    created_at: datetime
    expires_at: datetime | None
    retry: Retry


class PaymentClient:
    """Calls the service at `url`. Use one client per thread, or a `session` that threads may share.

    `token` is a bearer token, or a function that returns one for each try. `deadline`: seconds after which no try of a
    call begins. `timeout`: seconds without a sign of the service that end a try. `session`, `sleep` and `clock` replace
    the network and the time.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str] | None = None,
        *,
        deadline: float = 60.0,
        timeout: float = 30.0,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session or requests.Session()
        self._owns_session = session is None
        self._sender = Sender(url.rstrip("/"), token, deadline, timeout, self._session, sleep, clock)
        self.trips: Trips = Trips(self._sender)
        self.bills: Bills = Bills(self._sender)
        self.bookings: Bookings = Bookings(self._sender)
        self.orders: Orders = Orders(self._sender)
        self.checkout: Checkout = Checkout(self._sender)

    def key_state(self, key: str, channel: ChannelName | None = None) -> KeyState:
        """What became of a key of this caller's; an unknown one is Refused (`idempotency_key_not_found`)."""
        return self._sender.send(
            KeyState, Request("GET", "/v1/idempotency-keys", query={"key": key, "channel": channel})
        )

    def close(self) -> None:
        """Close the connections; a `session` of the caller's stays open."""
        if self._owns_session:
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
