"""`flask recover | relay | worker`: the processes beside the service that finish its work."""

import signal
import threading
from collections import Counter
from collections.abc import Callable
from types import FrameType

import click
import structlog
from flask import current_app
from flask.cli import with_appcontext

from payment_service.cli import loops
from payment_service.cli.output import JSON, Command, emit, progress
from payment_service.db import require_utf8
from payment_service.delivery.relay import run_all
from payment_service.delivery.sinks import build_sinks
from payment_service.metrics.exposition import serve
from payment_service.services import business_metrics, recovery
from payment_service.services.dependencies import Dependencies
from payment_service.services.readiness import require_writable
from payment_service.web.context import dependencies

log = structlog.get_logger(__name__)

LOOK_AFTER = 1.0
"""Seconds between two checks that every part still lives."""

SEAL_AFTER = 60.0
"""Seconds, at least, between two checks if the daily seal is due."""

AGGREGATE_AFTER = 5.0
"""Seconds, at least, between two aggregations: the metrics are exact at any moment, and each aggregation writes."""

EXPIRE_AFTER = 5.0
"""Seconds, at least, between two searches for payments that their callers did not charge in time."""


class Address(click.ParamType[tuple[str, int]]):
    """host:port."""

    name = "host:port"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return host and port."""
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is not host:port", param, ctx)
        return host, int(port)


def _tell_metrics(_context: click.Context, _option: click.Parameter, address: tuple[str, int] | None) -> None:
    if address is not None:
        try:
            serve(*address)
        except (OSError, UnicodeError) as error:
            raise click.BadParameter(f"nobody can listen there: {error}") from error


METRICS = click.option(
    "--metrics",
    type=Address(),
    expose_value=False,
    callback=_tell_metrics,
    help="Answer Prometheus at http://HOST:PORT/metrics with what this process counts. Needless where it shares "
    "PROMETHEUS_MULTIPROC_DIR with the service, whose /metrics then tells it.",
)


@click.command(cls=Command)
@METRICS
@click.option(
    "--loop", is_flag=True, help="Go on until stopped by SIGTERM, looking again every RECOVER_INTERVAL seconds."
)
@JSON
@with_appcontext
def recover(loop: bool, as_json: bool) -> None:
    r"""Finish what was left undecided.

    A crash, a time-out or a patient gateway leaves payments and refunds whose outcome is not known. The gateway is
    asked about each, and what it says is written down; nothing is decided by a timer. The gateway's own notices that
    wait are handled as well. With --loop, holds that should have ended are asked about, and the gateways' lists of
    disputes are read every six hours. Several may run at once.

    \b
    Prints how many are now finished, how many are still undecided (they are asked
    about again later) and how many somebody else has dealt with meanwhile.

    \b
    Exit code: 0 done
               1 some failed, and the log says why
               3 the database did not answer
    """
    if loop and as_json:
        raise click.UsageError("--json tells of one run, --loop never comes to an end")
    if loop:
        require_utf8(dependencies().database.engine)
        _run(_recovering(), _handling_notices(), _looking_again(), _expiring(), _aggregating(), _sealing())
        return
    outcomes = _recover_once()
    words = ("finished", "undecided", "elsewhere")
    document = {name: outcomes[name] for name in (*words, "failed")}
    emit(as_json, document, " ".join(f"{outcomes[name]} {name}" for name in words))
    if failed := outcomes["failed"]:
        raise click.ClickException(f"{failed} failed; the log says why")


def _recover_once() -> Counter[str]:
    """Handle each undecided operation once: repeating those that stay undecided would never end."""
    require_writable(dependencies())
    loops.handle_all_notices(dependencies(), lambda: False)
    outcomes: Counter[str] = Counter()
    undecided = business_metrics.current(dependencies()).keys.undecided
    with progress(undecided, "Asking the gateway") as advance:
        while outcomes.total() < undecided and (outcome := recovery.recover(dependencies(), limit=1)):
            outcomes.update(outcome)
            advance(1)
    return outcomes


@click.command(cls=Command)
@METRICS
@with_appcontext
def relay() -> None:
    """Send events to the sinks, until stopped.

    To every sink that is switched on: HTTP services, RabbitMQ, Kafka. Each payment's events leave in their order, at
    least once. Several may run at once. SIGTERM or Ctrl-C: what is in hand is finished first. Exit code 1 where a part
    of it ended by itself: start it again.
    """
    require_utf8(dependencies().database.engine)
    _run(_relaying())


@click.command(cls=Command)
@METRICS
@with_appcontext
def worker() -> None:
    """Run `recover --loop` and `relay` in one process.

    The service needs at least one of these, or the two apart, beside it. Several may run at once. SIGTERM or Ctrl-C:
    what is in hand is finished first. Exit code 1 where a part of it ended by itself: start it again.
    """
    require_utf8(dependencies().database.engine)
    _run(_recovering(), _handling_notices(), _looking_again(), _expiring(), _aggregating(), _sealing(), _relaying())


Until = Callable[[Dependencies, float, threading.Event], None]
Starter = Callable[[threading.Event], list[threading.Thread]]


def _run(*starters: Starter) -> None:
    """Start everything, then wait for SIGTERM or SIGINT and for work under way.

    When one part ends unexpectedly, all end, so that a supervisor sees it and restarts the worker.
    """
    stop = threading.Event()

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    threads = [thread for start in starters for thread in start(stop)]
    all_live = True
    while all_live and not stop.wait(LOOK_AFTER):
        all_live = all(thread.is_alive() for thread in threads)
    stop.set()
    for thread in threads:
        thread.join()
    if not all_live:
        raise click.ClickException("a part of the worker ended by itself")


def _in_a_thread(name: str, until: Until, at_least: float = 0.0) -> Starter:
    engine, interval = dependencies(), max(at_least, float(current_app.config["RECOVER_INTERVAL"]))

    def start(stop: threading.Event) -> list[threading.Thread]:
        thread = threading.Thread(target=until, args=(engine, interval, stop), name=name)
        thread.start()
        return [thread]

    return start


def _recovering() -> Starter:
    return _in_a_thread("recovery", loops.recover_until)


def _looking_again() -> Starter:
    return _in_a_thread("holds", loops.look_after_holds_until)


def _expiring() -> Starter:
    return _in_a_thread("expiry", loops.expire_until, EXPIRE_AFTER)


def _handling_notices() -> Starter:
    # Separate from recovery, which looks up woken operations: a silent gateway makes this part wait.
    return _in_a_thread("notices", loops.handle_notices_until)


def _aggregating() -> Starter:
    return _in_a_thread("folding", loops.aggregate_until, AGGREGATE_AFTER)


def _sealing() -> Starter:
    return _in_a_thread("seals", loops.seal_until, SEAL_AFTER)


def _relaying() -> Starter:
    engine = dependencies()
    try:
        sinks = build_sinks(current_app.config)
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is not installed: requirements-kafka.txt has it") from error
    return lambda stop: run_all(engine.database, sinks, stop)
