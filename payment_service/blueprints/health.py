"""Is the process alive, and can it work? Liveness never asks the database, readiness always does."""

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app
from marshmallow import Schema, fields

from payment_service import clock, draining
from payment_service.domain.moments import naive_text
from payment_service.web import shown
from payment_service.web.documenting import documented
from payment_service.web.fields import Choice
from payment_service.web.parsing import query
from payment_service.web.responses import show

blueprint = Blueprint("health", __name__)

CHECKS = "readiness_checks"
"""Where the composition root leaves the checks: name → a function that is true when that part can work."""


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
    """Which parts can work; one that is switched off can."""

    database = shown.flag(example=True)
    migrations = shown.flag(example=True)
    rabbitmq = shown.flag(example=True)
    kafka = shown.flag(example=True)


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


BROKERS = ("rabbitmq", "kafka")
"""Without them requests can be served all the same: events wait for them."""


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

    With `without=brokers` a broker that is away is shown, but decides nothing: events wait for it, charges do not.
    """
    spared = BROKERS if query(ASKED) else ()
    checks: Mapping[str, Callable[[], bool]] = current_app.extensions[CHECKS]
    results = {name: check() for name, check in checks.items()}
    well = all(well for name, well in results.items() if name not in spared) and not draining.begun()
    services = {name: _address(current_app.config[f"{name.upper()}_SERVICE_URL"]) for name in SERVICES}
    status = "ready" if well else "not_ready"
    body = {"status": status, "draining": draining.begun(), "checks": results, "services": services}
    return show(body, 200 if well else 503)


def _address(url: str | None) -> str | None:
    """An address without the name and password it may contain: readiness is public."""
    return url and urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()


def _who() -> dict[str, str]:
    return {"service": current_app.config["SERVICE_NAME"], "version": current_app.config["SERVICE_VERSION"]}
