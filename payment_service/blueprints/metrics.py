"""The metrics for monitoring: counts of this service's processes, and business metrics from the database."""

from flask import Blueprint, Response, current_app

from payment_service.metrics.exposition import CONTENT_TYPE, exposition
from payment_service.services import business_metrics
from payment_service.web.context import dependencies
from payment_service.web.openapi.decorators import Media, describe

metrics_blueprint = Blueprint("metrics", __name__)


@metrics_blueprint.get("/metrics")
@describe({200: Media("text/plain", "The figures")})
def scrape() -> Response:
    """Tell all figures, in Prometheus's text format; who may ask is the proxy's to say."""
    deps = dependencies()
    names = {name: renderer.status_names for name, renderer in deps.renderers.items()}
    text = exposition(business_metrics.if_told(deps), names, current_app.config["PROMETHEUS_MULTIPROC_DIR"])
    return Response(text, content_type=CONTENT_TYPE)
