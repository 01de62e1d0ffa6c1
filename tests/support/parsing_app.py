"""A small app behind the strict parser, to be called in process or served by gunicorn: `parsing_app:app`."""

import io
from typing import Any

from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from marshmallow import Schema
from werkzeug.test import TestResponse

from payment_service.domain.errors import ServiceError
from payment_service.web.fields import Amount, Choice, Currency, PositiveId, Text, Whole, load
from payment_service.web.key_header import only_value
from payment_service.web.metadata import Metadata
from payment_service.web.parsing import json_body, query


class Payment(Schema):
    """A field of every kind."""

    order_id = PositiveId(texts=True, required=True)
    amount = Amount("USD", required=True)
    currency = Currency(load_default="USD")
    method = Choice(["CARD", "CASH"], any_case=True)
    reference = Text(100)
    metadata = Metadata()


class Page(Schema):
    """A field of a list."""

    limit = Whole(1, 100, load_default=10)
    status = Choice(["PAID", "OPEN"])


app = Flask(__name__)


@app.errorhandler(ServiceError)
def refuse(error: ServiceError) -> tuple[Response, int]:
    """Show an error as it is."""
    faults = [[list(fault.loc), fault.msg, fault.type] for fault in getattr(error, "faults", ())]
    return jsonify(code=error.code, faults=faults), error.status


@app.post("/body")
def body() -> Response:
    """Return the body as it was understood."""
    return jsonify(repr(json_body()))


@app.post("/payments")
def payment() -> Response:
    """Return a payment as it was understood."""
    loaded = load(Payment(), json_body(), "body")
    key = request.headers.get("Idempotency-Key")
    return jsonify(
        key=key and only_value(key.encode("latin-1").decode()),
        **{name: _shown(value) for name, value in loaded.items()},
    )


@app.get("/payments")
def page() -> Response:
    """Return a query as it was understood."""
    return jsonify(query(Page()))


def _shown(value: Any) -> Any:
    return value if isinstance(value, dict) else str(value)


def chunked(client: FlaskClient, stream: io.IOBase, path: str = "/body") -> TestResponse:
    """Send a body of unknown length, as gunicorn hands it over."""
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.post(path, content_type="application/json", environ_overrides=environ)
