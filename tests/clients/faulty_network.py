"""A network between client and service that loses requests or answers: a fault for each connection, by a plan."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.scripted_server import _request

RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER of no time: a close is a reset."""


class FaultyNetwork:
    """Carries a request for each connection to `port`. Connections outside the plan pass."""

    def __init__(self, port: int) -> None:
        self.plan: list[str] = []
        self.holding = threading.Event()
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop carrying requests."""
        self.holding.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed under accept(): that is the way to stop
            while True:
                client, _ = self._listener.accept()
                fault = self.plan.pop(0) if self.plan else "pass"
                self._threads.append(threading.Thread(target=self._carry, args=(client, fault)))
                self._threads[-1].start()

    def _carry(self, client: socket.socket, fault: str) -> None:
        with client, suppress(OSError):
            request = _request(client)
            if fault != "cut_request":
                self._ask(client, request, fault)
            if fault != "pass":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def _ask(self, client: socket.socket, request: bytes, fault: str) -> None:
        with socket.create_connection(("127.0.0.1", self._upstream)) as server:
            server.sendall(request)
            if fault == "cut_at_once":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()
            while answer := server.recv(65536):
                if fault == "pass":
                    client.sendall(answer)
            if fault == "hold_answer":
                self.holding.wait()


@contextmanager
def faulty_network(port: int) -> Iterator[FaultyNetwork]:
    """Run the network for the block."""
    network = FaultyNetwork(port)
    try:
        yield network
    finally:
        network.close()
