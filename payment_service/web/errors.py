"""The one place that turns errors into responses, each in the shape of its path's channel."""

from collections.abc import Callable, Mapping, Sequence

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import BadHost, HTTPException, MethodNotAllowed, RequestEntityTooLarge

from payment_service.domain.errors import (
    BodyTooLarge,
    InternalError,
    NotFound,
    OutcomeUnknown,
    ServiceError,
    Unavailable,
)
from payment_service.web.access_log import log_refusal
from payment_service.web.error_schemas import ErrorSchema
from payment_service.web.responses import respond

log = structlog.get_logger(__name__)


ERROR_RENDERER = "error_renderer"
"""The key of the ErrorRenderer in the app's extensions."""
COMMON = ErrorSchema()


class HttpFault(ServiceError):
    """The request cannot be served."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        super().__init__(message)


class ErrorRenderer:
    """Knows the shape of errors of each channel (`schemas`) and of each path (`paths`: prefix and channel)."""

    def __init__(self, schemas: Mapping[str, ErrorSchema], paths: Sequence[tuple[str, str]]) -> None:
        self._schemas = schemas
        self._paths = sorted(paths, key=lambda pair: len(pair[0]), reverse=True)

    def channel_of(self, path: str) -> str:
        """Return the channel of a path, "" if it has none."""
        found = (channel for prefix, channel in self._paths if path == prefix or path.startswith(f"{prefix}/"))
        return next(found, "")

    def schema_of(self, channel: str) -> ErrorSchema:
        """Return the schema of a channel's errors; the one with both texts for ""."""
        return self._schemas.get(channel, COMMON)


def init_errors(
    app: Flask,
    schemas: Mapping[str, ErrorSchema],
    paths: Sequence[tuple[str, str]],
    pages: Mapping[str, Callable[[ServiceError], Response]],
) -> None:
    """Render every error; `schemas` are the channels' shapes, `paths` (path prefix, channel) pairs.

    Below the prefixes of `pages` people read, not programs: there an error is a page.
    """
    renderer = app.extensions[ERROR_RENDERER] = ErrorRenderer(schemas, paths)

    def render(error: ServiceError) -> Response:
        log_refusal(error)
        # A page has links to other pages; under an invalid host name no link can be built.
        readable = {} if isinstance(request.routing_exception, BadHost) else pages
        for prefix, page in readable.items():
            if f"{request.path}/".startswith(f"{prefix}/"):
                return page(error)
        channel = getattr(g, "channel", None) or renderer.channel_of(request.path)
        return respond(renderer.schema_of(channel).render(error))

    @app.errorhandler(ServiceError)
    def _service_error(error: ServiceError) -> Response:
        if isinstance(error, Unavailable | OutcomeUnknown):
            log.warning("request.unavailable", code=error.code, cause=_cause(error))
        return render(error)

    @app.errorhandler(HTTPException)
    def _http_exception(error: HTTPException) -> Response:
        response = render(_from_http(error))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.error("request.crashed", exc_info=error)
        return render(InternalError())


def _cause(error: ServiceError) -> str | None:
    """Return the driver's message without the statement and its values, which SQLAlchemy adds after the first line."""
    cause = error.__cause__
    said = getattr(cause, "orig", None) or cause
    return None if said is None else f"{type(said).__name__}: {said}".partition("\n")[0]


def _from_http(error: HTTPException) -> ServiceError:
    if error.code == 404:
        return NotFound()
    if isinstance(error, RequestEntityTooLarge):
        return BodyTooLarge()
    name = error.name or "Error"
    return HttpFault(error.code or 500, name.lower().replace(" ", "_"), name)
