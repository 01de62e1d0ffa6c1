"""`python -m tests.model --operations 200000 --seed N`: walks by the hundred thousand, half of them on each database.

Prints one JSON line for each chapter of a run: database, seed, operations, walks, seconds, and how often each action
met each status. A chapter begins with an empty database and ends with the service's own audit. The first fault ends
everything, shown as the shortest walk that leads to it.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from random import SystemRandom

from tests.conftest import fresh_database, migrate
from tests.crash.stages import ADAPTERS, Adapter
from tests.model.walking import walk
from tests.support.postgres import start_postgres

CHAPTER = 10_000
"""Operations after which the database begins anew: listing and auditing must not grow without bound."""


def run(database: str, url: str, operations: int, seed: int, adapter: Adapter) -> None:
    """Walk chapter by chapter, and print each."""
    visited: Counter[tuple[str, str]] = Counter()
    done = 0
    while done < operations:
        began = time.monotonic()
        walked = walk(url, min(CHAPTER, operations - done), seed, adapter)
        done += walked.operations
        visited.update(walked.visited)
        line: dict[str, object] = {"gateway": adapter, "database": database, "seed": seed}
        line |= {"operations": walked.operations, "walks": walked.walks}
        say(line | {"seconds": round(time.monotonic() - began, 1), "faults": 0})
        seed += 1
    cells = {f"{status} {action}": count for (status, action), count in sorted(visited.items())}
    say({"database": database, "operations": done, "visited": cells})


def say(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the arguments and walk on each database."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Walk beside the model.")
    parser.add_argument("--operations", type=int, default=200_000, help="in total")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9))
    parser.add_argument("--database", action="append", choices=("postgresql", "sqlite"), help="both by default")
    parser.add_argument("--gateway", choices=ADAPTERS, default="remote", help="the adapter to the bank")
    given = parser.parse_args()
    databases = given.database or ["postgresql", "sqlite"]
    with ExitStack() as stack:
        for database in databases:
            if database == "sqlite":
                url = f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory(prefix='model-'))}/payments.db"
                migrate(url)
            else:
                server = start_postgres()
                stack.callback(server.close)
                url = fresh_database(server, "model")
            run(database, url, given.operations // len(databases), given.seed, given.gateway)


if __name__ == "__main__":
    main()
