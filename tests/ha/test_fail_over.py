"""Two fail-overs of a real cluster under load, in every run of `make test-ha`; `make ha` has the others."""

from pathlib import Path

import pytest

from tests.ha.run import Fault, run

LONGEST_GAP: dict[Fault, float] = {"switchover": 8.0, "machine": 32.0}
"""Seconds without a payment. A machine that is gone is replaced after Patroni's `ttl` of 20."""


@pytest.mark.parametrize("fault", list(LONGEST_GAP))
def test_fail_over_loses_no_payment_and_leaves_no_key_open(fault: Fault, tmp_path: Path) -> None:
    report = run(fault, tmp_path)

    assert report.violations == []
    assert set(report.answers) <= {"200", "409", "503"}, report
    assert report.hangs == 0, report
    assert report.gap < LONGEST_GAP[fault], report
    assert report.waited < 6, report
    assert report.slowest_readiness < 3, report
    assert report.false_readiness == 0, report
