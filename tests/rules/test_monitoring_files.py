"""The dashboard and the alerts refer only to metrics that the service has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from payment_service.metrics import own
from payment_service.metrics.exposition import names
from tests.conftest import here
from tests.support import manifests

PROMETHEUS_OWN = {"up"}
LABELS = {
    "le",
    "route",
    "method",
    "status",
    "kind",
    "outcome",
    "sink",
    "channel",
    "gateway",
    "move",
    "currency",
    "job",
    "instance",
    "since",
    "until",
}
LANGUAGE = {
    "sum",
    "max",
    "by",
    "rate",
    "increase",
    "histogram_quantile",
    "topk",
    "absent",
    "or",
    "and",
    "unless",
    "offset",
}
OUTCOMES = {
    "gateway_call_duration_seconds_count": {
        *("approved", "declined", "pending", "not_found", "not_sent", "unknown", "rejected"),
    },
    "gateway_notices_total": {"stored", "duplicate", "forged"},
    "idempotency_outcomes_total": {"new", "replayed", "conflict", "mismatch", "taken_over"},
}


COUNTED = {metric.name for metric in own.collect()}
"""What processes count, without suffixes."""


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load(Path(here("deploy/prometheus/alerts.yml")).read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(here("deploy/grafana/dashboard.json").read_text())["panels"]
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def words(expression: str) -> set[str]:
    """Return every metric name in an expression, without texts, durations and numbers."""
    plain = re.sub(r'"[^"]*"|\[[^\]]*\]', " ", expression)
    return set(re.findall(r"(?<![0-9.])[a-z_][a-z0-9_]*", plain))


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_expressions_use_only_existing_metrics(expression: str) -> None:
    named = words(expression) - LANGUAGE - LABELS

    assert named
    assert named <= names() | PROMETHEUS_OWN


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_expression_asks_only_for_outcomes_that_exist(expression: str) -> None:
    asked = re.findall(r'([a-z_]+)\{outcome=~?"([^"]+)"\}', expression)
    assert [(metric, each) for metric, each in asked if not set(each.split("|")) <= OUTCOMES[metric]] == []


def test_alert_on_a_count_of_processes_sees_its_first_increment() -> None:
    """increase() does not see a series begin; a figure of the database is there from the first scrape on."""
    increases = [
        (rule["alert"], rule["expr"], *found)
        for rule in rules()
        for found in re.findall(r"increase\(((\w+)(?:\{[^}]*\})?)\[(\w+)\]\)", rule["expr"])
        if found[1].removesuffix("_count").removesuffix("_total") in COUNTED
    ]

    assert len(increases) > 2
    assert [
        alert
        for alert, expression, series, _, window in increases
        if f"({series} unless {series} offset {window}) or increase(" not in expression
    ] == []


def test_alert_about_one_of_several_gateways_names_it() -> None:
    by_gateway = {"gateway_call_duration_seconds", "gateway_notices", "reconciliation"}
    about = {rule["alert"]: rule for rule in rules() if any(f"{name}_" in rule["expr"] for name in by_gateway)}
    summed = {"PaymentNoticesUnmatched", "PaymentNoticesPilingUp"}  # the database counts them without a label

    assert {
        name for name, rule in about.items() if "{{ $labels.gateway }}" not in rule["annotations"]["summary"]
    } == summed
    assert {name for name, rule in about.items() if "by (gateway" not in rule["expr"]} == summed


@pytest.mark.parametrize("pair", ["()", "[]", "{}"])
def test_every_expression_closes_its_brackets(pair: str) -> None:
    assert [text for text in expressions() if text.count(pair[0]) != text.count(pair[1])] == []


def test_every_alert_has_a_severity_and_annotations() -> None:
    wanted = {"summary", "action", "runbook"}
    assert {rule["labels"]["severity"] for rule in rules()} <= {"warning", "critical"}
    assert [rule["alert"] for rule in rules() if rule["annotations"].keys() != wanted] == []
    assert len({rule["alert"] for rule in rules()}) == len(rules())


@pytest.mark.parametrize(
    "about",
    [
        "unknown_outcomes_oldest_seconds",
        "outbox_oldest_seconds",
        "outbox_dead",
        "outbox_sink_on) == 0",
        '"conflict"',
        '"5.."',
        "_bucket",
        'absent(up{job="payment-service"})',
        "absent(business_figures_up)",
        "-(worker|relay|recover)",
        'absent(up{job=~"payment-service-(worker|relay)',
        'absent(up{job=~"payment-service-(worker|recover)',
        "log_lines_dropped_total",
        "operations_for_review",
        '"rejected"',
        "reversals_open",
        "reconciliation_age_seconds",
        "reconciliation_differences",
    ],
)
def test_every_serious_figure_has_an_alert(about: str) -> None:
    assert [rule["alert"] for rule in rules() if about in rule["expr"]]


def test_alerts_name_only_jobs_that_are_scraped() -> None:
    shipped = yaml.safe_load(Path(here("deploy/prometheus/scrape.yml")).read_text())["scrape_configs"]
    (example,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", here("docs/how-to/monitor.md").read_text(), re.DOTALL)
    elsewhere = yaml.safe_load(example)["scrape_configs"]
    components = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for _, pod in manifests.pods()}
    (beside,) = re.findall(r" in \((.+)\)", shipped[1]["kubernetes_sd_configs"][0]["selectors"][0]["label"])
    scraped_jobs = {"payment-service"} | {f"payment-service-{name}" for name in beside.split(",")}
    scraped_jobs |= {each["job_name"] for each in elsewhere}

    alternatives = [each for text in expressions() for each in re.findall(r'job=~?"([^"]+)"', text)]
    assert set(beside.split(",")) < components
    assert {job for job in scraped_jobs if any(re.fullmatch(each, job) for each in alternatives)} == scraped_jobs
    assert [each for each in alternatives if not any(re.fullmatch(each, job) for job in scraped_jobs)] == []


def test_targets_scraped_on_kubernetes_exist() -> None:
    ports = {port["name"] for _, pod in manifests.pods() for port in manifests.container(pod).get("ports", [])}
    jobs = yaml.safe_load(Path(here("deploy/prometheus/scrape.yml")).read_text())["scrape_configs"]
    kept = {rule["regex"] for job in jobs for rule in job["relabel_configs"] if rule.get("action") == "keep"}
    namespaces = [each["namespaces"]["names"] for job in jobs for each in job["kubernetes_sd_configs"]]

    assert kept == ports
    assert namespaces == [[manifests.kustomization(manifests.PRODUCTION)["namespace"]]] * 2


def test_expressions_of_requests_leave_out_probes_and_scrapes(app: Flask) -> None:
    asked = [text for text in expressions() if "http_request_duration_seconds_count" in text or "topk" in text]
    left_out = {each for text in asked for each in re.findall(r'route!~"([^"]+)"', text)}
    rules_of_routes = {rule.rule for rule in app.url_map.iter_rules()}
    assert [text for text in asked if text.count("http_request_duration_seconds") != text.count("route!~")] == []
    (one,) = left_out
    assert {rule for rule in rules_of_routes if re.fullmatch(one, rule)} == {
        f"{prefix}/{name}" for prefix in ("", "/v1") for name in ("health", "health/live", "health/ready", "metrics")
    }


def test_dashboard_shows_every_figure_without_overlaps() -> None:
    shown = {word for panel in panels() for target in panel["targets"] for word in words(target["expr"])}
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    unseen = {name for name in names() if name not in shown and not name.endswith(("_bucket", "_sum"))}
    assert unseen == set()
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
