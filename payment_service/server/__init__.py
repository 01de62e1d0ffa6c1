"""Connections of gunicorn's workers: no thread ever waits for a client."""
