"""What monitoring scrapes: what this service's processes counted, and the figures of the business from the database."""

import structlog
from flask import Blueprint, Response, current_app

from payment_service.domain.errors import DatabaseUnavailable
from payment_service.domain.figures import Figures
from payment_service.metrics.exposition import CONTENT_TYPE, exposition
from payment_service.services import figures
from payment_service.web.context import runtime
from payment_service.web.documenting import Media, documented

log = structlog.get_logger(__name__)

metrics_blueprint = Blueprint("metrics", __name__)


@metrics_blueprint.get("/metrics")
@documented({200: Media("text/plain", "The figures")})
def scrape() -> Response:
    """Tell all figures, in Prometheus's text format; who may ask is the proxy's to say."""
    text = exposition(_figures(), current_app.config["PROMETHEUS_MULTIPROC_DIR"])
    return Response(text, content_type=CONTENT_TYPE)


def _figures() -> Figures | None:
    """None while the database does not answer: what the processes counted is told all the same."""
    try:
        return figures.current(runtime())
    except DatabaseUnavailable:
        log.warning("metrics.without_figures")
        return None
