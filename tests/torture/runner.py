"""One torture run: clients and chaos at the same time, recovery, and then the judgement of everything."""

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

from tests.crash.scenario import Environment
from tests.crash.stages import Adapter, Database
from tests.crash.tables import Tables
from tests.support.processes import ROOT
from tests.torture.arrivals import judge_arrivals
from tests.torture.at_stripe.stories import StripeStory
from tests.torture.at_stripe.system import StripeSystem
from tests.torture.chaos import Chaos
from tests.torture.clients import Clients, all_of
from tests.torture.stories import Story
from tests.torture.system import System, running_system

CLIENTS = 6


def _commit() -> str:
    """Return the commit that is judged; with a plus where the tree has changed since."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


@dataclass
class Report:
    """The result of a run."""

    seed: int
    database: Database
    stories: int
    gateway: Adapter = "remote"
    commit: str = field(default_factory=_commit)
    wishes: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    chaos: Mapping[str, int] = field(default_factory=dict)
    cuts: int = 0
    effects: int = 0
    deliveries: int = 0
    redeliveries: int = 0
    renamed: int = 0
    bank: Mapping[str, int] = field(default_factory=dict)
    asked_once: Mapping[str, int] = field(default_factory=dict)
    reversed: int = 0
    double: int = 0
    orphan: int = 0
    unfinished: int = 0
    violations: list[str] = field(default_factory=list)
    slowest_recovery: float = 0.0
    settled_after: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        """Return one line of JSON."""
        return json.dumps(
            {name: round(each, 2) if isinstance(each, float) else each for name, each in vars(self).items()}
        )


def torture(
    environment: Environment,
    home: Path,
    database: Database,
    seed: int,
    stories: int,
    seconds: float = float("inf"),
    done: Callable[[], None] = lambda: None,
    adapter: Adapter = "remote",
) -> Report:
    """Play so many stories while the chaos lasts, none begun after `seconds`; call `done()` after each.

    The same seed draws the same stories and the same actions in the same order. When they meet is the machine's affair.
    """
    report = Report(seed, database, stories, adapter)
    began, name = time.monotonic(), f"torture-{database}-{seed}"
    kind, story = (StripeSystem, StripeStory) if adapter == "stripe" else (System, Story)
    with running_system(kind, environment, database, home) as system:
        late = time.monotonic() + seconds
        clients = Clients(system, lambda: time.monotonic() > late)
        chaos = Chaos(system, database, Random(f"{seed}:{database}:chaos"))
        told = [story(name, number, Random(f"{seed}:{database}:{number}")) for number in range(stories)]
        with _in_chaos(chaos, report):
            all_of(clients, told, CLIENTS, done)
        try:
            report.settled_after = system.settle()
        except AssertionError as error:
            report.violations.append(f"L3: not settled: {error}")
        clients.ask_all_again(CLIENTS)
        _judge(report, system, clients)
    report.stories, report.wishes = len(clients.stories), len(clients.intents)
    report.answers, report.chaos = dict(sorted(clients.answers.items())), dict(sorted(chaos.done.items()))
    report.slowest_recovery, report.seconds = clients.slowest, time.monotonic() - began
    return report


def _judge(report: Report, system: System, clients: Clients) -> None:
    taken = {name: sink.taken for name, sink in system.sinks.items()}
    with closing(Tables(system.url)) as tables:
        oracle = system.oracle(tables, clients.intents)
        report.violations += [*clients.violations, *oracle.judge(), *judge_arrivals(tables, taken)]
        report.deliveries = len(tables.rows("outbox_deliveries", "delivery_id"))
        asked = [intent for intent in clients.intents if intent.asks_once]
        report.asked_once = Counter(str(intent.told) for intent in asked)
        report.reversed = len(tables.rows("payments", "payment_id", "failure_code = ?", "reversed"))
    report.violations += system.verify()
    report.bank = dict(sorted(system.told.items()))
    report.renamed = sum(story.renamed_at < len(story.intents) for story in clients.stories)
    report.redeliveries = sum(map(len, taken.values())) - report.deliveries
    report.cuts = system.proxy.cuts if system.proxy else 0
    report.effects = len(system.ledger.effects())
    vars(report).update(asdict(oracle.counts))


@contextmanager
def _in_chaos(chaos: Chaos, report: Report) -> Iterator[None]:
    """Keep the chaos up as long as the block lasts."""
    over = threading.Event()

    def act() -> None:
        try:
            chaos.until(over.is_set)
        except Exception as error:  # noqa: BLE001 - the run must come to its end and its judgement
            report.violations.append(f"harness: the chaos ended with {error!r}")

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
