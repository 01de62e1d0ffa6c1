"""`python -m payment_service.simulator --ledger FILE`: the simulator as a program of its own."""

import argparse
import os
import signal
import threading
from pathlib import Path

from payment_service.simulator.server import serve


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m payment_service.simulator", description="A bank that moves no money."
    )
    parser.add_argument("--ledger", type=Path, required=True, help="SQLite file, made if it is not there")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the address is the first line printed")
    parser.add_argument("--success-rate", type=float, default=1.0)
    parser.add_argument("--checkout-success-rate", type=float, default=0.95)
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--not-idempotent", action="store_true", help="every send is a new effect")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when whoever started this is gone")
    given = parser.parse_args()
    if given.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    serve(
        given.host,
        given.port,
        given.ledger,
        success_rate=given.success_rate,
        checkout_success_rate=given.checkout_success_rate,
        latency_ms=given.latency_ms,
        idempotent=not given.not_idempotent,
    )


def _end_with_stdin() -> None:
    # Bytes, unbuffered: a thread that waits inside sys.stdin's lock would break the interpreter's way out.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
