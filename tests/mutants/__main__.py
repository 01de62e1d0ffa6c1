"""`python -m tests.mutants`: put each deliberate fault into the code, in memory, and see who notices."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence

import click

from tests.mutants.faults import BY_TESTS, BY_TRIALS, IN_DOUBT, MUTANTS
from tests.support.processes import ROOT

PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no", "--no-header")
PATIENCE = 600


def caught(name: str) -> str | None:
    """Return the tests or trials that catch the fault; None where none does."""
    if name in BY_TESTS:
        return _by_tests(name)
    test = (
        "test_sending_again_without_a_look_up_is_caught"
        if name == IN_DOUBT
        else f"test_deliberate_fault_is_caught[{name}]"
    )
    done = _pytest([f"tests/crash/test_mutants.py::{test}"])
    where = "C10" if name == IN_DOUBT else BY_TRIALS[name].point
    invariant = "S1" if name == IN_DOUBT else BY_TRIALS[name].invariant.strip()
    return f"crash trials at {where}: {invariant}" if done.returncode == 0 else None


def _by_tests(name: str) -> str | None:
    """Return a test that fails with the fault and passes without it; a run that breaks down has shown nothing."""
    done = _pytest(["-x", "-p", "tests.mutants.plugin", *BY_TESTS[name]], MUTANT=name)
    failed = re.search(r"^FAILED (.+?)(?: - .*)?$", done.stdout, re.MULTILINE)
    if done.returncode != 1 or failed is None:
        return None
    return failed.group(1) if _pytest([failed.group(1)]).returncode == 0 else None


def _pytest(words: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTEST, *words],
        cwd=ROOT,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@click.command
@click.option(
    "--only", multiple=True, type=click.Choice(sorted(MUTANTS)), metavar="NAME", help="Repeatable; all by default."
)
def main(only: tuple[str, ...]) -> None:
    """Prove that the tests can find bugs; a table of who found which, 1 where one lives on."""
    alive = []
    names = list(only or MUTANTS)
    with click.progressbar(names, label="mutants", file=sys.stderr) as bar:
        rows = [(name, caught(name)) for name in bar]
    for name, who in rows:
        click.echo(f"| {name} | {f'`{who}`' if who else '**nobody**'} |")
        alive += [] if who else [name]
    sys.exit(int(bool(alive)))


if __name__ == "__main__":
    main()
