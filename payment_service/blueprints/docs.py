"""The API's description: as OpenAPI, and as two pages to read it and try it out, which work without the internet."""

from pathlib import Path

from flask import Blueprint, Response, current_app, render_template, request, send_from_directory

from payment_service.web.openapi import Description
from payment_service.web.openapi.decorators import Media, describe, text_param
from payment_service.web.responses import JSON, show

blueprint = Blueprint("docs", __name__)

DESCRIPTION = "description"
"""The key of the description in the app's extensions."""

UNCHANGED = Media("", "As you have it already")
ASSETS = Path(__file__).resolve().parent.parent / "static"

# Scripts and data from here only, nothing inline, no frames, forms or plug-ins.
_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "script-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; "
)
SWAGGER_POLICY = f"{_POLICY}style-src 'self'"
# ReDoc makes empty style elements, which it fills by script, and one of its own: both by their hashes.
REDOC_STYLES = (
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc=",
)
REDOC_POLICY = f"{_POLICY}worker-src blob:; style-src 'self' {' '.join(map(repr, REDOC_STYLES))}"


@blueprint.get("/openapi.json")
@describe({200: Media(JSON, "The description, OpenAPI 3.0", {"type": "object"}), 304: UNCHANGED})
def description() -> Response:
    """Describe every route: this very document."""
    made: Description = current_app.extensions[DESCRIPTION]
    response = show(made.document)
    response.add_etag()
    response.make_conditional(request)
    return _cached(response)


@blueprint.get("/docs")
@describe({200: Media("text/html", "The page")})
def swagger() -> Response:
    """Show the description with Swagger UI, to try it out."""
    return _page("swagger", SWAGGER_POLICY)


@blueprint.get("/redoc")
@describe({200: Media("text/html", "The page")})
def redoc() -> Response:
    """Show the description with ReDoc, to read it."""
    return _page("redoc", REDOC_POLICY)


@blueprint.get("/docs/assets/<path:name>")
@describe(
    {
        200: (
            Media("text/javascript", "A script"),
            Media("text/css", "A style sheet"),
            Media("image/svg+xml", "A picture"),
            Media("text/plain", "The licence of what is bundled with a script"),
            Media("application/octet-stream", "A licence"),
        ),
        304: UNCHANGED,
    },
    path=[text_param("name", "docs/swagger.js")],
)
def asset(name: str) -> Response:
    """Give a script, a style sheet, a picture or a licence of the two pages."""
    return _cached(send_from_directory(ASSETS, name))


def _page(name: str, policy: str) -> Response:
    response = Response(render_template(f"docs/{name}.html"))
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    return _cached(response)


def _cached(response: Response) -> Response:
    """Let the browser keep a response, but check with the service on each use if it has changed."""
    response.headers["Cache-Control"] = "no-cache"
    return response
