"""Relays that die by SIGKILL again and again, two at a time: `python -m tests.support.doomed_relay`.

Each life is a fork of this process, which has imported everything: a life begins in milliseconds. The last pair is let
live until nothing is pending. Arguments: the database, the base URL of the HTTP sink, how many lives to end, a seed.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable

from sqlalchemy import text

from payment_service import create_app, failpoints
from payment_service.config import Settings
from payment_service.db import Database
from payment_service.delivery.backoff import Backoff
from payment_service.delivery.http import HttpSink
from payment_service.delivery.relay import Relay
from payment_service.delivery.signatures import Signer
from tests.support.events import statuses

PATIENCE = 0.15
"""Seconds the sink waits for an answer."""

POINTS = ("relay.claimed", "relay.sent")
SIDE_BY_SIDE = 2

IMPATIENT = Backoff(first=0.02, longest=0.1)
"""Nearly every second try fails: the unluckiest payment decides how long all of it takes."""


def open_database(url: str) -> Database:
    """Return the database as the service opens it; each process has connections of its own."""
    app = create_app(Settings(database_url=url, log_level="CRITICAL"))
    database: Database = app.extensions["payment_service"].database
    return database


def let_leases_end(database: Database) -> None:
    """Let all leases of dead processes end at once, and not only in a minute."""
    with database.atomic("test") as connection:
        connection.execute(text("UPDATE outbox_deliveries SET leased_until = NULL WHERE status = 'PENDING'"))


def live(database: Database, url: str, turns: int, point: str) -> None:
    """Relay for `turns` turns and then until `point` kills, or until nothing is pending."""
    relay = Relay(database, HttpSink("notification", url, Signer(), timeout=PATIENCE, backoff=IMPATIENT))
    for turn in range(sys.maxsize):
        if turn == turns:
            failpoints.arm(f"{point}=kill")
        if not relay.run_once():
            if not statuses(database, "notification").get("PENDING"):
                break
            time.sleep(0.01)
    relay.sink.close()


def forked(work: Callable[[], None]) -> int:
    """Fork a process that does only this work; return its id."""
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    return child


def is_killed(child: int) -> bool:
    """Wait for its end: whether it was killed. An end of any other kind but a good one is an AssertionError."""
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def main(database_url: str, url: str, lives: str, seed: str) -> None:
    """Live and die; writes how many lives ended at which point."""
    chance = random.Random(int(seed))
    died = dict.fromkeys(POINTS, 0)
    never = sys.maxsize
    for ended in range(0, int(lives) + SIDE_BY_SIDE, SIDE_BY_SIDE):
        assert not is_killed(forked(lambda: let_leases_end(open_database(database_url))))
        fates = [
            (chance.randrange(1, 12) if ended < int(lives) else never, chance.choice(POINTS))
            for _ in range(SIDE_BY_SIDE)
        ]
        children = [forked(lambda fate=fate: live(open_database(database_url), url, *fate)) for fate in fates]  # type: ignore[misc]
        for child, (_, point) in zip(children, fates, strict=True):
            died[point] += is_killed(child)
    sys.stdout.write(" ".join(map(str, died.values())))


if __name__ == "__main__":
    main(*sys.argv[1:])
