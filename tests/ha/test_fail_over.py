"""Two fail-overs of a real cluster under load, in every run of `make test-ha`; `make ha` has the others."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.ha.cluster import Cluster
from tests.ha.faults import Fault, Row
from tests.ha.run import run

LONGEST_GAP: dict[Fault, float] = {"switchover": 8.0, "machine": 32.0}
"""Seconds without a payment. A machine that is gone is replaced after Patroni's `ttl` of 20."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with closing(Cluster(tmp_path_factory.mktemp("cluster"))) as cluster:
        cluster.start()
        yield cluster


@pytest.mark.parametrize("fault", list(LONGEST_GAP))
def test_fail_over_loses_no_payment_and_leaves_no_key_open(fault: Fault, cluster: Cluster, tmp_path: Path) -> None:
    report = run(Row(fault, "direct"), cluster, tmp_path)

    assert report.complaints == []
    assert set(report.answers) <= {"200", "409", "503"}, report
    assert report.hangs == 0, report
    assert report.gap < LONGEST_GAP[fault], report
    assert report.slowest_readiness < 3, report
