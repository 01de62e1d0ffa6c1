"""The service's own metrics: one named function for each kind of fact, so that no label is written twice.

A fact costs a few microseconds. gunicorn's workers and the worker process beside them each count in their own file in
PROMETHEUS_MULTIPROC_DIR, and the scraped process adds the files up; without that directory a process counts alone. The
business metrics, which must be exact, come from the database; this package only formats them.
"""

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

NoticeOutcome = Literal["stored", "duplicate", "forged"]
KeyOutcome = Literal["new", "replayed", "conflict", "mismatch", "taken_over"]
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED, OTHER = "unmatched", "other"

# Up to gunicorn's and the gateway's patience; a charge takes some 10 ms beside the gateway.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)

disable_created_metrics()  # no dashboard needs the start of a series, and the files of several processes do not have it
own = CollectorRegistry()
"""The counts of this process."""


_requests = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request, by the rule of its route.",
    ("route", "method", "status"),
    buckets=_SECONDS,
    registry=own,
)
_gateway_calls = Histogram(
    "gateway_call_duration_seconds",
    "Time until the gateway's word on a movement or a look-up, by what the word was.",
    ("gateway", "kind", "outcome"),
    buckets=_SECONDS,
    registry=own,
)
_keys = Counter(
    "idempotency_outcomes_total",
    "What idempotency keys meant: new, replayed, conflict, mismatch, taken_over.",
    ("outcome",),
    registry=own,
)
_deliveries = Counter(
    "deliveries_total",
    "Attempts to deliver an event, by sink: delivered, failed (and tried again), dead, down.",
    ("sink", "outcome"),
    registry=own,
)
_notices = Counter(
    "gateway_notices_total",
    "Notices of gateways that came in: stored, duplicate, forged (and refused).",
    ("gateway", "outcome"),
    registry=own,
)
_dropped_lines = Counter(
    "log_lines_dropped_total",
    "Log lines that nobody read in time, by level: standard error was full or closed.",
    ("level",),
    registry=own,
)


def request_finished(route: str | None, method: str, status: int, seconds: float) -> None:
    """Count a response; `route` is the rule that served it, None without one. Unusual methods count as one."""
    _requests.labels(route or UNMATCHED, method if method in METHODS else OTHER, str(status)).observe(seconds)


def gateway_called(gateway: str, kind: str, outcome: str, seconds: float) -> None:
    """Count a call of this gateway for an operation or a look-up (`kind`), with its outcome."""
    _gateway_calls.labels(gateway, kind, outcome).observe(seconds)


def key_used(outcome: KeyOutcome) -> None:
    """Count a request by its key's outcome; `conflict`: another request is in progress. Keyless ones are `new`."""
    _keys.labels(outcome).inc()


def delivery_attempted(sink: str, outcome: str) -> None:
    """Count an attempt: `delivered`, `failed`, `dead`, or `down` if the sink was out of reach."""
    _deliveries.labels(sink, outcome).inc()


def notice_received(gateway: str, outcome: NoticeOutcome) -> None:
    """Count a notice that names this gateway as its sender; `forged`: another sender made it."""
    _notices.labels(gateway, outcome).inc()


def log_line_dropped(level: str) -> None:
    """Count a log line that was dropped, because standard error took none."""
    _dropped_lines.labels(level).inc()
