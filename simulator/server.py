"""Serves the simulator: one process, a thread for every connection."""

import logging
import signal
import sys
import threading
from pathlib import Path

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from payment_service.gateways.simulated import SuccessRates
from simulator.app import create_simulator


class _Server(ThreadedWSGIServer):
    # Requests under way are finished before the process ends.
    daemon_threads = False
    block_on_close = True


class _QuietHandler(WSGIRequestHandler):
    # Without a time-out a silent connection would keep its thread, and so the process, running.
    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the ledger records the movements."""


def serve(
    host: str,
    port: int,
    ledger_path: Path | str,
    *,
    rates: SuccessRates,
    latency_ms: int = 0,
    idempotent: bool = True,
    token: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish requests under way and return. Main thread only.

    `port` 0 takes a free one. The address is the first line on standard output, once connections are accepted:
    `http://127.0.0.1:40123`. The other arguments are those of `create_simulator`.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = create_simulator(ledger_path, rates=rates, latency_ms=latency_ms, idempotent=idempotent, token=token)
    server = _Server(host, port, app, _QuietHandler)

    # shutdown() waits for the loop that the signal interrupts, so another thread has to call it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"http://{host}:{server.port}\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.05)
    app.extensions["ledger"].close()
