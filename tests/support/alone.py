"""gunicorn as it is deployed, without a proxy in front."""

import socket
import time
from contextlib import closing, suppress
from pathlib import Path

import requests

from payment_service.config import Settings
from tests.support.ports import free_port
from tests.support.processes import Service, flask
from tests.support.slow_clients import connect
from tests.support.waiting import wait_until

PATIENCE = 15
"""Seconds within which a request must be answered. It takes milliseconds; a busy machine is given more."""

WORKERS = Settings.from_env({}).web_workers


class Alone:
    """A gunicorn with the deployed configuration, on a port of its own and SQLite below `home`."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.address = ("127.0.0.1", free_port())
        self.url = f"http://127.0.0.1:{self.address[1]}"
        own = {"SERVICE_PORT": str(self.address[1]), "DATABASE_URL": f"sqlite:///{home}/payments.db"}
        own |= {"TMPDIR": str(home), "DOTENV_READ": "1"}
        flask("db", "upgrade", settings=own)
        self.service = Service.gunicorn(own | settings)
        wait_until(self.is_ready, self.service.last_words)
        # The first worker may be ready before the second one is there.
        wait_until(lambda: len(self.workers().split()) == WORKERS, self.service.last_words)

    def is_ready(self) -> bool:
        assert self.service.process.poll() is None, self.service.last_words()
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.url}/health/ready", timeout=PATIENCE).status_code == 200
        return False

    def workers(self) -> str:
        """Return the processes of its workers."""
        return Path(f"/proc/{self.service.process.pid}/task/{self.service.process.pid}/children").read_text()

    def serves(self, key: str) -> None:
        """Health, and a charge, within the time."""
        assert requests.get(f"{self.url}/health", timeout=PATIENCE).status_code == 200
        body = {"idempotency_key": key, "trip_id": 7, "method": "CARD", "amount": 150.0}
        answer = requests.post(f"{self.url}/payments", json=body, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["status"]) == (200, "SUCCESS")

    def send(self, *pieces: bytes) -> bytes:
        """Return all bytes received until the connection closes; send each piece alone."""
        with closing(connect(self.address)) as client:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(0.01)
            return rest(client)

    def close(self) -> None:
        """End it."""
        self.service.close()


def rest(client: socket.socket) -> bytes:
    """Return everything until the server closes the connection."""
    received = b""
    while part := client.recv(1 << 20):
        received += part
    return received
