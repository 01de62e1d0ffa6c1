"""The simulator for development and tests: an HTTP gateway with its own ledger, and faults on demand.

It is a program beside the service and not a part of it. Its ledger is another file and, run as `python -m simulator`,
it is another process: it still knows the charges after the service has crashed. Of the service it uses only the
gateway port, the protocol and the outcomes.
"""

from simulator.app import create_simulator
from simulator.server import serve

__all__ = ["create_simulator", "serve"]
