"""`python -m simulator --ledger FILE`: the simulator as a separate program."""

import argparse
import os
import signal
import threading
from pathlib import Path

from payment_service.gateways.simulated import SuccessRates
from simulator.server import serve


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description="A bank that moves no money.")
    parser.add_argument("--ledger", type=Path, required=True, help="SQLite file, made if it is not there")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the address is the first line printed")
    parser.add_argument("--success-rate", type=float, default=1.0)
    parser.add_argument("--checkout-success-rate", type=float, default=0.95)
    parser.add_argument("--latency-ms", type=int, default=0)
    parser.add_argument("--not-idempotent", action="store_true", help="every send is a new effect")
    parser.add_argument("--token", help="bearer token that operations and effects need")
    parser.add_argument("--until-stdin-ends", action="store_true", help="end when the process that started this ends")
    args = parser.parse_args()
    if args.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    serve(
        args.host,
        args.port,
        args.ledger,
        rates=SuccessRates(args.success_rate, {"checkout": args.checkout_success_rate}),
        latency_ms=args.latency_ms,
        idempotent=not args.not_idempotent,
        token=args.token,
    )


def _end_with_stdin() -> None:
    # Bytes, unbuffered: a thread that waits inside sys.stdin's lock would break the interpreter's exit.
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
