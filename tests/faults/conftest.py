"""Tests in which a part of the service or of its surroundings fails, or stands still."""

from tests.integration.conftest import broker, broker_port, database, ear, proxy, publisher, receiver, watchful

__all__ = ["broker", "broker_port", "database", "ear", "proxy", "publisher", "receiver", "watchful"]
