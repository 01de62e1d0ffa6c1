"""kill -9 at every crash point: 0 double charges, 0 charges without a row, every key final, replays byte-identical."""

import re

import pytest

from payment_service.failpoints import POINTS as FAILPOINTS
from tests.crash.points import ELSEWHERE, POINTS, failpoints_used
from tests.crash.scenario import WorkerSlot
from tests.crash.suite import dies_safely
from tests.support.processes import ROOT


@pytest.mark.parametrize("point", POINTS)
def test_death_at_any_point_loses_no_money_on_postgresql(honest: list[WorkerSlot], point: str) -> None:
    dies_safely(honest, "postgresql", point)


def test_every_failpoint_has_its_trials() -> None:
    assert failpoints_used() | set(ELSEWHERE) == FAILPOINTS
    assert {name for name, file in ELSEWHERE.items() if name not in (ROOT / file).read_text()} == set()


def test_every_failpoint_in_the_code_is_listed() -> None:
    code = "".join(path.read_text() for path in (ROOT / "payment_service").rglob("*.py"))
    written = set(re.findall(r'failpoint\("([^"]+)"\)', code))
    phases = set(re.findall(r'(?:atomic|run)\("([^"]+)"', code))
    commits = {f"{phase}.{side}_commit" for phase in phases for side in ("before", "after")}

    assert written <= FAILPOINTS
    assert written | commits >= FAILPOINTS, "a failpoint is named that no code passes"
