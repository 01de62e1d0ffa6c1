"""A bank for development and tests: an HTTP gateway with a ledger of its own, which can be told to misbehave.

It is a program beside the service, never a part of it: its ledger is another file, another connection and, run as
`python -m payment_service.simulator`, another process, so that it still knows what was charged when the service dies.
"""

from payment_service.simulator.app import create_simulator
from payment_service.simulator.server import serve

__all__ = ["create_simulator", "serve"]
