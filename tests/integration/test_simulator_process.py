"""The simulator as a program: it remembers, it serves many at once, it ends well and never alone."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from payment_service.domain.operations import Kind
from payment_service.gateways.base import Approved, NotFound
from tests.support.instructions import gateway_at, instruct
from tests.support.processes import environment
from tests.support.simulator import ROOT, running_simulator


def test_bank_without_keys_charges_for_every_send(tmp_path: Path) -> None:
    with (
        running_simulator(tmp_path, not_idempotent=True) as simulator,
        closing(gateway_at(simulator.url)) as gateway,
    ):
        charge = instruct()
        answers = [gateway.send(charge) for _ in range(3)]
        assert all(isinstance(answer, Approved) for answer in answers)
        assert simulator.count("charge") == {charge.gateway_key: 3}
        assert isinstance(gateway.lookup(charge), Approved)
        assert isinstance(gateway.lookup(instruct()), NotFound)


def test_50_refunds_at_once_refund_no_more_than_was_captured(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, closing(gateway_at(simulator.url)) as gateway:
        charge = instruct(amount="100.00")
        assert isinstance(gateway.send(charge), Approved)
        refunds = [instruct(Kind.REFUND, "7.00", parent_key=charge.gateway_key) for _ in range(50)]
        with ThreadPoolExecutor(25) as pool:
            answers = list(pool.map(gateway.send, refunds))
        assert sum(isinstance(answer, Approved) for answer in answers) == 14
        assert sum(simulator.count("refund").values()) == 14


def test_ledger_survives_a_stop_and_a_kill(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, closing(gateway_at(simulator.url)) as gateway:
        known = [instruct() for _ in range(3)]
        answers, urls = [], {simulator.url}
        for instruction, die in zip(known, (simulator.stop, simulator.kill, simulator.kill), strict=True):
            answers.append(gateway.send(instruction))
            die()
            simulator.start()
            urls.add(simulator.url)
        assert [type(answer) for answer in answers] == [Approved] * 3
        assert len(urls) == 1
        assert simulator.count() == {each.gateway_key: 1 for each in known}


def test_sigterm_lets_the_last_answer_out(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, closing(gateway_at(simulator.url)) as gateway:
        simulator.arm("sleep_then_answer", ms=700)
        charge = instruct()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(gateway.send, charge)
            while not simulator.count():
                time.sleep(0.01)
            assert simulator.stop() == 0
            assert isinstance(answer.result(10), Approved)


def test_simulator_prints_nothing_without_a_fault(tmp_path: Path) -> None:
    with running_simulator(tmp_path) as simulator, closing(gateway_at(simulator.url)) as gateway:
        for fault in ("drop_before_effect", "truncated", "duplicate", "down"):
            simulator.arm(fault, times=1)
            gateway.send(instruct())
        simulator.stop()
        assert simulator.log() == ""


def test_simulator_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import sys, time; from pathlib import Path; from tests.support.simulator import Simulator\n"
        "simulator = Simulator(Path(sys.argv[1])).start(); print(simulator.pid, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", starter, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    # No process waits for the orphan: it is gone, or it is a zombie that init has not buried yet.
    for _ in range(200):
        if not is_running(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the simulator outlived the test that started it")


def flask_simulator(home: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "simulator", *words]
    settings = environment(DATABASE_URL=f"sqlite:///{home}/none.db", LOG_LEVEL="ERROR")
    return subprocess.Popen(command, cwd=home, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_flask_command_runs_the_simulator(tmp_path: Path) -> None:
    for name in ("migrations", "payment_service", "simulator"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    with flask_simulator(tmp_path, "--port", "0") as process:
        assert process.stdout is not None
        with closing(gateway_at(process.stdout.readline().strip())) as gateway:
            assert isinstance(gateway.send(instruct()), Approved)
        process.terminate()
        assert process.wait(20) == 0
    assert (tmp_path / "var" / "gateway.db").exists()


def test_flask_has_no_simulator_command_without_the_package(tmp_path: Path) -> None:
    for name in ("migrations", "payment_service"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    with flask_simulator(tmp_path) as process:
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, "No such command 'simulator'" in complaint) == (2, True)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
