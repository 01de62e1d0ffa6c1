"""Schemathesis against the service and its own description: data that fits it, data that does not, and every answer.

On SQLite alone: these tests judge the surface (accepted requests, and the shape of answers), which is the same code
above either database. The other tests of this folder run on both.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckFunction, GenerationMode, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks
from werkzeug.wsgi import ClosingIterator

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from tests.conftest import migrate
from tests.support.bookers import Booker
from tests.support.description import Described, closed, description_of
from tests.support.plausible import Plausible, existing
from tests.support.tokens import SECRET

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SEED = 20251103
"""The same requests in every run; another number generates others."""

LENIENT = {
    "POST /api/payments": "a booking's id may be any scalar",
    "GET /api/payments": "a nonsensical page is the default one",
    "GET /v1/payments": "a parameter that only other callers know is ignored",
}
"""Operations that take more than they describe, as their documents require."""

running: dict[str, Any] = {}


def forward(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Forward a request to the service of the running test; the operations are known before there is one."""
    with closing(ClosingIterator(running["app"].wsgi_app(environ, start_response))) as answer:
        return [b"".join(answer)]


def described() -> Described:
    """Return the description, without room in answers for other fields."""
    app = create_app(Settings(database_url="sqlite:///never-opened.db", log_level="CRITICAL"))
    return closed(description_of(app))


api = schemathesis.openapi.from_dict(
    described(), config=SchemathesisConfig.from_dict({"seed": SEED, "generation": {"deterministic": True}})
)
api.app = forward


@pytest.fixture(scope="module", autouse=True)
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Return a service that has a payment of every kind."""
    url = f"sqlite:///{tmp_path_factory.mktemp('conformance')}/payments.db"
    migrate(url)
    settings = Settings(database_url=url, log_level="CRITICAL", jwt_secret_key=SECRET, checkout_success_rate=1)
    app = create_app(settings)
    booker = Booker(app, "ada")
    running.update(app=app, headers=booker.headers, plausible=Plausible(existing(app, booker)))
    yield app
    running.clear()
    with app.app_context():
        db.engine.dispose()


@api.parametrize()
@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
def test_answers_to_generated_requests_fit_the_description(case: "Case[Any]") -> None:
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        running["plausible"].make(case)
    answer = case.call(headers=running["headers"])
    case.validate_response(answer, headers=running["headers"], excluded_checks=left_out(case, answer))


def left_out(case: "Case[Any]", answer: Response) -> list[CheckFunction]:
    """Return the checks that require more than the service promises here."""
    found: list[CheckFunction] = []
    if case.operation.label in LENIENT:
        found.append(checks.negative_data_rejection)
    if answer.status_code in (400, 402, 422) and is_by_state(answer):
        found.append(checks.positive_data_acceptance)
    if case.path == "/v1/payments" and "status must be one of" in answer.text:  # a word of another channel's list
        found.append(checks.positive_data_acceptance)
    if case.path == "/v1/payments/charge":  # by other methods the path is a payment with an id that is no number
        found += [checks.allow_header_conformance, checks.unsupported_method]
    return found


def is_by_state(refusal: Response) -> bool:
    """Return whether the state is at fault, or parameters that do not go together."""
    return refusal.json()["code"] != "validation_error" or "cannot be mixed" in refusal.text
