"""How gunicorn's workers hold connections: no thread ever waits for a client."""
