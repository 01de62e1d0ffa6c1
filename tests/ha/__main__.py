"""`make ha`: every fail-over with every way to the primary, so often.

A line of JSON for each run goes to standard error as it ends, and the table of them all to standard output. Exit code 1
where something is wrong.
"""

import argparse
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import get_args

from tests.ha.cluster import Cluster
from tests.ha.faults import ROWS, Fault, Row
from tests.ha.network import Cables, Loopback, Network
from tests.ha.report import Report, table
from tests.ha.run import run
from tests.ha.ways import Way
from tests.support.memory import directory


def main(words: Sequence[str]) -> int:
    """Run the requested rows."""
    parser = argparse.ArgumentParser(description="Fail over, then count.")
    parser.add_argument("--fault", action="append", choices=get_args(Fault), help="repeatable; all by default")
    parser.add_argument("--way", action="append", choices=get_args(Way), help="repeatable; all by default")
    parser.add_argument("--reference", action="store_true", help="only deploy/'s own configuration")
    parser.add_argument("--runs", type=int, default=1, help="of each")
    parser.add_argument("--in-private-network", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if os.geteuid() == 0 and not given.in_private_network:
        again = (sys.executable, "-m", "tests.ha", "--in-private-network", *words)
        os.execvp("unshare", ("unshare", "--net", *again))  # noqa: S606 - it needs no shell
    network = Cables(3) if given.in_private_network else Loopback()
    rows = [
        row
        for row in ROWS
        if (not given.fault or row.fault in given.fault)
        and (not given.way or row.way in given.way)
        and not (given.reference and row.but)
    ]
    if not given.in_private_network:
        rows = [row for row in rows if row.fault != "partitioned"]
        print("Not root: no cable can be pulled.", file=sys.stderr)  # noqa: T201 - a row is missing
    reports = []
    with closing(network):
        for report in _reports(network, rows * given.runs):
            print(report, file=sys.stderr, flush=True)  # noqa: T201 - the progress
            reports.append(report)
    print(table(reports))  # noqa: T201 - the result
    return 1 if any(report.complaints for report in reports) else 0


def _reports(network: Network, rows: Sequence[Row]) -> Iterator[Report]:
    """Run the rows on one cluster, and on a new one after a run that has not come to its end."""
    left = list(rows)
    while left:
        with _cluster(network) as cluster:
            while left:
                row = left.pop(0)
                with tempfile.TemporaryDirectory(prefix="run-", dir=cluster.home, ignore_cleanup_errors=True) as home:
                    try:
                        yield run(row, cluster, Path(home))
                    except Exception:  # noqa: BLE001 - one row of many; it fails them all
                        traceback.print_exc()
                        yield Report(row, violations=["harness: the run has not come to its end"])
                        break


@contextmanager
def _cluster(network: Network) -> Iterator[Cluster]:
    with (
        tempfile.TemporaryDirectory(prefix="ha-", dir=directory(), ignore_cleanup_errors=True) as home,
        closing(Cluster(Path(home), network)) as cluster,
    ):
        cluster.start()
        yield cluster


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
