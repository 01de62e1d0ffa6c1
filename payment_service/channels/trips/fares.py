"""The client of the trip service: it checks that a trip may be charged, and calculates its fare."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from requests import codes

from payment_service.domain.errors import RETRY_SAME_KEY, ServiceError, Unavailable
from payment_service.http_client import HttpClient, NoReply, NotConnected

CONNECT_SECONDS, READ_SECONDS = 1.0, 5.0  # the document's original waited five seconds
MOST_BYTES = 64 * 1024
_CLIENT = HttpClient((CONNECT_SECONDS, READ_SECONDS), connections=16)

NO_SUCH_TRIP = frozenset({400, 404, 410, 422})
"""Statuses about the trip; any other error status (401, 429) is about this service and not about the trip."""


class TripNotCompleted(ServiceError):
    """Trip not completed or not found"""

    code = "trip_not_completed"
    retry = RETRY_SAME_KEY  # the key stays free, and works once the trip is completed


@dataclass(frozen=True)
class TripPrice:
    """The price of a completed trip: the requested `amount`, or its fare. Calls the trip service at `service_url`."""

    trip_id: int
    amount: Decimal | None
    service_url: str
    base_fare: Decimal
    rate_per_km: Decimal

    def resolve(self) -> Decimal:
        """Return the amount to charge. Raises TripNotCompleted, Unavailable."""
        trip = _trip(f"{self.service_url}/v1/trips/{self.trip_id}")
        if trip.get("status") != "COMPLETED":
            raise TripNotCompleted
        return self.amount if self.amount is not None else self.fare(trip)

    def fare(self, trip: Mapping[str, Any]) -> Decimal:
        """Return base fare and rate per km times the surge multiplier, to the paisa. Raises Unavailable on bad data."""
        try:
            surge = trip.get("surge_multiplier")
            distance, surge = Decimal(str(trip["distance"])), Decimal(str(1 if surge is None else surge))
            plain = self.base_fare + distance * self.rate_per_km
            charged: Decimal = (plain * surge).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
            possible = distance >= 0 and surge > 0 and charged < Decimal(10) ** 12
        except (KeyError, ArithmeticError):
            raise Unavailable("The trip service did not tell the trip's distance") from None
        if not possible:
            raise Unavailable("The trip service told an impossible distance")
        return charged


def _trip(url: str) -> Mapping[str, Any]:
    """Return the trip service's data of a trip. A lost connection is tried again once: repeating the request is safe.

    Raises TripNotCompleted, Unavailable.
    """
    try:
        try:
            trip = _ask(url)
        except NoReply as error:
            if error.timed_out and not isinstance(error, NotConnected):
                raise
            trip = _ask(url)
        if isinstance(trip, dict):
            return trip
    except (NoReply, ValueError, RecursionError):
        pass
    raise Unavailable("The trip service cannot be reached; repeat the request with the same key")


def _ask(url: str) -> Any:
    status, body = _CLIENT.get(url, MOST_BYTES)
    if status in NO_SUCH_TRIP:
        raise TripNotCompleted
    return json.loads(body, parse_float=Decimal) if status == codes.ok else None
