"""A wait for the database ends after the seconds for which this process ran."""

import socket
import time
from collections.abc import Iterator

import pytest

from payment_service import clock, watchdog
from payment_service.watchdog import Wait

A_WHILE = 10 * watchdog.LOOK


class Driver:
    """The part of psycopg2's connection that a wait needs, over a real socket with a silent peer."""

    class InterfaceError(Exception):
        """The connection is closed."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.settimeout(5 * A_WHILE)

    def fileno(self) -> int:
        return self.ours.fileno()


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver()
    with made.ours, made.theirs:
        yield made


def test_wait_that_is_too_long_ends_by_a_closed_connection(driver: Driver) -> None:
    with Wait(driver, 2 * watchdog.LOOK) as wait:
        assert driver.ours.recv(1) == b""
    assert wait.is_cut


def test_wait_survives_a_standstill_of_the_process(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is paused: an hour passes at once, and the answer comes when the process runs again."""
    with Wait(driver, A_WHILE) as wait:
        real = clock.monotonic
        monkeypatch.setattr(clock, "monotonic", lambda: real() + 3600)
        driver.ours.settimeout(A_WHILE / 2)
        with pytest.raises(TimeoutError):
            driver.ours.recv(1)
        assert not wait.is_cut
        driver.ours.settimeout(5 * A_WHILE)
        assert driver.ours.recv(1) == b""
    assert wait.is_cut


def test_wait_that_begins_after_a_standstill_gains_nothing(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watchdog looks a moment later, at a wait that began after the standstill."""
    with Wait(driver, 60):
        time.sleep(3 * watchdog.LOOK)  # the clock of the test before may have been another one
        real = clock.monotonic
        monkeypatch.setattr(clock, "monotonic", lambda: real() + 3600)
        with Wait(driver, A_WHILE) as wait:
            assert driver.ours.recv(1) == b""
        assert wait.is_cut
