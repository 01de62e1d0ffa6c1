"""The broker of the integration tests, as fixtures."""

from tests.integration.conftest import broker, broker_port

__all__ = ["broker", "broker_port"]
