"""kill -9 at every crash point on SQLite, and before a bank that forgets; apart, so that another core may play it."""

import pytest

from tests.crash.points import POINTS
from tests.crash.runner import run
from tests.crash.scenario import WorkerSlot
from tests.crash.suite import FORGETFUL, SEED, TRIALS, complaint, dies_safely


@pytest.mark.parametrize("point", POINTS)
def test_death_at_any_point_loses_no_money_on_sqlite(honest: list[WorkerSlot], point: str) -> None:
    dies_safely(honest, "sqlite", point)


@pytest.mark.parametrize("point", ["C4", "C6", "C10"])
def test_operation_at_a_bank_without_keys_is_looked_up_and_never_sent_again(
    forgetful: list[WorkerSlot], point: str
) -> None:
    report = run(forgetful, SEED, point, "sqlite", range(TRIALS), gateway=FORGETFUL, ways={0, 1})

    assert not report.violations, complaint(report)
