"""A check for every change to the path of a charge, in less than a minute: `make bench-quick`.

The round trips are exact. The shares of bare Flask are bounds for a machine under other load, far below the results of
`make bench` on a quiet one: a result below them means that something is several times slower.
"""

import sys
from contextlib import ExitStack, closing
from statistics import median

from benchmarks import two_transactions
from benchmarks.http import CASES, measure, subjects
from benchmarks.report import Report, spread
from benchmarks.servers import MeasuredPostgres, create

MOST_ROUND_TRIPS = {"create": 4, "replay": 2, "refund": 7, "get": 2, "list": 1}
LEAST_SHARES = {"create": 0.06, "replay": 0.13}
ROUNDS, SECONDS = 3, 2


def main() -> int:
    """Measure and compare with the bounds; return 1 if one is broken."""
    report = Report()
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(MeasuredPostgres()))
        report.round_trips = two_transactions.round_trips(create(postgres, "counted"))
        found = subjects(stack, postgres, None)
        wanted = (case for case in CASES if case.name in LEAST_SHARES)
        for case, told in measure(found, wanted, ROUNDS, SECONDS):
            report.add(case.name, told)
    faults = [
        f"{name}: {number} round trips, at most {MOST_ROUND_TRIPS[name]} are meant"
        for name, number in report.round_trips.items()
        if number > MOST_ROUND_TRIPS[name]
    ]
    for name, least in LEAST_SHARES.items():
        shares = report.ratios(name, "here", "bare")
        print(f"{name}: {spread(shares)} of bare Flask, {report.round_trips[name]} round trips")
        if median(shares) < least:
            faults.append(f"{name}: {median(shares):.3f} of bare Flask, at least {least} is meant")
    print("\n".join(faults), file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
