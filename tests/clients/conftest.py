"""The clients under test, each by the same calls."""

from collections.abc import Iterator

import pytest

from tests.clients.python_client import PythonClient
from tests.clients.typescript_client import typescript_client
from tests.clients.under_test import Client


@pytest.fixture(scope="session", params=["python", "typescript"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Yield each client."""
    if request.param == "python":
        yield PythonClient()
        return
    with typescript_client() as started:
        yield started
