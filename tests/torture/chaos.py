"""Failures during a run: actions drawn from the seed; the report counts each by its name."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal

from tests.crash.processes import Process
from tests.crash.stages import Database
from tests.support.receiver import Answer, Taken
from tests.torture.system import BACKGROUND, System

CHARGING = (
    "claim.begin", "claim.before_commit", "claim.after_commit", "gateway.sent", "gateway.answered",
    "finish.before_commit", "finish.after_commit", "answer.begin",
)  # fmt: skip
RECOVERING = ("recover.before_commit", "recover.after_commit", "gateway.answered", "finish.before_commit")
RELAYING = ("relay.claimed", "relay.sent")
A_FEW_PAGES = 3 * 4096


class Chaos:
    """Does one action after another to a system, as the random numbers say; then everything runs as before."""

    def __init__(self, system: System, database: Database, random: Random) -> None:
        self._system = system
        self._random = random
        self._asleep: list[tuple[Process, float]] = []
        ways = _WAYS | (_OF_POSTGRESQL if database == "postgresql" else _OF_SQLITE)
        self._ways: dict[str, Callable[[], None]] = {name: partial(way, self) for name, way in ways.items()}
        self._ways |= system.chaos(random)
        self._overslept = system.limits["lease_seconds"] + 1.0  # seconds that a stopped owner sleeps: beyond its lease
        self.done: Counter[str] = Counter()

    def until(self, over: Callable[[], bool]) -> None:
        """Act until it is over; every stopped process has been resumed then."""
        for name, pause in self._drawn():
            if over():
                break
            self._ways[name]()
            self.done[name] += 1
            self._wake(self._overslept)
            time.sleep(pause)
        while self._asleep:
            self._wake(0 if over() and len(self._asleep) > 3 else self._overslept)
            time.sleep(0.1)

    def _drawn(self) -> Iterator[tuple[str, float]]:
        """Yield each action once in a random order, then again: even a short run meets all of them."""
        names = list(self._ways)
        while True:
            for name in self._random.sample(names, len(names)):
                yield name, self._random.uniform(0.05, 0.4)

    def _wake(self, after: float) -> None:
        """Resume each process that has slept that long at a failpoint; kill each that has had its chance."""
        for process, since in list(self._asleep):
            if process.has_ended or time.monotonic() > since + 3 * self._overslept:
                process.kill()
                self._asleep.remove((process, since))
            elif process.is_stopped and time.monotonic() > since + after:
                process.resume()

    def _doom(self, action: str) -> None:
        point = self._random.choice(CHARGING)
        if action == "stop" and self._system.proxy is None and point.endswith("before_commit"):
            action = "kill"  # on SQLite a writer stopped inside a transaction stops everybody
        process = self._system.fork("serve", failpoints=f"{point}={action}")
        self._system.add_process(process)
        if action == "stop":
            self._asleep.append((process, time.monotonic()))

    def kill_at_a_point(self) -> None:
        """Kill a process at a failpoint of the money path."""
        self._doom("kill")

    def stop_at_a_point(self) -> None:
        """Stop a process at a failpoint; it continues when its lease is over."""
        self._doom("stop")

    def kill_recovery(self) -> None:
        """Kill a recovery worker at a failpoint, if it gets that far."""
        self._system.fork("recover", failpoints=f"{self._random.choice(RECOVERING)}=kill").wait(60)

    def kill_relay(self) -> None:
        """Kill a relay at a failpoint, if it gets that far."""
        self._system.fork("relay", failpoints=f"{self._random.choice(RELAYING)}=kill").wait(60)

    def kill_worker(self) -> None:
        """Kill one process of the web server."""
        for pid in self._workers(1):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop_worker(self) -> None:
        """Stop two processes of the web server for a while."""
        self._stand_still(self._workers(2))

    def kill_web(self) -> None:
        """Kill the web server with all its processes, and start it again."""
        self._system.restart("web")

    def kill_background(self) -> None:
        """Kill the recovery worker or the relay, and start it again."""
        self._system.restart(self._random.choice(BACKGROUND))

    def stop_background(self) -> None:
        """Stop the recovery worker or the relay for a while."""
        self._stand_still([self._system.services[self._random.choice(BACKGROUND)].process.pid])

    def kill_bank(self) -> None:
        """Kill the bank, and keep it away for a moment."""
        self._system.bank.kill()
        time.sleep(self._random.uniform(0, 0.5))
        self._system.bank.start()

    def skew_clock(self) -> None:
        """Set a process's clock to another hour, or another day."""
        self._system.add_process(self._system.fork("serve", skew=self._random.choice(self._system.skews)))

    def sicken_sink(self) -> None:
        """Make a receiver refuse, take without saying so, or hang up, now and then; or make it well again."""
        sink = self._system.sinks[self._random.choice(list(self._system.sinks))]
        chance, rate = Random(self._random.random()), self._random.choice((0.0, 0.3, 0.6))
        ills = (Answer(status=503), Answer(status=500, takes=True), Answer(hangs_up=True, takes=True))

        def behave(_: Taken) -> Answer:
            return chance.choice(ills) if chance.random() < rate else Answer()

        sink.behaviour = behave

    def stop_database(self) -> None:
        """Stop PostgreSQL as a crash would, and start it again."""
        assert self._system.postgres is not None
        self._system.postgres.stop("immediate")
        time.sleep(self._random.uniform(0, 0.5))
        self._system.postgres.start()

    def cut_before(self) -> None:
        """Cut a connection at a COMMIT that the server does not hear."""
        self._cut("before")

    def cut_after(self) -> None:
        """Cut a connection at a COMMIT that the server has heard."""
        self._cut("after")

    def fill_disk(self) -> None:
        """Limit the growth of a process's files on SQLite to a few pages: its writes fail from then on."""
        files = [*Path(self._system.url.removeprefix("sqlite:///")).parent.iterdir()]
        limit = max(path.stat().st_size for path in files) + A_FEW_PAGES
        self._system.add_process(self._system.fork("serve", file_limit=limit))

    def fill_disk_of_server(self) -> None:
        """Let no file of PostgreSQL's grow for a while; start the server again if that ended it."""
        postgres = self._system.postgres
        assert postgres is not None
        postgres.forbid_growth()
        time.sleep(self._random.uniform(0.3, 1.0))
        postgres.stop("immediate")
        postgres.start()

    def _cut(self, side: Literal["before", "after"]) -> None:
        assert self._system.proxy is not None
        for _ in range(3):
            self._system.proxy.cut(self._random.randint(1, 5), side)
            time.sleep(0.1)

    def _workers(self, number: int) -> list[int]:
        """Return so many processes of the web server, or as many as there are."""
        found = _children(self._system.services["web"].process.pid)
        return self._random.sample(found, min(number, len(found)))

    def _stand_still(self, pids: list[int]) -> None:
        for number, pause in ((signal.SIGSTOP, self._random.uniform(0.2, 2)), (signal.SIGCONT, 0)):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(pause)


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _named(*ways: Callable[[Chaos], None]) -> dict[str, Callable[[Chaos], None]]:
    return {way.__name__: way for way in ways}


_WAYS = _named(
    Chaos.kill_at_a_point, Chaos.stop_at_a_point, Chaos.kill_recovery, Chaos.kill_relay, Chaos.kill_worker,
    Chaos.stop_worker, Chaos.kill_web, Chaos.kill_background, Chaos.stop_background, Chaos.kill_bank,
    Chaos.skew_clock, Chaos.sicken_sink,
)  # fmt: skip
_OF_POSTGRESQL = _named(Chaos.stop_database, Chaos.cut_before, Chaos.cut_after, Chaos.fill_disk_of_server)
_OF_SQLITE = _named(Chaos.fill_disk)
