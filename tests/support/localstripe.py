"""localstripe as a program of its own, with our front door before it."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.ports import free_port, listens
from tests.support.processes import Service
from tests.support.stripe_front_door import Behind, FrontDoor
from tests.support.waiting import wait_until


@contextmanager
def localstripe() -> Iterator[str]:
    """Yield the address of a front door with a localstripe of its own behind it."""
    with behind_a_front_door() as (door, _):
        yield door.url


@contextmanager
def behind_a_front_door() -> Iterator[tuple[FrontDoor, str]]:
    """Yield a front door, and the address of the localstripe behind it.

    It lives in memory, and begins with nothing. It also writes a file below /tmp, which no test reads.
    """
    port = free_port()
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        "localstripe.server:app",
        "--worker-class",
        "aiohttp.GunicornWebWorker",
    )
    # One worker, without the configuration of our own service, and never replaced: everything is in its memory.
    alone = ("--config", os.devnull, "--workers", "1", "--timeout", "0")
    service = Service(*command, *alone, "--bind", f"127.0.0.1:{port}", settings={})
    try:
        wait_until(lambda: listens(port), service.last_words)
        door = FrontDoor(Behind(f"http://127.0.0.1:{port}"))
        thread = threading.Thread(target=door.serve_forever)
        thread.start()
        try:
            yield door, f"http://127.0.0.1:{port}"
        finally:
            door.shutdown()
            thread.join()
            door.server_close()
    finally:
        service.close()
