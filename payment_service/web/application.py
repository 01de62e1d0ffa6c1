"""Flask without what no request of ours needs, though every request would pay for it."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface


class _NoSessions(SessionInterface):
    """Who asks is told by a token in each request: nothing is remembered from one to the next, and no cookie signed."""

    def open_session(self, _app: Flask, _request: Request) -> NullSession:
        """One that refuses to keep anything."""
        return NullSession()

    def save_session(self, *_: Any) -> None:
        """There is nothing to save."""


class Application(Flask):
    """Flask without sessions, and without looking for coroutines, of which there are none."""

    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """A view, hook or error handler as it is called: as it was written."""
        return func
