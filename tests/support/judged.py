"""A client that believes no answer: each must be one that the service's own description promises."""

import json
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from openapi_schema_validator import OAS30Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from payment_service.web.openapi import path_of
from tests.support.description import Described, closed, description_of

_DESCRIPTIONS: dict[object, Described] = {}
_VALIDATORS: dict[object, OAS30Validator] = {}


class JudgedClient(FlaskClient):
    """Flask's test client; an answer that is not described is an AssertionError."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """Ask, and judge the answer."""
        answer = super().open(*args, **kwargs)
        judge(self.application, answer)
        return answer


def judge(app: Flask, answer: TestResponse) -> None:
    """Raise AssertionError unless the description has this answer: its status, headers, media type and body."""
    where = f"{answer.request.method} {answer.request.path} gave {answer.status_code} {answer.text[:500]}"
    described = _described(app)
    operation = _operation(app, described, answer.request.method, answer.request.path)
    if operation is None:
        return
    responses = operation["responses"]
    promised = responses.get(str(answer.status_code), responses["default"] if answer.status_code >= 400 else None)
    assert promised is not None, f"undescribed status: {where}"
    more = {"Retry-After", "Idempotent-Replayed"} & set(answer.headers.keys()) - set(promised["headers"])
    assert not more, f"undescribed headers {more}: {where}"
    if not promised["content"]:
        return
    media = promised["content"].get(answer.mimetype)
    assert media is not None, f"undescribed media type {answer.mimetype}: {where}"
    if answer.is_json:
        faults = [error.message for error in _validator(described, media["schema"]).iter_errors(answer.get_json())]
        assert not faults, f"{faults}: {where}"


def _operation(app: Flask, described: Described, method: str, path: str) -> Described | None:
    """Return the described operation of a request, None where there is no such route."""
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method, return_rule=True)
    except HTTPException:
        return None
    found: Described | None = described["paths"].get(path_of(rule), {}).get(method.lower())
    return found


def _described(app: Flask) -> Described:
    """Return the description, made once for all apps that have the same."""
    routes = tuple(sorted(rule.rule for rule in app.url_map.iter_rules()))
    said = tuple(app.config[name] for name in ("SERVICE_VERSION", "V1_DEFAULT_CHANNEL", "AUTH_OPEN_CHANNELS"))
    same = (routes, said)
    if same not in _DESCRIPTIONS:
        _DESCRIPTIONS[same] = closed(description_of(app))
    return _DESCRIPTIONS[same]


def _validator(described: Described, schema: Described) -> OAS30Validator:
    """Return the judge of a schema, made once; descriptions live as long as the tests do."""
    same = (id(described), json.dumps(schema))
    if same not in _VALIDATORS:
        _VALIDATORS[same] = OAS30Validator({**schema, "components": described["components"]})
    return _VALIDATORS[same]
