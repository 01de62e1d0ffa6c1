"""The trials can find bugs: deliberate faults in the services' code, each of which they must notice."""

from itertools import chain

import pytest

from tests.crash.runner import run
from tests.crash.scenario import WorkerSlot
from tests.crash.suite import FORGETFUL, TRIALS, complaint
from tests.mutants.faults import BY_TESTS, BY_TRIALS, IN_DOUBT, MUTANTS
from tests.support.processes import ROOT

SEED = 20251103
"""Always the same trials: whether a fault is noticed may not depend on the draw. A replay that is worded anew differs
only where the payment was moved meanwhile."""


@pytest.mark.parametrize("mutant", BY_TRIALS)
def test_deliberate_fault_is_caught(honest: list[WorkerSlot], mutant: str) -> None:
    trials = BY_TRIALS[mutant]
    reports = (
        run(honest, SEED, trials.point, "sqlite", numbers, mutant=mutant, ways=trials.ways)
        for numbers in (range(2), range(2, TRIALS))  # most are caught at once
    )
    violations = chain.from_iterable(report.violations for report in reports)

    assert any(violation.startswith(trials.invariant) for violation in violations), f"nobody noticed, seed {SEED}"


def test_sending_again_without_a_look_up_is_caught(forgetful: list[WorkerSlot]) -> None:
    report = run(forgetful, SEED, "C10", "sqlite", range(TRIALS), mutant=IN_DOUBT, gateway=FORGETFUL, ways={0})

    assert report.counts.double > 0, complaint(report)


def test_every_mutant_has_its_seams_and_a_test_that_notices() -> None:
    paths = {path.partition("::")[0] for paths in BY_TESTS.values() for path in paths}
    assert {*BY_TRIALS, *BY_TESTS, IN_DOUBT} == set(MUTANTS)
    assert not set(BY_TRIALS) & set(BY_TESTS)
    assert {name: mutant.missing() for name, mutant in MUTANTS.items() if mutant.missing()} == {}
    assert {path for path in paths if not (ROOT / path).exists()} == set()
