"""Is the process alive, and can it work? Liveness never asks the database, readiness always does."""

from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app
from marshmallow import Schema, fields

from payment_service import clock, draining
from payment_service.domain.moments import naive_text
from payment_service.services.readiness import Readiness
from payment_service.web import shown
from payment_service.web.documenting import documented
from payment_service.web.fields import Choice
from payment_service.web.parsing import query
from payment_service.web.responses import show

blueprint = Blueprint("health", __name__)

READINESS = "readiness"
"""Where the composition root leaves the Readiness."""


SERVICES = ("trip", "driver", "rider", "notification", "order", "inventory")
"""The neighbours whose addresses readiness shows, as it was told them."""


class Health(Schema):
    """The process serves"""

    status = shown.word("healthy", ["healthy"])
    service = shown.text("payment-service")
    version = shown.text("1.0.0")
    timestamp = shown.moment("2025-11-03T11:23:00.145775")


class Alive(Health):
    """The process lives"""

    status = shown.word("alive", ["alive"])


class Checks(Schema):
    """Which parts can work; one that is switched off can, and null is one that was not asked."""

    database = shown.flag(example=True)
    migrations = shown.flag(example=True)
    rabbitmq = shown.flag(example=True, nullable=True)
    kafka = shown.flag(example=True, nullable=True)


class Ready(Schema):
    """Requests should be sent here"""

    status = shown.word("ready", ["ready"])
    draining = shown.flag(example=False)
    checks = shown.one(Checks)
    services = fields.Dict(
        keys=fields.String(),
        values=fields.String(allow_none=True),
        required=True,
        metadata={"description": "The neighbours' addresses as the service was told them.", "example": {"trip": None}},
    )


class NotReady(Ready):
    """Requests should be sent elsewhere"""

    status = shown.word("not_ready", ["not_ready"])


class Asked(Schema):
    """What the answer is to depend on"""

    without = Choice(["brokers"])


ASKED = Asked()


@blueprint.get("/health")
@documented({200: Health()})
def health() -> Response:
    """The process serves."""
    return show({"status": "healthy", **_who(), "timestamp": naive_text(clock.now())})


@blueprint.get("/health/live")
@documented({200: Alive()})
def live() -> Response:
    """The process lives; orchestrators restart it when this fails."""
    return show({"status": "alive", **_who(), "timestamp": naive_text(clock.now())})


@blueprint.get("/health/ready")
@documented({200: Ready(), 503: NotReady()}, query=ASKED)
def ready() -> Response:
    """Whether requests should be sent here: 200 with every check true, else 503, also where it is about to stop.

    With `without=brokers` they decide nothing and are not asked (null): events wait for them, charges do not.
    """
    readiness: Readiness = current_app.extensions[READINESS]
    results = readiness.checks(with_brokers=not query(ASKED))
    well = False not in results.values() and not draining.begun()
    services = {name: _address(current_app.config[f"{name.upper()}_SERVICE_URL"]) for name in SERVICES}
    status = "ready" if well else "not_ready"
    body = {"status": status, "draining": draining.begun(), "checks": results, "services": services}
    return show(body, 200 if well else 503)


def _address(url: str | None) -> str | None:
    """An address without what may be secret in it (name, password, query, fragment): readiness is public."""
    if url is None:
        return None
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _who() -> dict[str, str]:
    return {"service": current_app.config["SERVICE_NAME"], "version": current_app.config["SERVICE_VERSION"]}
