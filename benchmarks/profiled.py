"""The time of a request within the process, by area: `python -m benchmarks.profiled`.

One thread charges, then repeats, in process and under Python's own profiler, on a PostgreSQL that syncs. The profiler
slows Python calls more than C code: the shares show what to examine, not what can be gained.
"""

import cProfile
import json
import os
import pstats
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from benchmarks.servers import ROOT, MeasuredPostgres, create, production, token
from payment_service import create_app
from payment_service.config import Settings

WARM, COUNTED, TIMED = 200, 1000, 500
LIBRARIES = sysconfig.get_paths()["purelib"]
DATABASE = "the driver: sending, and waiting for PostgreSQL"
"""The area of the driver's own time, most of which is waiting."""
LEAST = 0.01
"""Areas with less than this share of the time are shown together."""


def area_of(path: str) -> str:
    """Return the area of a function: a module or package of the service, a library, or Python."""
    if path.startswith(f"{ROOT}/payment_service/"):
        return f"`{Path(path).relative_to(ROOT).parts[1].removesuffix('.py')}`"
    if path.startswith(LIBRARIES):
        return Path(path).relative_to(LIBRARIES).parts[0]
    return "Python's own library"


def by_area(profile: cProfile.Profile) -> tuple[Counter[str], Counter[str]]:
    """Return seconds and calls by area; C functions count for their callers."""
    seconds: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for (path, _, name), (_, count, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if "psycopg2.extensions.cursor" in name:
            seconds[DATABASE] += own
        elif path.startswith(("~", "<")):
            for (caller, _, _), (of_caller, _, own_of_caller, _) in callers.items():
                seconds[area_of(caller)] += own_of_caller
                calls[area_of(caller)] += of_caller
        else:
            seconds[area_of(path)] += own
            calls[area_of(path)] += count
    return seconds, calls


def table(profile: cProfile.Profile) -> str:
    """Return the areas of a profile as Markdown, the largest first, as shares of the process's own time."""
    seconds, calls = by_area(profile)
    waiting = seconds.pop(DATABASE)
    whole = sum(seconds.values())
    great = [(name, spent) for name, spent in seconds.most_common() if spent >= LEAST * whole]
    rows = [f"| {name} | {100 * spent / whole:.0f} % | {calls[name] / COUNTED:.0f} |" for name, spent in great]
    rest = 1 - sum(spent for _, spent in great) / whole
    told = f"\n{calls.total() / COUNTED:.0f} calls; beside them {1e6 * waiting / COUNTED:.0f} µs in {DATABASE}.\n"
    return "\n".join(
        ["| area | share | calls |", "|---|---|---|", *rows, f"| all others | {100 * rest:.0f} % | |", told]
    )


class Charges:
    """Charges as a server passes them to the application: without the cost of a client."""

    def __init__(self, app: Flask) -> None:
        self.app, headers = app.wsgi_app, {"Authorization": f"Bearer {token()}"}
        body = {"idempotency_key": "0" * 32, "trip_id": 7, "method": "CARD", "amount": 150.0}
        with closing(EnvironBuilder("/payments", method="POST", json=body, headers=headers)) as builder:
            self.environ = builder.get_environ()
        self.body = json.dumps(body).encode()

    def __call__(self, key: str) -> None:
        """Charge under a key of 32 characters."""
        body = self.body.replace(b"0" * 32, key.encode())
        told, status, _ = run_wsgi_app(self.app, {**self.environ, "wsgi.input": BytesIO(body)}, buffered=True)
        if status != "200 OK":
            raise RuntimeError(b"".join(told))


def costs(ask: Callable[[], None], postgres: MeasuredPostgres) -> str:
    """Return the CPU of one request without the profiler: the best of several batches, as other load only slows it."""
    told = []
    for _ in range(8):
        app, database = time.process_time(), postgres.cpu()
        for _ in range(TIMED):
            ask()
        told.append((time.process_time() - app, postgres.cpu() - database))
    app, database = (1e6 * min(each) / TIMED for each in zip(*told, strict=True))
    return f"{app:.0f} µs of CPU in the process, {database:.0f} in PostgreSQL"


def main() -> None:
    """Profile and print."""
    with closing(MeasuredPostgres()) as postgres, tempfile.TemporaryFile() as lines:
        os.dup2(lines.fileno(), 2)  # log lines are written as usual, but not shown
        app = create_app(Settings.from_env(production(create(postgres, "profiled"))))
        charge = Charges(app)
        asked = {"A charge": lambda: charge(uuid4().hex), "A repeat": lambda: charge("1" * 32)}
        for name, ask in asked.items():
            for _ in range(WARM):
                ask()
            profile = cProfile.Profile()
            profile.enable()
            for _ in range(COUNTED):
                ask()
            profile.disable()
            print(f"{name}: {costs(ask, postgres)}.\n\n{table(profile)}")


if __name__ == "__main__":
    main()
