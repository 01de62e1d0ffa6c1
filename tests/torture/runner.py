"""One torture run: clients and harms at the same time, healing, and the judgement of everything that there is then."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from tests.crash.oracle import Oracle
from tests.crash.points import Database
from tests.crash.scene import Stagehand
from tests.crash.tables import Tables
from tests.support.processes import ROOT
from tests.torture.arrivals import judge_arrivals
from tests.torture.clients import Clients, all_of
from tests.torture.harms import Harms
from tests.torture.house import House, house
from tests.torture.stories import Story

CLIENTS = 6


def _commit() -> str:
    """The commit that is judged; with a plus where the tree has changed since."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


@dataclass
class Report:
    """What came of a run."""

    seed: int
    database: Database
    stories: int
    commit: str = field(default_factory=_commit)
    wishes: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    harms: Mapping[str, int] = field(default_factory=dict)
    cuts: int = 0
    effects: int = 0
    deliveries: int = 0
    redeliveries: int = 0
    double: int = 0
    orphan: int = 0
    unfinished: int = 0
    violations: list[str] = field(default_factory=list)
    slowest_recovery: float = 0.0
    settled_after: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {name: round(each, 2) if isinstance(each, float) else each for name, each in vars(self).items()}
        )


def torture(
    hand: Stagehand,
    home: Path,
    database: Database,
    seed: int,
    stories: int,
    seconds: float = float("inf"),
    done: Callable[[], None] = lambda: None,
) -> Report:
    """Let so many stories be lived while harm is done, none begun after `seconds`; `done()` is called after each.

    The same seed draws the same stories and the same harms in the same order. When they meet is the machine's affair.
    """
    report = Report(seed, database, stories)
    began, name = time.monotonic(), f"torture-{database}-{seed}"
    with house(hand, database, home) as scene:
        late = time.monotonic() + seconds
        clients = Clients(scene, lambda: time.monotonic() > late)
        harms = Harms(scene, database, Random(f"{seed}:{database}:harms"))
        told = [Story(name, number, Random(f"{seed}:{database}:{number}")) for number in range(stories)]
        with _harmed(harms, report):
            all_of(clients, told, CLIENTS, done)
        try:
            report.settled_after = scene.settle()
        except AssertionError as error:
            report.violations.append(f"L3: not settled: {error}")
        clients.ask_all_again(CLIENTS)
        _judge(report, scene, clients)
    report.stories, report.wishes = len(clients.stories), len(clients.intents)
    report.answers, report.harms = dict(sorted(clients.answers.items())), dict(sorted(harms.done.items()))
    report.slowest_recovery, report.seconds = clients.slowest, time.monotonic() - began
    return report


def _judge(report: Report, scene: House, clients: Clients) -> None:
    taken = {name: sink.taken for name, sink in scene.sinks.items()}
    with closing(Tables(scene.url)) as tables:
        oracle = Oracle(tables, scene.ledger, clients.intents)
        report.violations += [*clients.violations, *oracle.judge(), *judge_arrivals(tables, taken)]
        report.deliveries = len(tables.rows("outbox_deliveries", "delivery_id"))
    report.redeliveries = sum(map(len, taken.values())) - report.deliveries
    report.cuts = scene.proxy.cuts if scene.proxy else 0
    report.effects = len(scene.ledger.effects())
    vars(report).update(asdict(oracle.counts))


@contextmanager
def _harmed(harms: Harms, report: Report) -> Iterator[None]:
    """Harm is done as long as the block lasts."""
    over = threading.Event()

    def harm() -> None:
        try:
            harms.until(over.is_set)
        except Exception as error:  # noqa: BLE001 - the run must come to its end and its judgement
            report.violations.append(f"harness: harm ended with {error!r}")

    foe = threading.Thread(target=harm)
    foe.start()
    try:
        yield
    finally:
        over.set()
        foe.join()
