"""`python -m tests.torture`: torture runs on a terminal, see docs/explanation/reliability.md; one JSON line on each."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import SystemRandom

import click

from tests.crash.scenario import open_environment
from tests.crash.stages import ADAPTERS, DATABASES, Adapter, Database
from tests.support.postgres import ThrowawayPostgres
from tests.torture.runner import Report, torture


@click.command
@click.option("--seed", type=int, help="Play the same stories and actions again; a random one by default.")
@click.option("--stories", type=click.IntRange(min=1), default=200, show_default=True, help="Payments' lives in a run.")
@click.option("--seconds", type=float, default=float("inf"), help="Begin no further story after so long.")
@click.option("--runs", type=click.IntRange(min=1), default=1, show_default=True, help="Each with the next seed.")
@click.option("--database", type=click.Choice(DATABASES), multiple=True, default=DATABASES, show_default=True)
@click.option(
    "--gateway", type=click.Choice(ADAPTERS), default="remote", show_default=True, help="The adapter to the bank."
)
def main(
    seed: int | None, stories: int, seconds: float, runs: int, database: tuple[str, ...], gateway: Adapter
) -> None:
    """Break everything around the service while clients of every channel pay, then count the money."""
    first = seed if seed is not None else SystemRandom().randrange(10**9)
    reports = [
        _run(kind, number, stories, seconds, gateway)
        for number in range(first, first + runs)
        for kind in DATABASES
        if kind in database
    ]
    sys.exit(int(any(report.violations for report in reports)))


def _run(database: Database, seed: int, stories: int, seconds: float, adapter: Adapter) -> Report:
    """Play one run on a server, or a file, of its own."""
    with ExitStack() as stack:
        server = ThrowawayPostgres() if database == "postgresql" else None
        if server:
            stack.callback(server.close)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        environment = stack.enter_context(open_environment(home, server))
        label = f"{adapter}, {database}, seed {seed}"
        bar = stack.enter_context(click.progressbar(length=stories, label=label, file=sys.stderr))
        report = torture(environment, home, database, seed, stories, seconds, lambda: bar.update(1), adapter)
    click.echo(str(report))
    return report


if __name__ == "__main__":
    main()
