"""The one place where errors become responses, each in the shape of its path's channel."""

from collections.abc import Callable, Mapping, Sequence

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import BadHost, HTTPException, MethodNotAllowed, RequestEntityTooLarge

from payment_service.domain.errors import (
    BodyTooLarge,
    HttpFault,
    InternalError,
    NotFound,
    OutcomeUnknown,
    ServiceError,
    Unavailable,
)
from payment_service.domain.records import Answer
from payment_service.services.runtime import Presenter
from payment_service.web.responses import refused, respond

log = structlog.get_logger(__name__)


VOICES = "voices"
"""Where the app keeps who speaks on which path."""


class Voices:
    """Who words a refusal: the request's channel, or the one whose path it is on (`paths`: prefix and channel)."""

    def __init__(self, presenters: Mapping[str, Presenter], paths: Sequence[tuple[str, str]]) -> None:
        self._presenters = presenters
        self._paths = sorted(paths, key=lambda pair: len(pair[0]), reverse=True)

    def of_path(self, path: str) -> str:
        """The channel of a path, nobody's ("") where none has it."""
        found = (channel for prefix, channel in self._paths if path == prefix or path.startswith(f"{prefix}/"))
        return next(found, "")

    def refusal(self, channel: str, error: ServiceError) -> Answer:
        """An error as the channel words it."""
        return self._presenters[channel].refusal(error) if channel in self._presenters else _for_nobody(error)


def init_errors(
    app: Flask,
    presenters: Mapping[str, Presenter],
    paths: Sequence[tuple[str, str]],
    pages: Mapping[str, Callable[[ServiceError], Response]],
) -> None:
    """Render every error; `paths` are (path prefix, channel) pairs for requests that no route took.

    Below the prefixes of `pages` people are looking, not programs: there an error is a page.
    """
    voices = app.extensions[VOICES] = Voices(presenters, paths)

    def told(error: ServiceError) -> Response:
        # A page links to others, and an address that was asked for under an impossible name has no links.
        readable = {} if isinstance(request.routing_exception, BadHost) else pages
        for prefix, page in readable.items():
            if f"{request.path}/".startswith(f"{prefix}/"):
                return page(error)
        return respond(voices.refusal(getattr(g, "channel", None) or voices.of_path(request.path), error))

    @app.errorhandler(ServiceError)
    def _service_error(error: ServiceError) -> Response:
        if isinstance(error, Unavailable | OutcomeUnknown):
            log.warning("request.unavailable", code=error.code, cause=_cause(error))
        return told(error)

    @app.errorhandler(HTTPException)
    def _http_exception(error: HTTPException) -> Response:
        response = told(_from_http(error))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return response

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        log.error("request.crashed", exc_info=error)
        return told(InternalError())


def _cause(error: ServiceError) -> str | None:
    """What a driver said, without the statement and its values, which SQLAlchemy adds after the first line."""
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


def _for_nobody(error: ServiceError) -> Answer:
    """On a path of no channel: both shapes at once, so that every kind of caller finds its field."""
    return refused(error, {"error": error.message, "detail": error.message})
