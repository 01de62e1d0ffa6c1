"""Helpers for tests of every kind: servers that live as long as the test run, and nothing of the service itself."""
