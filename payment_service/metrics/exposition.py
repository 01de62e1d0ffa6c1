"""All metrics in Prometheus's text format: the counts of the processes, and the business metrics."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeVar

from prometheus_client import generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, UntypedMetricFamily
from prometheus_client.registry import Collector

from payment_service.domain.business_metrics import (
    Figures,
    KeyFigures,
    LaterFigures,
    NoticeFigures,
    ReconciliationFigures,
    SinkFigures,
    Totals,
)
from payment_service.domain.lifecycle import Status
from payment_service.metrics import own
from payment_service.metrics.files import of_all_processes

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


StatusNames = Mapping[str, Mapping[Status, str]]
"""Each channel's names for the statuses; a channel without names uses the canonical ones."""


def exposition(figures: Figures | None, status_names: StatusNames, directory: str | None = None) -> bytes:
    """Return all metrics; without the business metrics if the database did not answer.

    `directory` is that of all processes' files; None: only the counts of this process.
    """
    counted = own.collect() if directory is None else of_all_processes(directory)
    return generate_latest(_Collected([*counted, *_worded(figures, status_names)]))


def serve(host: str, port: int) -> None:
    """Serve this process's counts at http://host:port/metrics until it ends, for a process without a web server."""
    start_http_server(port, host, registry=own)


def names() -> frozenset[str]:
    """Return every name that a scrape may have, for comparison with those in dashboards and alerts."""
    found: set[str] = set()
    for metric in (*own.collect(), *_worded(Figures.nothing(), {})):
        suffixes = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}.get(metric.type, ("",))
        found.update(f"{metric.name}{suffix}" for suffix in suffixes)
    return frozenset(found)


class _Collected(Collector):
    """Collected metrics, for the library to format."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._metrics


def _worded(figures: Figures | None, status_names: StatusNames) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "business_figures_up", "Whether the database told the figures below.", 0 if figures is None else 1
    )
    if figures is not None:
        yield from _of_payments(figures.totals, status_names)
        yield from _of_sinks(figures.sinks, figures.off)
        yield from _of_keys(figures.keys)
        yield from _of_later(figures.later)
        yield from _of_notices(figures.notices)
        yield from _of_reconciliations(figures.reconciliations)


def _of_payments(totals: Totals, status_names: StatusNames) -> Iterator[Metric]:
    # The names are the orders document's. The untyped ones only grow, but do not end as counters must.
    yield CounterMetricFamily("payments_created", "Payments ever made.", totals.created)
    yield CounterMetricFamily("payments_failed", "Payments that ever failed.", totals.failed)
    yield CounterMetricFamily("refunds_processed", "Refunds that succeeded.", totals.refunds)
    yield CounterMetricFamily("refunds_reversed", "Refunds that succeeded and failed later.", totals.reversed_refunds)
    yield UntypedMetricFamily("total_amount_processed", "Money captured, all currencies.", _sum(totals.taken))
    yield UntypedMetricFamily("total_refunds", "Money refunded, all currencies.", _sum(totals.given_back))
    yield UntypedMetricFamily(
        "payment_processing_errors", "Attempts that ended without a decision of the gateway.", totals.errors
    )
    yield GaugeMetricFamily("reversals_open", "Late approvals not given back yet.", totals.open_reversals)
    yield _by_channel(
        GaugeMetricFamily,
        "payments_by_status",
        "Payments now in each status.",
        "status",
        _standing(totals, status_names),
    )
    yield _by_channel(
        GaugeMetricFamily,
        "payments_by_method",
        "Payments ever made with each method.",
        "method",
        totals.by_channel_and_method,
    )
    yield _labelled(CounterMetricFamily, "amount_processed", "Money captured, by currency.", "currency", totals.taken)
    yield _labelled(
        CounterMetricFamily, "amount_refunded", "Money refunded, by currency.", "currency", totals.given_back
    )
    about = "Money of refunds that failed later, by currency."
    yield _labelled(CounterMetricFamily, "amount_refunds_reversed", about, "currency", totals.taken_back)
    yield _by_channel(CounterMetricFamily, "payment_moves", "What happened to payments.", "move", totals.moves)


def _standing(totals: Totals, status_names: StatusNames) -> Mapping[tuple[str, str], int]:
    """Return the payments by channel and status name, also names without payments."""
    counted = Counter({(name, word): 0 for name, names in status_names.items() for word in _words(names).values()})
    for (channel, status), count in totals.by_channel_and_status.items():
        counted[channel, _words(status_names.get(channel, {}))[status]] += count
    return counted


def _words(names: Mapping[Status, str]) -> Mapping[Status, str]:
    """Return a channel's name for each status, in upper case."""
    return {status: names.get(status, status).upper() for status in Status}


def _of_sinks(sinks: Iterable[SinkFigures], off: Container[str]) -> Iterator[Metric]:
    told = list(sinks)
    on = {each.sink: int(each.sink not in off) for each in told}
    yield _labelled(GaugeMetricFamily, "outbox_sink_on", "Whether the sink is switched on.", "sink", on)
    for name, about, value in (
        (
            "outbox_backlog",
            "Deliveries that wait; more than the limit counted count as the limit.",
            attrgetter("waiting"),
        ),
        ("outbox_oldest_seconds", "How long the first in line has waited.", attrgetter("oldest")),
        ("outbox_dead", "Deliveries given up and not replayed.", attrgetter("dead")),
        ("outbox_unrouted", "Messages that no queue of the broker took.", attrgetter("unrouted")),
    ):
        yield _labelled(GaugeMetricFamily, name, about, "sink", {each.sink: value(each) for each in told})


def _of_keys(keys: KeyFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("keys_in_flight", "Idempotency keys somebody is working on.", keys.in_flight)
    yield GaugeMetricFamily(
        "unknown_outcomes", "Operations nobody works on whose outcome is not known yet.", keys.undecided
    )
    yield GaugeMetricFamily(
        "unknown_outcomes_oldest_seconds", "Age of the oldest operation of unknown outcome.", keys.oldest
    )
    yield GaugeMetricFamily("operations_for_review", "Undecided operations that need a person.", keys.for_review)


def _of_later(later: LaterFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("payment_disputes_open", "Disputes that are not decided.", later.disputes_open)
    yield GaugeMetricFamily("payment_holds_expiring", "Holds that end within a day.", later.holds_expiring)


def _of_notices(notices: NoticeFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("gateway_notices_waiting", "Gateways' notices not handled yet.", notices.waiting)
    yield GaugeMetricFamily(
        "gateway_notices_unmatched", "Gateways' notices that fitted nothing for three days.", notices.unmatched
    )


def _of_reconciliations(reconciled: Iterable[ReconciliationFigures]) -> Iterator[Metric]:
    told = list(reconciled)
    ages = {each.gateway: each.age for each in told}
    about = "How long the end of the last period lies back that was reconciled completely."
    yield _labelled(GaugeMetricFamily, "reconciliation_age_seconds", about, "gateway", ages)
    about = "Differences that the last complete reconciliation of a period found."
    differences = GaugeMetricFamily("reconciliation_differences", about, labels=("gateway", "since", "until"))
    for period in (period for each in told for period in each.periods):
        labels = (period.gateway, period.since.isoformat(), period.until.isoformat())
        differences.add_metric(labels, period.differences)
    yield differences


Family = TypeVar("Family", GaugeMetricFamily, CounterMetricFamily)


def _labelled(
    family: type[Family], name: str, about: str, label: str, by_label: Mapping[Any, float | Decimal]
) -> Family:
    metric = family(name, about, labels=(label,))
    for each, value in sorted(by_label.items()):
        metric.add_metric((str(each),), float(value))
    return metric


def _by_channel(
    family: type[Family], name: str, about: str, label: str, counted: Mapping[tuple[str, str], int]
) -> Family:
    metric = family(name, about, labels=("channel", label))
    for labels, value in sorted(counted.items()):
        metric.add_metric(labels, value)
    return metric


def _sum(amounts: Mapping[str, Decimal]) -> float:
    return float(sum(amounts.values()))
