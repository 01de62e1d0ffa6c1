"""Recorded requests: send them again, and reduce answers to what a comparison needs."""

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.placeholders import Placeholders
from tests.support.tokens import token
from tests.support.waiting import wait_until

COMPARED = ("Allow", "Content-Type", "Idempotent-Replayed", "Location", "Retry-After")
"""The compared headers of an answer. Other tests cover the headers that every answer has."""

BUSINESS_FIGURES = re.compile(
    r"^(?:payments_created_total|payments_failed_total|total_amount_processed|total_refunds|refunds_processed_total"
    r"|payment_processing_errors|amount_\w+_total|payment_moves_total"
    r"|unknown_outcomes|outbox_backlog|outbox_dead|outbox_sink_on)(?:\{.*\})? .+$",
    re.MULTILINE,
)
"""The lines of `/metrics` that depend only on the database, without those with labels that have changed since."""

NEW_FAMILIES = {
    "amount_refunds_reversed_total counter",
    "gateway_notices_total counter",
    "gateway_notices_unmatched gauge",
    "gateway_notices_waiting gauge",
    "log_lines_dropped_total counter",
    "operations_for_review gauge",
    "outbox_unrouted gauge",
    "payment_disputes_open gauge",
    "payment_holds_expiring gauge",
    "reconciliation_age_seconds gauge",
    "reconciliation_differences gauge",
    "refunds_reversed_total counter",
    "reversals_open gauge",
}
"""Families of `/metrics` that release 1.0.0 does not have."""

JSON = "application/json"
"""The default content type of requests and answers; it is not recorded."""

TOKEN = "<token>"
"""A form's field with this value gets the token of the request's `claims`."""

_FORM = re.compile(r'name="form_token" value="[0-9a-f]{64}"')


@dataclass(frozen=True)
class Sent:
    """A request, its values possibly replaced by placeholders.

    `claims` are the arguments of `token()` for the caller; None sends no token. A `form` is sent instead of a `body`.
    With `in_parallel` another client has sent the same request, which is still in progress.
    """

    method: str
    path: str
    claims: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    form: Mapping[str, str] | None = None
    in_parallel: bool = False

    def written(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, as JSON takes them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["headers"] = {name: text for name, text in self.headers.items() if text != JSON}
        return {name: value for name, value in values.items() if value not in (None, {}, False)}


class Player:
    """Sends requests to an app, in turn, as one client that keeps cookies."""

    def __init__(self, app: Flask, places: Placeholders) -> None:
        self.app = app
        self.places = places
        self._client = app.test_client()

    def send(self, sent: Sent) -> TestResponse:
        """Send a request, its placeholders filled with this run's values."""
        if sent.in_parallel:
            with self._in_progress(sent):
                return self._client.open(**self._options(sent))
        return self._client.open(**self._options(sent))

    @contextmanager
    def _in_progress(self, sent: Sent) -> Iterator[None]:
        """Let another client have sent the request and wait for the gateway."""
        options = self._options(sent)
        key = sent.headers.get("Idempotency-Key") or json.loads(sent.body or "")["idempotency_key"]
        look = {"path": f"/v1/idempotency-keys/{key}", "headers": options["headers"]}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(self.app.test_client().open, **options)
            wait_until(lambda: self.app.test_client().get(**look).status_code == 200, lambda: "the key is not claimed")
            yield
            first.result()

    def _options(self, sent: Sent) -> dict[str, Any]:
        headers = {name: self.places.fill(value) for name, value in sent.headers.items()}
        secret = None if sent.claims is None else token(**sent.claims)
        options: dict[str, Any] = {"method": sent.method, "path": self.places.fill(sent.path), "headers": headers}
        if sent.form is not None:
            filled = {name: self.places.fill(value) for name, value in sent.form.items()}
            return options | {"data": {name: secret if value == TOKEN else value for name, value in filled.items()}}
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret}"
        if sent.body is None:
            return options
        headers.setdefault("Content-Type", JSON)
        return options | {"data": self.places.fill(sent.body).encode()}

    def reduce(self, answer: TestResponse) -> dict[str, Any]:
        """Return what is compared of an answer: its status, the `COMPARED` headers and its body with placeholders."""
        headers = {name: self.places.hide_known(answer.headers[name]) for name in COMPARED if name in answer.headers}
        if headers.get("Content-Type") == JSON:
            del headers["Content-Type"]
        body = self._body(answer)
        answer.close()
        return {"status": answer.status_code, **headers, "body": body}

    def _body(self, answer: TestResponse) -> Any:
        path = answer.request.path
        if path.endswith("/openapi.json"):
            return outline(answer.get_json())
        if path.endswith("/metrics"):
            families = re.findall(r"^# TYPE (\w+ \w+)$", answer.text, re.MULTILINE)
            return figures(answer.text) | {"families": [each for each in families if each not in NEW_FAMILIES]}
        if not answer.is_json:
            self.places.hide("".join(_FORM.findall(answer.text)))  # a page's layout is free, its forms are sent back
            return None
        # The times of a key are those of its rows. Whether two rows are written at the same moment is not compared.
        return self.places.hide(answer.text, number_moments="/idempotency-keys/" not in path)


def figures(text: str) -> dict[str, float]:
    """Return the business metrics of a scrape by their names with labels."""
    lines = (found[0].rsplit(" ", 1) for found in BUSINESS_FIGURES.finditer(text))
    return {name: float(value) for name, value in lines}


def outline(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operations of an API description: parameters, schemas of the body, statuses of success."""
    return {
        f"{method.upper()} {path}": {
            "parameters": sorted(f"{each['in']} {each['name']}" for each in operation.get("parameters", ())),
            "body": _schemas_in(operation.get("requestBody", {})),
            "successes": sorted(status for status in operation["responses"] if status < "400"),
        }
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def _schemas_in(part: Any) -> list[str]:
    """Return the names of the schemas to which a part of a description refers."""
    return sorted(set(re.findall(r"'#/components/schemas/([^']+)'", str(part))))
