"""Running the walks: so many operations, from a seed, on a database."""

from dataclasses import dataclass
from itertools import count
from math import ceil

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crash.stages import Adapter
from tests.model.at_stripe.machine import StripeWalk
from tests.model.at_stripe.system import StripeSystem
from tests.model.machine import Walk
from tests.model.system import System

STEPS = 50
"""Operations of one walk at the most."""


@dataclass
class Walked:
    """How many operations were done, in how many walks, and how often each (status, action)."""

    operations: int
    walks: int
    visited: dict[tuple[str, str], int]


def walk(database_url: str, operations: int, number: int, adapter: Adapter = "remote") -> Walked:
    """Walk until that many operations are done; AssertionError, with the shortest walk that shows it, for a fault.

    The same `number` leads to the same walks, as long as their code is unchanged.
    """
    kind, base = (StripeSystem, StripeWalk) if adapter == "stripe" else (System, Walk)
    system = kind(database_url)
    machine = type("Walk", (base,), {"system": system})
    try:
        for turn in count():
            missing = operations - system.operations
            if missing <= 0:
                break
            run_state_machine_as_test(seed(number + turn)(machine), settings=how(missing))
        system.settle_accounts()
    except BaseException as error:
        error.add_note(
            f"walking from seed {number} (`python -m tests.model --gateway {adapter} --seed {number}` repeats it)"
        )
        raise
    finally:
        system.close()
    return Walked(system.operations, system.examples, dict(system.visited))


def how(operations: int) -> settings:
    """Return the settings of a run."""
    return settings(
        max_examples=ceil(operations / STEPS),
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        derandomize=False,
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
