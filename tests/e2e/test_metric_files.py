"""Processes count in files of their own: read as one, kept when a process is gone, never more of them."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric

from payment_service.metrics import files
from tests.support.processes import ROOT, environment

COUNTS = (
    "from payment_service import metrics; metrics.key_used('new'); metrics.request_finished('/a', 'GET', 200, 0.01)"
)


def count_in_a_process(directory: Path, *, then: str = "") -> None:
    """Let a process count one key and one request, and end."""
    command = [sys.executable, "-c", f"{COUNTS}; {then or 'pass'}"]
    settings = environment(PROMETHEUS_MULTIPROC_DIR=str(directory))
    subprocess.run(command, check=not then, cwd=ROOT, env=settings, timeout=60)


def told(directory: Path) -> dict[str, float]:
    """Return the counts of all processes: keys, requests, and requests quicker than 25 ms."""
    found: list[Metric] = files.of_all_processes(str(directory))
    samples = {(sample.name, sample.labels.get("le")): sample.value for metric in found for sample in metric.samples}
    return {
        "keys": samples["idempotency_outcomes_total", None],
        "requests": samples["http_request_duration_seconds_count", None],
        "quick": samples["http_request_duration_seconds_bucket", "0.025"],
        "seconds": round(samples["http_request_duration_seconds_sum", None], 6),
    }


def databases(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob("*.db"))


def test_figures_of_several_processes_are_summed(tmp_path: Path) -> None:
    count_in_a_process(tmp_path)
    count_in_a_process(tmp_path)

    assert told(tmp_path) == {"keys": 2, "requests": 2, "quick": 2, "seconds": 0.02}
    assert len(databases(tmp_path)) == 4


def test_figures_of_ended_processes_are_kept_in_one_file(tmp_path: Path) -> None:
    for _ in range(3):
        count_in_a_process(tmp_path)
        files.absorb(str(tmp_path))

    assert databases(tmp_path) == ["counter_gone.db", "histogram_gone.db"]
    assert told(tmp_path) == {"keys": 3, "requests": 3, "quick": 3, "seconds": 0.03}


def test_figures_of_a_killed_process_are_kept(tmp_path: Path) -> None:
    count_in_a_process(tmp_path, then="import os; os.kill(os.getpid(), 9)")
    files.absorb(str(tmp_path))

    assert databases(tmp_path) == ["counter_gone.db", "histogram_gone.db"]
    assert told(tmp_path)["keys"] == 1


def test_running_processes_keep_their_own_files(tmp_path: Path) -> None:
    count_in_a_process(tmp_path)
    (number,) = {path.stem.rpartition("_")[2] for path in tmp_path.glob("*.db")}
    for path in tmp_path.glob("*.db"):
        path.rename(path.with_name(path.name.replace(number, str(os.getpid()))))
    files.absorb(str(tmp_path))
    files.begin(str(tmp_path))

    assert databases(tmp_path) == [f"counter_{os.getpid()}.db", f"histogram_{os.getpid()}.db"]


def test_figures_of_earlier_starts_are_not_added(tmp_path: Path) -> None:
    count_in_a_process(tmp_path)
    files.absorb(str(tmp_path))
    count_in_a_process(tmp_path)
    files.begin(str(tmp_path))

    assert databases(tmp_path) == []


def test_read_during_a_merge_sees_every_figure_once_and_waits_for_nothing(tmp_path: Path) -> None:
    count_in_a_process(tmp_path)
    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        files.absorb(str(tmp_path))
        assert "counter_gone.db" not in databases(tmp_path)

    assert told(tmp_path)["keys"] == 1


def test_missing_directory_is_made(tmp_path: Path) -> None:
    files.begin(str(tmp_path / "a" / "b"))

    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize("signature", ["counter", "histogram"])
def test_empty_file_of_a_dead_process_is_ignored(tmp_path: Path, signature: str) -> None:
    count_in_a_process(tmp_path)
    (tmp_path / f"{signature}_999999999.db").write_bytes(b"\0" * 65536)
    files.absorb(str(tmp_path))

    assert databases(tmp_path) == ["counter_gone.db", "histogram_gone.db"]
    assert told(tmp_path)["keys"] == 1
