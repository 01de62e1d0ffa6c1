"""The trip service: may a trip be charged, and what does it cost?"""

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
"""Answers that speak of the trip; any other refusal (401, 429) speaks of us, and says nothing of the trip."""


class TripNotCompleted(ServiceError):
    """Trip not completed or not found"""

    code = "trip_not_completed"
    retry = RETRY_SAME_KEY  # the key stays free, and works once the trip is completed


@dataclass(frozen=True)
class TripPrice:
    """What a completed trip costs: `amount` as asked, else its fare. The trip service at `service_url` is asked."""

    trip_id: int
    amount: Decimal | None
    service_url: str
    base_fare: Decimal
    rate_per_km: Decimal

    def resolve(self) -> Decimal:
        """The amount to charge. Raises TripNotCompleted, Unavailable."""
        trip = _trip(f"{self.service_url}/v1/trips/{self.trip_id}")
        if trip.get("status") != "COMPLETED":
            raise TripNotCompleted
        return self.amount if self.amount is not None else self.fare(trip)

    def fare(self, trip: Mapping[str, Any]) -> Decimal:
        """Base fare and rate per km times the surge multiplier, to the paisa. Raises Unavailable for nonsense."""
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
    """What the trip service says of a trip; asking twice is safe, so a lost connection is tried again once."""
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
