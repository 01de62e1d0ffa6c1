"""CPU per charge of this tree and another one, in alternating blocks: `python -m benchmarks.blocks --other TREE`.

Both charge in process on one PostgreSQL, each in its own database, with alternating blocks. CPU counters do not include
other programs, and the ratio of two neighbouring blocks hardly depends on how busy the machine is. It prints the
geometric means of the ratios with their 95 % intervals: of the process, of PostgreSQL, and of both.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from math import exp, log, sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import TextIO, cast

from benchmarks.servers import ROOT, MeasuredPostgres, create, environment, production, token

T_95 = 2.09
"""Student's t for twenty blocks; it is smaller for more blocks."""

WORKER = Path(__file__).with_name("block_worker.py")


class Tree:
    """A tree that charges block by block; CPU in microseconds a charge."""

    def __init__(self, process: subprocess.Popen[str], postgres: MeasuredPostgres, charges: int) -> None:
        self._process, self._postgres, self._charges = process, postgres, charges

    def block(self) -> tuple[float, float]:
        """Make a block of charges; return the CPU of the process and that of PostgreSQL."""
        before = self._postgres.cpu()
        asks, tells = cast("TextIO", self._process.stdin), cast("TextIO", self._process.stdout)
        asks.write("\n")
        asks.flush()
        used = float(tells.readline())
        return 1e6 * used / self._charges, 1e6 * (self._postgres.cpu() - before) / self._charges


@contextmanager
def charging(postgres: MeasuredPostgres, tree: Path, name: str, charges: int, **settings: str) -> Iterator[Tree]:
    """Start a process that runs the code of `tree` on its own database."""
    url = create(postgres, name, tree)
    variables = environment(**production(url, **settings)) | {"PYTHONPATH": str(tree)}
    # -P: the folder of the worker has an http.py, which must not replace Python's own.
    process = subprocess.Popen(
        [sys.executable, "-P", str(WORKER), token(), str(charges)],
        env=variables,
        cwd=tree,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield Tree(process, postgres, charges)
    finally:
        process.kill()
        process.wait()


def interval(ratios: Sequence[float]) -> str:
    """Return the geometric mean of ratios with its 95 % interval; for two equal trees it is 1."""
    logs = [log(ratio) for ratio in ratios]
    half = T_95 * stdev(logs) / sqrt(len(logs))
    return f"{exp(mean(logs)):.3f} ({exp(mean(logs) - half):.3f} to {exp(mean(logs) + half):.3f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--other", type=Path, required=True, help="the tree to compare with")
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--charges", type=int, default=200, help="of one block")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of this tree")
    given = parser.parse_args()
    settings = dict(each.split("=", 1) for each in given.set)
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(MeasuredPostgres()))
        number = count()
        ours = stack.enter_context(charging(postgres, ROOT, f"blocks{next(number)}", given.charges, **settings))
        other = stack.enter_context(charging(postgres, given.other.resolve(), f"blocks{next(number)}", given.charges))
        for tree in (ours, other):
            tree.block()
        pairs = []
        for turn in range(given.blocks):
            first, second = (ours, other) if turn % 2 else (other, ours)
            told = {first: first.block(), second: second.block()}
            pairs.append((told[ours], told[other]))
            print(
                f"{turn + 1}: {sum(told[ours]):.0f} µs, the other {sum(told[other]):.0f}", file=sys.stderr, flush=True
            )
    print(f"{given.blocks} blocks of {given.charges} charges of each, this tree against the other:")
    print(f"process: {interval([a[0] / b[0] for a, b in pairs])}")
    print(f"PostgreSQL: {interval([a[1] / b[1] for a, b in pairs])}")
    print(f"both: {interval([sum(a) / sum(b) for a, b in pairs])}")
    print(f"median of this tree: {sorted(sum(a) for a, _ in pairs)[len(pairs) // 2]:.0f} µs a charge")


if __name__ == "__main__":
    main()
