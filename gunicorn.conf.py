"""How gunicorn serves the application: threads for waiting gateways, limits for hostile clients, and no surprises.

A proxy belongs in front (deploy/nginx), for TLS and for limits by address. Slow clients alone stop nothing here.
"""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
_own_metrics_directory = None
if not os.environ.get(METRICS_DIRECTORY):
    # The client library decides at its import whether the workers add up their figures: before anything of ours.
    os.environ[METRICS_DIRECTORY] = _own_metrics_directory = tempfile.mkdtemp(prefix="payment-service-metrics-")

from gunicorn.glogging import Logger  # noqa: E402 - see above
from sqlalchemy import create_engine  # noqa: E402

from payment_service import draining  # noqa: E402
from payment_service.config import ConfigurationError, Settings  # noqa: E402
from payment_service.db import engine_options, prepare_engine, require_utf8  # noqa: E402
from payment_service.domain.errors import DatabaseNotUtf8  # noqa: E402
from payment_service.logs import configure_logging  # noqa: E402
from payment_service.metrics import files  # noqa: E402
from payment_service.server.worker import Worker  # noqa: E402

try:
    settings = Settings.from_env(os.environ)
except ConfigurationError as error:
    sys.exit(str(error))

bind = list(settings.bind)
workers = settings.web_workers
threads = settings.web_threads
# Not reuse_port: it balances the workers a little better, but every worker that retires would take the connections in
# its own queue along (measured behind nginx: some seven 502 answers each time), and two services could share a port.
reuse_port = False

# gateway budget < timeout < the proxy's patience < lease, which Settings has checked.
timeout = settings.gunicorn_timeout
graceful_timeout = settings.gunicorn_timeout
keepalive = 5  # seconds; the proxy closes its idle connections earlier, so that it never writes into a closing one
max_requests = 10_000  # a worker that leaks is replaced before it matters,
max_requests_jitter = 1_000  # and not all of them at once

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190
# Connections of one worker: with its other files it stays below 1,024, the usual limit of an ordinary user.
worker_connections = 800
# A file would be sent to the socket itself; the worker sends from memory, which waits for slow clients.
sendfile = False

# The workers' heartbeat is a file: on a busy disk its touch could block a healthy worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# A second door to the process, in the home directory, which a read-only container does not have.
control_socket_disable = True
# The application writes one line for every request itself.
accesslog = None
# Never more: its debugging lines hold whatever a client has sent.
loglevel = settings.log_level.lower() if settings.log_level != "DEBUG" else "info"


class JsonLogger(Logger):
    """What gunicorn has to say goes the way of all our lines: JSON, masked, to standard error."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own handlers away, so that the root logger's are used."""
        super().setup(cfg)
        configure_logging(settings.log_level)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Of a malformed request only whose it was: what it held may be a secret in the wrong place."""
        if msg.startswith("Invalid request from ip="):
            msg, args = msg.partition(": ")[0], ()
        super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """The same of a request on which the server itself came to grief."""
        if msg.startswith("Error handling request"):
            msg, args = "Error handling request", ()
        super().exception(msg, *args, **kwargs)


logger_class = JsonLogger


Worker.read_seconds = settings.request_read_seconds
worker_class = Worker


def on_starting(_server: Any) -> None:
    """Begin with empty figures: those of processes long gone would be added up with ours."""
    files.begin(os.environ[METRICS_DIRECTORY])
    engine = create_engine(settings.database_url, **engine_options(settings.database_url, pool_size=1))
    prepare_engine(engine)
    try:
        require_utf8(engine)
    except DatabaseNotUtf8 as error:
        sys.exit(error.message)
    engine.dispose()


def when_ready(server: Any) -> None:
    """Told to stop: first not ready for a while, so that nobody is sent here any more, then stop as ever.

    Told a second time, it stops at once.
    """
    stop = server.handle_term

    def drain() -> None:
        if draining.begun() or not settings.drain_seconds:
            stop()
        draining.begin()
        server.log.info("Not ready any more, stopping in %g s", settings.drain_seconds)
        signal.signal(signal.SIGALRM, lambda *_: server.signal(signal.SIGTERM, None))
        signal.setitimer(signal.ITIMER_REAL, settings.drain_seconds)

    server.handle_term = drain


def child_exit(server: Any, worker: Any) -> None:
    """Keep what a worker has counted, however it ended."""
    try:
        files.absorb(os.environ[METRICS_DIRECTORY])
    except Exception:  # figures are not worth a service: what is raised here would end it
        server.log.exception("The figures of worker %s cannot be read", worker.pid)


def on_exit(_server: Any) -> None:
    """Remove the directory of figures if it was made here."""
    if _own_metrics_directory:
        shutil.rmtree(_own_metrics_directory, ignore_errors=True)
