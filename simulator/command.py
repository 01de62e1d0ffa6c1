"""`flask simulator`: a payment gateway that moves no money."""

import sqlite3
from pathlib import Path

import click
from flask import current_app
from flask.cli import with_appcontext

from payment_service.gateways.simulated import SuccessRates
from simulator.server import serve

PORT = click.IntRange(0, 65535)


@click.command
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8090,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--ledger", default="var/gateway.db", show_default=True, type=click.Path(path_type=Path), help="File it keeps."
)
@click.option("--not-idempotent", is_flag=True, help="Ignore gateway keys: every send has an effect of its own.")
@with_appcontext
def simulator(host: str, port: int, ledger: Path, not_idempotent: bool) -> None:
    """Run a payment gateway that moves no money.

    A process of its own with a ledger of its own, for GATEWAY_URL to name. Magic amounts are declined or answered late,
    faults come on demand (POST /faults), and `GET /effects` lists what it did. Under /v1 it speaks Stripe's language.
    GATEWAY_TOKEN, GATEWAY_SUCCESS_RATE, CHECKOUT_SUCCESS_RATE and GATEWAY_LATENCY_MS hold here as well.
    Prints its address; runs until stopped.
    """
    settings = current_app.config
    try:
        ledger.parent.mkdir(parents=True, exist_ok=True)
        serve(
            host,
            port,
            ledger,
            rates=SuccessRates(settings["GATEWAY_SUCCESS_RATE"], {"checkout": settings["CHECKOUT_SUCCESS_RATE"]}),
            latency_ms=settings["GATEWAY_LATENCY_MS"],
            idempotent=not not_idempotent,
            token=settings["GATEWAY_TOKEN"],
        )
    except (OSError, UnicodeError, sqlite3.Error) as error:
        raise click.UsageError(f"{ledger} or {host}:{port} cannot be used: {error}") from error
