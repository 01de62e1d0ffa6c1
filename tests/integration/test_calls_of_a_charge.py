"""How much of our own code one new trip charge runs through, everything included: counted by Python's profiler hook."""

import sys
from collections import Counter
from configparser import ConfigParser
from pathlib import Path
from types import FrameType
from typing import Any

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import here, migrate
from tests.support.callers import pay_trip

MOST_CALLS, MOST_FUNCTIONS, MOST_MODULES, MOST_CLIMBS = 271, 154, 43, 1
"""Bounds to be lowered when the code gets shorter; raising one needs a reason.

Of them 2 functions ask for the scopes of the token (record 44). 40 calls, 11 functions and 2 modules are the eight
hashes of the chained journal (record 45): four calls each, and what gathers their values.
4 calls, 3 functions and 1 module judge texts for card numbers in linear time (record 48), where one pattern did it in
quadratic time. 2 calls and 1 function queue our own log lines, without two records for each (record 34).
1 call names the gateway in the metric of its answers, so that an alert can name it.
"""

PACKAGE = f"{here('payment_service')}/"

Function = tuple[str, str]


def layers() -> dict[str, int]:
    """Return the number of each module's layer, from the top, as the import linter holds them."""
    configuration = ConfigParser()
    configuration.read(here("setup.cfg"))
    lines = configuration["importlinter:contract:layers"]["layers"].split("\n")
    named = (line.replace("(", "").replace(")", "").split("|") for line in lines if line)
    return {name.strip(): number for number, names in enumerate(named) for name in names}


class Calls:
    """Every call of a function of ours while it is installed; `climbs` are those from a lower layer to a higher one."""

    def __init__(self) -> None:
        self.made: Counter[Function] = Counter()
        self.climbs: Counter[tuple[Function, Function]] = Counter()
        self._layers = layers()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or not (called := _ours(frame)):
            return
        self.made[called] += 1
        caller = frame.f_back
        while caller is not None and not _ours(caller):
            caller = caller.f_back
        if caller is not None and self._layer(called) < self._layer(_ours(caller) or called):
            self.climbs[_ours(caller) or called, called] += 1

    def __str__(self) -> str:
        modules: Counter[str] = Counter()
        for (module, _), times in self.made.items():
            modules[module] += times
        lines = [f"{self.made.total()} calls, {len(self.made)} functions, {len(modules)} modules"]
        lines += [f"climbs: {caller} -> {called}" for caller, called in self.climbs]
        for module, times in modules.most_common():
            functions = (f"{name} {number}" for (where, name), number in self.made.most_common() if where == module)
            lines.append(f"{times:4} {module}: {', '.join(functions)}")
        return "\n".join(lines)

    def _layer(self, function: Function) -> int:
        return self._layers.get(function[0].partition("/")[0].removesuffix(".py"), 0)


def _ours(frame: FrameType) -> Function | None:
    code = frame.f_code
    return (code.co_filename.removeprefix(PACKAGE), code.co_qualname) if code.co_filename.startswith(PACKAGE) else None


def test_charge_stays_within_the_bounds_of_its_calls(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/payments.db"
    migrate(url)
    client = create_app(Settings(database_url=url)).test_client()
    # A random id with many digits would be searched for card numbers, with two dozen calls more.
    client.environ_base["HTTP_X_REQUEST_ID"] = "counted"
    warm = [pay_trip(client, idempotency_key=f"warm-{number}").status_code for number in range(3)]
    assert warm == [200, 200, 200]
    calls = Calls()
    sys.setprofile(calls)
    try:
        answer = pay_trip(client, idempotency_key="counted")
    finally:
        sys.setprofile(None)
    assert answer.status_code == 200, answer.text
    print(calls)  # noqa: T201 - shown by pytest where a bound is broken, and with -s
    assert calls.made.total() <= MOST_CALLS
    assert len(calls.made) <= MOST_FUNCTIONS
    assert len({module for module, _ in calls.made}) <= MOST_MODULES
    assert calls.climbs.total() <= MOST_CLIMBS
