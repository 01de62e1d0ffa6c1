"""The results, ratios first: as text, as tables of docs/explanation/performance.md, and as a chart beside it."""

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.servers import ROOT

FOLDER = ROOT / "docs" / "explanation"
PAGE, CHART = FOLDER / "performance.md", FOLDER / "performance.svg"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench writes -->"
BARS = {"bare": "#9aa5b1", "base": "#c9a66b", "here": "#2f6f9f"}


def spread(values: list[float], digits: int = 3) -> str:
    """Return the median and the range of the values."""
    if not values:
        return "-"
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


@dataclass
class Report:
    """The results, case by case."""

    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    against_pgbench: list[float] = field(default_factory=list)
    round_trips: dict[str, int] = field(default_factory=dict)

    def add(self, case: str, turns: dict[str, Any]) -> None:
        """Add all servers' turns at a case."""
        self.told[case] = turns

    def ratios(self, case: str, one: str, other: str) -> list[float]:
        """Return one server's rate as a share of the other's, turn by turn."""
        turns = self.told[case]
        if one not in turns or other not in turns:
            return []
        return [a / b for a, b in zip(turns[one].rates, turns[other].rates, strict=True)]

    def line(self, case: str) -> str:
        """Return a case as one line, to print while the next one is measured."""
        return " · ".join([f"{case}: {spread(self.ratios(case, 'here', 'bare'))} of bare Flask", *self._to_base(case)])

    def _to_base(self, case: str) -> list[str]:
        ratios = self.ratios(case, "here", "base")
        return [f"{spread(ratios)} of the base"] if ratios else []

    def tables(self) -> str:
        """Return the tables, in Markdown."""
        based = any("base" in turns for turns in self.told.values())
        rows = [
            "| request | share of bare Flask |" + (" share of the base |" if based else ""),
            "|---|---|" + "---|" * based,
        ]
        for case in self.told:
            row = f"| {case} | {spread(self.ratios(case, 'here', 'bare'))} |"
            rows.append(row + (f" {spread(self.ratios(case, 'here', 'base'))} |" if based else ""))
        if self.against_pgbench:
            rows.append(
                f"| create: share of pgbench, which sends the same | {spread(self.against_pgbench)} |" + " |" * based
            )
        trips = [f"| {name} | {number} |" for name, number in self.round_trips.items()]
        return "\n".join(
            [*rows, "", "| request | database round trips |", "|---|---|", *trips, "", *self._absolute()],
        )

    def _absolute(self) -> list[str]:
        head = "| request, server | requests/s | median ms | 99 % within ms | CPU µs a request: app | PostgreSQL |"
        rows = [head, "|---|---|---|---|---|---|"]
        for case, turns in self.told.items():
            for name, each in turns.items():
                figures = (each.rates, each.medians, each.p99s, each.app, each.database)
                cells = [
                    f"{median(values):.{digits}f}" for values, digits in zip(figures, (0, 1, 1, 0, 0), strict=True)
                ]
                rows.append(f"| {case}, {name} | {' | '.join(cells)} |")
        return rows

    def text(self) -> str:
        """Return the place, the time and the tables."""
        return f"{_where()}\n\n{self.tables()}"

    def write(self) -> None:
        """Write the tables between the page's two marks, and the chart beside it."""
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{_where()}\n\n{self.tables()}\n\n{END}{after}")
        CHART.write_text(self.chart())

    def chart(self) -> str:
        """Return each case's share of bare Flask as bars, in SVG."""
        shares = {
            (case, name): median(self.ratios(case, name, "bare"))
            for case, turns in self.told.items()
            for name in turns
            if name != "bare"
        }
        longest = max(shares.values())
        parts = []
        for at, ((case, name), share) in enumerate(shares.items()):
            y, width = 40 + 26 * at, 380 * share / longest
            label = case if name == "here" else f"{case}, base"
            parts.append(
                f'<text x="190" y="{y + 14}" text-anchor="end">{label}</text>'
                f'<rect x="200" y="{y}" width="{width:.0f}" height="18" fill="{BARS[name]}"/>'
                f'<text x="{206 + width:.0f}" y="{y + 14}">{share:.3f}</text>'
            )
        height = 56 + 26 * len(shares)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 {height}"'
            ' font-family="sans-serif" font-size="13">'
            f'<rect width="660" height="{height}" fill="#ffffff"/>'
            '<text x="20" y="24" font-size="15">Requests a second, as a share of bare Flask in the same run</text>'
            f"{''.join(parts)}</svg>\n"
        )


def _where() -> str:
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()}, load average"
        f" {os.getloadavg()[0]:.1f} at the end. Medians, and from where to where the turns lay."
    )
