"""A broker, as other tests have it."""

from tests.integration.conftest import broker, broker_port

__all__ = ["broker", "broker_port"]
