"""The commands of `flask`, for operators and schedulers."""

from flask import Flask

from payment_service.cli.background import recover, relay, worker
from payment_service.cli.catch_up import catch_up
from payment_service.cli.deliveries import deliveries
from payment_service.cli.erasure import forget_subject
from payment_service.cli.journal import journal
from payment_service.cli.keys import purge, verify
from payment_service.cli.manual_resolution import decide
from payment_service.cli.operators import ops
from payment_service.cli.reconcile import reconcile
from payment_service.cli.restore import after_restore


def register_commands(app: Flask) -> None:
    """Register the commands with `flask`."""
    running = (recover, relay, worker)
    checks = (reconcile, verify, after_restore)
    for command in (*running, *checks, deliveries, decide, catch_up, ops, purge, forget_subject, journal):
        app.cli.add_command(command)
