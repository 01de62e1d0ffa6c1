"""The commands of `flask`: what operators and schedulers run."""

from flask import Flask

from payment_service.cli.background import recover, relay, worker
from payment_service.cli.deliveries import deliveries
from payment_service.cli.keys import purge, verify
from payment_service.cli.manual_resolution import decide


def register_commands(app: Flask) -> None:
    """Make the commands known to `flask`."""
    for command in (recover, relay, worker, deliveries, decide, purge, verify):
        app.cli.add_command(command)
