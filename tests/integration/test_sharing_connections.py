import errno
import runpy
import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.processes import ROOT

THREADS = 8


class NobodyAtTheDoor:
    def accept(self) -> Any:
        raise BlockingIOError(errno.EAGAIN, "another worker was faster")


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    kind = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["worker_class"]
    made = kind.__new__(kind)
    made.cfg, made.alive, made.nr_conns = SimpleNamespace(threads=THREADS, workers=2), True, 0
    return made


def test_worker_with_a_free_thread_accepts_at_once(worker: Any, waited: list[float]) -> None:
    for worker.nr_conns in range(THREADS):
        worker.accept(NobodyAtTheDoor())
    assert not waited


def test_worker_with_more_connections_waits_longer_before_it_accepts(worker: Any, waited: list[float]) -> None:
    for worker.nr_conns in (THREADS, 2 * THREADS, 4 * THREADS, 100 * THREADS):
        worker.accept(NobodyAtTheDoor())
    assert waited == [0.001, 0.002, 0.004, 0.005]


def test_stopping_worker_accepts_waiting_connections_at_once(worker: Any, waited: list[float]) -> None:
    worker.alive, worker.nr_conns = False, 5 * THREADS
    worker.accept(NobodyAtTheDoor())
    assert not waited


def test_worker_without_others_accepts_at_once(worker: Any, waited: list[float]) -> None:
    worker.cfg.workers, worker.nr_conns = 1, 5 * THREADS
    worker.accept(NobodyAtTheDoor())
    assert not waited
