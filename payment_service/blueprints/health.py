"""Liveness and readiness. Liveness never queries the database, readiness always does."""

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app
from marshmallow import Schema, fields

from payment_service import clock, draining
from payment_service.services.readiness import Readiness
from payment_service.web import response_fields as field
from payment_service.web.fields import Choice
from payment_service.web.openapi.decorators import describe
from payment_service.web.parsing import query
from payment_service.web.responses import show

blueprint = Blueprint("health", __name__)

READINESS = "readiness"
"""The key of the Readiness in the app's extensions."""


SERVICES = ("trip", "driver", "rider", "notification", "order", "inventory")
"""The other services; readiness shows their configured addresses."""


class Health(Schema):
    """The process serves"""

    status = field.constant("healthy", enum=["healthy"])
    service = field.text("payment-service")
    version = field.text("1.0.0")
    timestamp = field.timestamp("2025-11-03T11:23:00.145775")


class Alive(Health):
    """The process lives"""

    status = field.constant("alive", enum=["alive"])


class Checks(Schema):
    """Which parts can work; one that is switched off can, and null is one that was not asked."""

    database = field.boolean(example=True)
    migrations = field.boolean(example=True)
    rabbitmq = field.boolean(example=True, nullable=True)
    kafka = field.boolean(example=True, nullable=True)


class Ready(Schema):
    """Requests should be sent here"""

    status = field.constant("ready", enum=["ready"])
    draining = field.boolean(example=False)
    checks = field.nested(Checks)
    gateways = fields.Dict(
        keys=fields.String(),
        values=fields.Boolean(),
        metadata={
            "description": "Whether each gateway accepts this service's credentials, as this process saw it last.",
            "example": {"stripe/live": True},
        },
    )
    services = fields.Dict(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        required=True,
        metadata={"description": "The neighbours' addresses as the service was told them.", "example": {"trip": None}},
    )


class NotReady(Ready):
    """Requests should be sent elsewhere"""

    status = field.constant("not_ready", enum=["not_ready"])


class Asked(Schema):
    """What the answer is to depend on"""

    without = Choice(["brokers"])


HEALTH, ALIVE, READY, NOT_READY, ASKED = Health(), Alive(), Ready(), NotReady(), Asked()


@blueprint.get("/health")
@describe({200: HEALTH})
def health() -> Response:
    """The process serves."""
    return show(HEALTH.dump(_process()))


@blueprint.get("/health/live")
@describe({200: ALIVE})
def live() -> Response:
    """The process lives; orchestrators restart it when this fails."""
    return show(ALIVE.dump(_process()))


@blueprint.get("/health/ready")
@describe({200: READY, 503: NOT_READY}, query=ASKED)
def ready() -> Response:
    """Whether requests should be sent here: 200 with every check true, else 503, also where it is about to stop.

    With `without=brokers` they decide nothing and are not asked (null): events wait for them, charges do not.
    """
    readiness: Readiness = current_app.extensions[READINESS]
    results = readiness.checks(with_brokers=not query(ASKED))
    well = False not in results.values() and not draining.begun()
    services = {name: _address(current_app.config[f"{name.upper()}_SERVICE_URL"]) for name in SERVICES}
    found = {"draining": draining.begun(), "checks": results, "services": services}
    if gateways := readiness.gateways():
        found["gateways"] = gateways
    return show(READY.dump(found)) if well else show(NOT_READY.dump(found), 503)


def _address(url: str | None) -> str | None:
    """Return an address without its possible secrets (name, password, query, fragment): readiness is public."""
    if url is None:
        return None
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _process() -> dict[str, Any]:
    config = current_app.config
    return {"service": config["SERVICE_NAME"], "version": config["SERVICE_VERSION"], "timestamp": clock.now()}
