"""Every alert has one entry in the runbook, and an entry names only existing metrics and commands."""

import re

import pytest
from flask import Flask

from payment_service.metrics.exposition import names
from tests.rules.test_documentation import anchors
from tests.rules.test_monitoring_files import LABELS, LANGUAGE, PROMETHEUS_OWN, rules, words
from tests.support.markdown import document
from tests.support.processes import ROOT

RUNBOOK = document("docs/how-to/runbook.md")
PARTS = ["Symptom", "Check", "Action"]
ALERTS = [rule["alert"] for rule in rules()]
ALSO = {"deriv", "level"}
"""A function and a label that queries of the runbook use, and no alert or panel does."""


def entries() -> list[tuple[str, str]]:
    """Return name and text of each entry, in order."""
    _, *found = re.split(r"^### (.+)\n", RUNBOOK.section("Entries").text, flags=re.MULTILINE)
    return list(zip(found[::2], found[1::2], strict=True))


def test_every_alert_has_one_entry_and_every_entry_an_alert() -> None:
    assert [name for name, _ in entries()] == ALERTS


@pytest.mark.parametrize(("name", "text"), entries(), ids=[name for name, _ in entries()])
def test_entry_has_its_three_parts_and_numbered_steps(name: str, text: str) -> None:
    symptom, _, rest = text.partition("**Check.**")
    _, _, action = rest.partition("**Action.**")
    steps = re.findall(r"^(\d+)\. ", action, re.MULTILINE)

    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == PARTS
    assert re.search(r"\bMoney\s+is\s+(not\s+)?at\s+risk\b", symptom)
    assert steps == [str(number + 1) for number in range(len(steps))]
    assert len(steps) > 1


def test_table_lists_every_alert_with_its_severity() -> None:
    listed = [row[:2] for row in RUNBOOK.section("The alerts").rows()]

    assert listed == [[f"[{rule['alert']}](#{rule['alert'].lower()})", rule["labels"]["severity"]] for rule in rules()]


def test_annotation_of_every_alert_links_to_its_entry() -> None:
    links = {rule["alert"]: rule["annotations"]["runbook"].partition("#") for rule in rules()}
    assert {ROOT / path for path, _, _ in links.values()} == {RUNBOOK.path}
    assert {alert: anchor for alert, (_, _, anchor) in links.items()} == {alert: alert.lower() for alert in links}
    assert {anchor for _, _, anchor in links.values()} <= anchors(RUNBOOK.path)


def test_queries_of_the_runbook_use_only_existing_metrics() -> None:
    queries = [line for word, content in RUNBOOK.blocks if word == "promql" for line in content.splitlines()]
    asked = {word for query in queries for word in words(query)}
    assert len(queries) > 15
    assert asked - LANGUAGE - LABELS - ALSO - names() - PROMETHEUS_OWN == set()


def test_log_events_named_in_the_runbook_exist() -> None:
    code = [path.read_text() for path in (ROOT / "payment_service").rglob("*.py")]
    code.append((ROOT / "deploy" / "nginx" / "nginx.conf").read_text())
    named = {span for span in RUNBOOK.spans if re.fullmatch(r"[a-z]+\.[a-z_]+", span)}

    assert len(named) > 20
    assert {name for name in named if not any(f'"{name}"' in text for text in code)} == set()


def test_pages_named_in_the_runbook_exist(app: Flask) -> None:
    routes = {rule.rule for rule in app.url_map.iter_rules()}
    named = {span.removeprefix("GET ") for span in RUNBOOK.spans if re.fullmatch(r"(GET )?/[a-z/]+", span)}

    assert "/ops/deliveries" in named
    assert named <= routes
