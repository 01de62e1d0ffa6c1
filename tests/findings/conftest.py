"""Regression tests for the findings against release 1.0.0: one file for each finding, named after it."""

from tests.integration.conftest import broker, broker_port, database, ear, publisher, receiver

__all__ = ["broker", "broker_port", "database", "ear", "publisher", "receiver"]
