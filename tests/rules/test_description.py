"""The service's OpenAPI description is complete and valid, and uses the channels' own words."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV30SpecValidator

from payment_service import create_app
from payment_service.channels import CHANNELS
from payment_service.channels.trips.schemas import NEW_PAYMENT
from payment_service.config import Settings
from payment_service.db import db
from payment_service.domain.errors import FieldError, Invalid, KeyMismatch, PaymentNotFound, ServiceError
from payment_service.web.channel import Channel
from payment_service.web.openapi import routes_of
from payment_service.web.openapi.decorators import describe
from tests.support.description import Described, closed, description_of, faults, operations

Make = Callable[..., Flask]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Build apps that never ask their database."""
    made: list[Flask] = []

    def build(**settings: Any) -> Flask:
        extra = {name: settings.pop(name) for name in ("channels",) if name in settings}
        url = f"sqlite:///{tmp_path}/none.db"
        made.append(create_app(Settings(database_url=url, log_level="ERROR", **settings), **extra))
        return made[-1]

    yield build
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def app(make: Make) -> Flask:
    return make()


@pytest.fixture
def described(app: Flask) -> Described:
    return description_of(app)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"api_prefix": ""},
    {"api_prefix": "/api/v3"},
    {"v1_default_channel": "orders"},
    {"auth_open_channels": frozenset()},
    {"channels": CHANNELS[:1]},
]
NAMES = ["defaults", "no prefix", "own prefix", "orders by default", "nothing open", "trips alone"]


@pytest.mark.parametrize("settings", SETTINGS, ids=NAMES)
def test_description_is_valid(make: Make, settings: dict[str, Any]) -> None:
    OpenAPIV30SpecValidator(description_of(make(**settings))).validate()


def is_for_people(path: str) -> bool:
    """Return whether a route is for people: the operations pages are not part of the API."""
    return f"{path}/".startswith("/ops/")


@pytest.mark.parametrize("settings", SETTINGS, ids=NAMES)
def test_description_has_every_route_and_no_other(make: Make, settings: dict[str, Any]) -> None:
    app = make(**settings)
    there = {(route.path, route.method) for route in routes_of(app) if not is_for_people(route.path)}
    of_flask = {rule.rule for rule in app.url_map.iter_rules() if not is_for_people(rule.rule)}

    assert {(path, method) for path, method, _ in operations(description_of(app))} == there
    assert len({path for path, _ in there}) == len(of_flask) > 0


def test_every_example_fits_its_schema(described: Described) -> None:
    shut = closed(described)
    wrong = []
    for path, method, operation in operations(described):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            for name, example in media.get("examples", {}).items():
                found = faults(shut, media["schema"], example["value"])
                wrong += [f"{method} {path} {name}: {fault}" for fault in found]
    for name, schema in shut["components"]["schemas"].items():
        for field, value in schema["properties"].items():
            found = faults(shut, value, value["example"]) if "example" in value else []
            wrong += [f"{name} {field}: {fault}" for fault in found]
    assert wrong == []


def test_every_operation_has_a_summary_a_tag_and_described_answers(described: Described) -> None:
    found = {(path, method): operation for path, method, operation in operations(described)}
    responses = {
        (*route, status): response
        for route, operation in found.items()
        for status, response in operation["responses"].items()
    }
    ids = {"X-Request-ID", "X-Correlation-ID"}
    assert {route for route, each in found.items() if not (each["summary"] and each["tags"])} == set()
    assert {route for route, each in found.items() if "default" not in each["responses"]} == set()
    assert {place for place, response in responses.items() if not response["description"]} == set()
    assert {place for place, response in responses.items() if not ids <= set(response["headers"])} == set()


def test_operations_have_unique_names(described: Described) -> None:
    names = [operation["operationId"] for _, _, operation in operations(described)]

    assert len(set(names)) == len(names)


def errors_of(described: Described, path: str, method: str = "post") -> set[str]:
    """Return the schemas of the errors of an operation."""
    schema = described["paths"][path][method]["responses"]["default"]["content"]["application/json"]["schema"]
    return {each["$ref"].rpartition("/")[2] for each in schema.get("anyOf", [schema])}


def test_operation_has_the_error_schema_of_each_of_its_channels(described: Described) -> None:
    assert errors_of(described, "/api/payments") == {"BookingError"}
    assert errors_of(described, "/v1/payments") == {"DetailError", "TripError", "OrderError"}
    assert errors_of(described, "/health", "get") == {"ErrorSchema"}


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
@pytest.mark.parametrize(
    "error",
    [Invalid([FieldError(("body", "amount"), "missing")]), PaymentNotFound(), KeyMismatch(fields=["a"], payment=None)],
    ids=lambda error: type(error).__name__,
)
def test_error_of_a_channel_fits_its_schema(described: Described, channel: Channel, error: ServiceError) -> None:
    schema = {"$ref": f"#/components/schemas/{type(channel.renderer.errors).__name__}"}
    assert faults(closed(described), schema, json.loads(channel.renderer.errors.render(error).body)) == []


def test_shared_path_accepts_a_body_of_each_of_its_channels(described: Described) -> None:
    body = described["paths"]["/v1/payments"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    names = [shape["$ref"].rpartition("/")[2] for shape in body["oneOf"]]
    trip = {"idempotency_key": "demo-client-1", "trip_id": 101, "method": "CARD", "amount": 150.0}
    assert names == ["NewBillPayment", "NewTripPayment", "NewOrderPayment"]
    assert faults(described, body, {"bill_id": 1, "amount": 525.0, "method": "UPI"}) == []
    assert faults(described, body, trip) == []
    assert faults(described, body, {"amount": 525.0, "method": "UPI"}) != []


def test_shared_list_has_the_parameters_of_every_channel(described: Described) -> None:
    parameters = {each["name"]: each for each in described["paths"]["/v1/payments"]["get"]["parameters"]}

    assert {"skip", "limit", "bill_id", "page", "page_size", "user_id", "cursor", "from"} <= set(parameters)
    assert parameters["skip"]["description"] == "For bills."
    assert parameters["limit"]["description"] == "For bills, trips."
    assert len(parameters["status"]["schema"]["anyOf"]) == 2
    assert not any(each["required"] for each in parameters.values())


def test_description_shows_the_documented_examples(described: Described) -> None:
    charge = described["paths"]["/payments"]["post"]
    sent = charge["requestBody"]["content"]["application/json"]["examples"]["NewTripPayment"]["value"]
    got = charge["responses"]["200"]["content"]["application/json"]["examples"]["TripPayment"]["value"]

    assert sent == {
        "idempotency_key": "demo-client-1",
        "trip_id": 101,
        "method": "CARD",
        "amount": 150.0,
        "metadata": {"note": "local test"},
    }
    assert got == {
        "payment_id": 353,
        "trip_id": 101,
        "amount": 150.0,
        "method": "CARD",
        "status": "SUCCESS",
        "reference": "PAY-20251103-dd961ae0",
        "created_at": "2025-11-03T11:23:00.145775",
        "refunded_amount": 0.0,
    }


def security(described: Described, path: str, method: str = "get") -> Any:
    return described["paths"][path][method].get("security")


@pytest.mark.parametrize(
    ("settings", "of_trips"),
    [({}, [{"token": []}, {}]), ({"auth_open_channels": frozenset()}, [{"token": []}])],
    ids=["development", "production"],
)
def test_description_names_tokens_as_the_settings_do(
    make: Make, settings: dict[str, Any], of_trips: list[dict[str, list[str]]]
) -> None:
    described = description_of(make(**settings))
    assert security(described, "/health") is None
    assert security(described, "/api/payments") == [{"token": []}]
    assert security(described, "/payments") == of_trips


def test_description_has_the_key_header_where_it_is_accepted(described: Described) -> None:
    def header(path: str) -> Any:
        found = described["paths"][path]["post"]["parameters"]
        return next((each["required"] for each in found if each["name"] == "Idempotency-Key"), None)

    assert header("/v1/payments/charge") is True
    assert header("/v1/payments") is False
    assert header("/api/payments") is False
    assert header("/payments/{payment_id}/refunds") is None
    responses = described["paths"]["/v1/payments/charge"]["post"]["responses"]
    assert {"201", "202", "default"} == set(responses)
    assert all("Idempotent-Replayed" in responses[status]["headers"] for status in ("201", "default"))
    assert all("Retry-After" in responses[status]["headers"] for status in ("202", "default"))


def test_description_without_a_channel_has_no_trace_of_it(make: Make) -> None:
    described = json.dumps(description_of(make(channels=[each for each in CHANNELS if each.name != "orders"])))

    assert "OrderPayment" not in described
    assert "/v1/payments/charge" not in described


def test_describe_returns_the_view_unchanged() -> None:
    def view() -> None: ...

    assert describe({}, body=NEW_PAYMENT)(view) is view


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/openapi.json"])
def test_description_is_served_and_made_once(client: FlaskClient, described: Described, path: str) -> None:
    first = client.get(path)

    assert first.status_code == 200
    assert first.mimetype == "application/json"
    assert first.get_json() == described
    assert description_of(client.application) is described
    assert client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
