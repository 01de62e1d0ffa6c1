"""The result of runs: a line of JSON for each, and all of them as a Markdown table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.ha.faults import Row

LAG = 2.0
"""Seconds for which readiness may lag behind the truth, either way."""

PROMPT = 6.0
"""Seconds within which every key has its answer once the database is back."""


@dataclass
class Report:
    """The result of one run; times in seconds.

    `waited` is how long a key waited while the database was there, `refused` for how long answers were 503, `in_vain`
    for how long the service was ready while no charge was taken, and `unready` the reverse. `hangs` counts requests
    without an answer within ten seconds: the service waits a little longer for a COMMIT that the server may have kept.
    """

    row: Row
    gap: float = 0.0
    waited: float = 0.0
    refused: float = 0.0
    in_vain: float = 0.0
    unready: float = 0.0
    slowest_readiness: float = 0.0
    hangs: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    paid: int = 0
    lost: int = 0
    doubles: int = 0
    differing: int = 0
    took: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        """How many answers were a 5xx other than 503."""
        return sum(count for status, count in self.answers.items() if "500" <= status != "503")

    @property
    def complaints(self) -> list[str]:
        """Return what is not as it should be."""
        bounds = {
            f"{self.failures} answers of 5xx": self.failures == 0,
            f"a key waited {self.waited:.1f} s": self.waited <= PROMPT,
            f"ready in vain for {self.in_vain:.1f} s": self.in_vain <= LAG,
            f"unready without reason for {self.unready:.1f} s": self.unready <= LAG,
            f"{self.differing} replays differ": self.differing == 0,
        }
        return [*self.violations, *(complaint for complaint, is_well in bounds.items() if not is_well)]

    def __str__(self) -> str:
        """Return one line of JSON."""
        rounded = {name: round(value, 1) if isinstance(value, float) else value for name, value in vars(self).items()}
        complaints = self.complaints
        rounded |= {"row": f"{self.row.fault} {self.row.way} {self.row.but}".strip(), "violations": complaints[:MOST]}
        return json.dumps(rounded | ({"more violations": len(complaints) - MOST} if len(complaints) > MOST else {}))


MOST = 5
"""Complaints shown of a run."""

TIMES = ("gap", "refused", "waited", "in_vain", "unready")
COUNTS = ("failures", "hangs", "lost", "doubles")

HEAD = (
    "event",
    "way in",
    "runs",
    "payments",
    "none for",
    "503 for",
    "other 5xx",
    "longest key",
    "ready, wrongly",
    "not ready, wrongly",
    "after 10 s",
    "lost",
    "doubled",
    "same repeats",
)


def table(reports: Sequence[Report]) -> str:
    """Return the rows in Markdown: of times the longest of the runs, of everything else the sum."""
    rows = dict.fromkeys(report.row for report in reports)
    lines = [HEAD, ("---",) * len(HEAD)]
    lines += [_line(row, [report for report in reports if report.row == row]) for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(row: Row, reports: Sequence[Report]) -> tuple[str, ...]:
    paid, differing = (sum(getattr(report, name) for report in reports) for name in ("paid", "differing"))
    times = [f"{max(getattr(report, name) for report in reports):.1f} s" for name in TIMES]
    gap, refused, waited, in_vain, unready = times
    failures, hangs, lost, doubles = (str(sum(getattr(report, name) for report in reports)) for name in COUNTS)
    return (
        *(row.name, row.way, str(len(reports)), f"{paid:,}", gap, refused, failures, waited),
        *(in_vain, unready, hangs, lost, doubles, f"{paid - differing:,} of {paid:,}"),
    )
