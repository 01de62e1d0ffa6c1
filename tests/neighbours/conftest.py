"""Fixtures of the tests of callers and receivers: the deployed processes on a clean database, a receiver, a broker."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from flask import Flask

from tests.integration.conftest import broker, receiver
from tests.neighbours.processes import Processes

__all__ = ["broker", "receiver"]

Start = Callable[..., Processes]


DATABASES = ["postgresql", "sqlite"] if "NEIGHBOUR_SECONDS" in os.environ else ["postgresql"]
"""Both in a long run. A receiver hears the same from each database; `tests/findings/` has both."""


@pytest.fixture(scope="session", params=DATABASES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Return which database a test runs on."""
    return str(request.param)


@pytest.fixture
def start(app: Flask, database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start the processes with these settings, by their names in the environment. `app` has emptied the database."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(closing(Processes(database_url, tmp_path, settings)))
