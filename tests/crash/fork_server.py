"""`python -m tests.crash.fork_server`: imports the service once, and forks whole services in milliseconds.

One order per line on standard input, one reply per line on standard output, both JSON::

    {"do": "migrate" | "serve" | "recover" | "relay" | "reconcile" | "catch_up", "settings": {...}, "log": path,
     "mutant": name or null, "gateway": null or keywords of RemoteGateway, with `registers` if it registers first,
     "skew": seconds that its clock is wrong by, "file_limit": bytes that a file of its may have, "since": moment}
                                                     ->  {"pid": 4711, "port": 40123 or null}
    {"do": "reap", "pid": 4711}                      ->  {"status": wait status}

The application is made once for each set of settings, before the fork; a child only arms its own failpoints. A mutant
is put into the child's code alone, which then makes its application itself.

Every child leads a process group of its own, so that it can be killed as an operator's `kill -9 -<group>` would. When
the standard input ends, because the parent process is gone, the fork server kills every child.
"""

import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from payment_service import clock, create_app, failpoints
from payment_service.cli import loops
from payment_service.config import Settings
from payment_service.db import db
from payment_service.delivery.relay import Relay
from payment_service.delivery.sinks import build_sinks
from payment_service.gateways.remote import RemoteGateway
from payment_service.logs import flush_logs
from payment_service.services import holds, reconciliation, recovery
from payment_service.services.dependencies import Dependencies
from tests.mutants.faults import MUTANTS
from tests.support.registering_remote import RegisteringRemoteGateway

HASTE = ("idle_in_transaction_session_timeout=5000", "idle_in_transaction_session_timeout=800")
"""The time that the server grants a stopped owner inside a transaction; the trials cannot wait five seconds for each.

Shorter than the wait of any process for its locks. Migrations think for longer on a busy machine.
"""

Order = Mapping[str, Any]


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Leave logging to the service."""


def _serve(app: Flask, _order: Order, listener: socket.socket | None) -> None:
    assert listener is not None
    ThreadedWSGIServer("127.0.0.1", 0, app, _QuietHandler, fd=listener.detach()).serve_forever(poll_interval=60)


def _recover(app: Flask, _order: Order, _listener: socket.socket | None) -> None:
    """Run the work that is due now, once: notices, undecided keys, holds that should have ended."""
    deps = _runtime(app)
    loops.handle_all_notices(deps, lambda: False)
    recovery.recover(deps)
    holds.look_after(deps)


def _reconcile(app: Flask, order: Order, _listener: socket.socket | None) -> None:
    """Make every entry a page of its own, so that a few of them have something between them."""
    vars(reconciliation)["PAGE"] = 1
    since = datetime.fromisoformat(order["since"])
    result = reconciliation.reconcile(_runtime(app), None, since, datetime.now(UTC), lambda _line: None)
    assert result.cut_short is None, result.cut_short


def _relay(app: Flask, _order: Order, _listener: socket.socket | None) -> None:
    for sink in build_sinks(app.config).values():
        relay = Relay(_runtime(app).database, sink)
        while relay.run_once():
            pass


def _catch_up(app: Flask, _order: Order, _listener: socket.socket | None) -> None:
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    done = app.test_cli_runner().invoke(args=["catch-up", "--gateway", "stripe", "--since", since])
    if done.exit_code:
        raise RuntimeError(done.output)


def _migrate(app: Flask, _order: Order, _listener: socket.socket | None) -> None:
    with app.app_context():
        upgrade()
        db.engine.dispose()  # closed, an SQLite file is whole and can be copied


def _runtime(app: Flask) -> Dependencies:
    found = app.extensions["payment_service"]
    assert isinstance(found, Dependencies)
    return found


ROLES: Mapping[str, Callable[[Flask, Order, socket.socket | None], None]] = {
    "serve": _serve,
    "recover": _recover,
    "reconcile": _reconcile,
    "relay": _relay,
    "catch_up": _catch_up,
    "migrate": _migrate,
}


@lru_cache(maxsize=16)
def _app_of(settings: str, gateway: str) -> Flask:
    """Return the application for settings and keywords of an adapter, both as JSON; it has opened no connection yet."""
    made: dict[str, Any] = json.loads(settings)
    aliases = tuple((new, old) for new, old in made.pop("key_scope_aliases", ()))
    made = {name: frozenset(value) if isinstance(value, list) else value for name, value in made.items()}
    built = Settings(**made, key_scope_aliases=aliases)
    keywords = json.loads(gateway)
    if not keywords:
        return create_app(built)
    adapter = RegisteringRemoteGateway if keywords.pop("registers", False) else RemoteGateway
    return create_app(built, gateway=adapter(str(built.gateway_url), **keywords))


def _app(order: Order) -> Flask:
    if order["do"] != "migrate":
        database = importlib.import_module("payment_service.db")  # the package has an attribute of that name, too
        vars(database)["POSTGRESQL_OPTIONS"] = database.POSTGRESQL_OPTIONS.replace(*HASTE)
    settings = {name: value for name, value in order["settings"].items() if name != "failpoints"}
    return _app_of(json.dumps(settings, sort_keys=True), json.dumps(order.get("gateway"), sort_keys=True))


def _fork(order: Order, children: set[int]) -> dict[str, int | None]:
    if not order.get("mutant"):
        _app(order)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64) if order["do"] == "serve" else None
    port = listener.getsockname()[1] if listener else None
    pid = os.fork()
    if pid == 0:
        _live(order, listener)
    with suppress(ProcessLookupError, PermissionError):  # the child does the same: the first one counts
        os.setpgid(pid, pid)
    if listener:
        listener.close()
    children.add(pid)
    return {"pid": pid, "port": port}


def _live(order: Order, listener: socket.socket | None) -> None:
    """Be the service until killed; never return to the fork server's own code."""
    status = 1
    try:
        os.setpgid(0, 0)
        _redirect(str(order["log"]))
        if mutant := order.get("mutant"):
            MUTANTS[mutant].apply()
        app = _app(order)
        _trouble(order)
        failpoints.arm(order["settings"].get("failpoints", ""))
        ROLES[order["do"]](app, order, listener)
        status = 0
    except BaseException:  # noqa: BLE001 - any error belongs into the log and not into the fork server
        traceback.print_exc()
    finally:
        flush_logs()  # os._exit runs no handlers
        os._exit(status)


def _trouble(order: Order) -> None:
    """Apply a wrong clock or a full disk to this process alone."""
    if skew := order.get("skew"):
        vars(clock)["now"] = lambda: datetime.now(UTC) + timedelta(seconds=skew)
    if limit := order.get("file_limit"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing more is an error then, and not the end
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def _redirect(path: str) -> None:
    log = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)


def _reap(order: Order, children: set[int]) -> dict[str, int]:
    _, status = os.waitpid(order["pid"], 0)
    children.discard(order["pid"])
    return {"status": status}


def main() -> None:
    """Obey until the orders end."""
    children: set[int] = set()
    gc.freeze()  # the children's collectors leave alone what they share with us, which is then never copied
    try:
        for line in sys.stdin:
            order = json.loads(line)
            reply = _reap(order, children) if order["do"] == "reap" else _fork(order, children)
            sys.stdout.write(json.dumps(reply) + "\n")
            sys.stdout.flush()
    finally:
        for pid in children:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
