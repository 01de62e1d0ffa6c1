"""HTTP sinks: the order, inventory and notification services.

Signed by Standard Webhooks. Only 2xx is an acknowledgement.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from queue import Empty, SimpleQueue

import requests

from payment_service import clock
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.base import Delivered, Outcome, Refused, Rejected, Report, RetryLater, SinkUnavailable
from payment_service.delivery.signatures import Signer
from payment_service.domain.deliveries import Delivery
from payment_service.http_client import HttpClient, NoReply, NotConnected, TlsFailed

TIMEOUT = 5.0
"""Seconds for a connection, and then for the whole response."""

PARALLEL = 16
"""Requests under way at once: a slow service or event occupies threads of its own sink only."""

GONE = 410
"""The one status that ends a delivery at once: the receiver states that it will never take it."""

WORTH_ANOTHER_TRY = frozenset({408, 425, 429})
"""Error statuses about the present moment and not about the event."""

LONGEST_ANSWER = 65536
"""Bytes of a response that are read, and dropped."""

LONGEST_PAUSE = 3600.0
"""Seconds: the longest pause that a receiver may request."""


class HttpSink:
    """One downstream service at one base URL. `signer` signs every request if it has a secret."""

    window = 3 * PARALLEL
    """More than threads, so that none waits for the database; few enough that the last one is sent in time."""

    def __init__(
        self,
        name: str,
        base_url: str,
        signer: Signer,
        *,
        timeout: float = TIMEOUT,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self.backoff = backoff or Backoff()
        self._base_url = base_url.rstrip("/")
        self._signer = signer
        self._client = HttpClient((timeout, timeout), PARALLEL)
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix=f"sink-{name}")
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._closing = False

    def send(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to send them side by side: they all have different ordering keys."""
        for delivery in deliveries:
            self._pool.submit(self._send, delivery)

    def poll(self, seconds: float) -> list[Report]:
        """Return the reports; wait up to `seconds` for the first one."""
        reports: list[Report] = []
        with suppress(Empty):
            reports.append(self._reports.get(timeout=seconds) if seconds else self._reports.get_nowait())
            while True:
                reports.append(self._reports.get_nowait())
        return reports

    def close(self) -> list[Report]:
        """Wait for the requests under way; no further request begins."""
        self._closing = True
        self._pool.shutdown()
        self._client.close()
        return self.poll(0)

    def _send(self, delivery: Delivery) -> None:
        outcome = SinkUnavailable("stopping") if self._closing else self._outcome(delivery)
        self._reports.put(Report(delivery, outcome))

    def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            response, _ = self._client.send(self._request(delivery), LONGEST_ANSWER)
        except (NotConnected, TlsFailed) as error:
            return SinkUnavailable("connecting timed out" if error.timed_out else "no connection")
        except NoReply as error:
            return RetryLater("no answer in time" if error.timed_out else "the connection broke")
        except Exception as error:  # noqa: BLE001 - the relay needs a report of every failure
            return RetryLater(f"no proper answer ({type(error).__name__})")
        return _judged(response)

    def _request(self, delivery: Delivery) -> requests.Request:
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "payment-service",
            **self._signer.headers(str(delivery.event_id), clock.now(), body),
        }
        if delivery.request_id:
            headers["X-Request-ID"] = headers["X-Correlation-ID"] = delivery.request_id
        if delivery.traceparent:
            headers["traceparent"] = delivery.traceparent
        headers["Payment-Version"] = str(delivery.version)
        headers["Payment-Event-Time"] = f"{delivery.occurred_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        url = f"{self._base_url}{delivery.path}"
        return requests.Request(delivery.method or "POST", url, headers=headers, data=body)


def _judged(response: requests.Response) -> Outcome:
    """Return the outcome. After a 4xx the receiver may still take it: once it has committed, or has the new secret."""
    status = response.status_code
    if 200 <= status < 300:
        return Delivered()
    if status == GONE:
        return Rejected(f"HTTP {status}")
    after = _retry_after(response.headers.get("Retry-After", ""), clock.now())
    if 400 <= status < 500 and status not in WORTH_ANOTHER_TRY:
        return Refused(f"HTTP {status}", after)
    return RetryLater(f"HTTP {status}", after)


def _retry_after(text: str, now: datetime) -> float | None:
    """Return the header's seconds, or those until its date, within bounds; None for invalid text."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return min(float(text), LONGEST_PAUSE)
    with suppress(ValueError, TypeError):  # no date at all, or one without a zone
        return min(max((parsedate_to_datetime(text) - now).total_seconds(), 0.0), LONGEST_PAUSE)
    return None
