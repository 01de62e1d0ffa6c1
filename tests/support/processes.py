"""The service as processes of its own, started the way production starts them, in an environment made for the test."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]

PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH")
"""The variables that a started program gets of our environment; settings of the developer's shell are left out."""


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a started program: the bare necessities and `settings`.

    Unless `settings` say otherwise, no checkout is declined by chance: by default one random key in twenty would be.
    """
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {"CHECKOUT_SUCCESS_RATE": "1"} | settings


def flask(*words: str, settings: dict[str, str]) -> str:
    """Run a `flask` command of the service to its end; what it printed. A failure is an AssertionError."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment(**settings), timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


class Service:
    """A started program of the service, with its log; `stop()` ends it as an orchestrator would."""

    def __init__(self, *command: str, settings: dict[str, str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            # Its own group, so that its children can be ended with it.
            start_new_session=True,
        )

    @classmethod
    def gunicorn(cls, settings: dict[str, str]) -> "Service":
        """Return the web server with the deployed configuration."""
        command = (sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "wsgi:app")
        return cls(*command, settings=settings)

    def log(self) -> str:
        """Return everything it has written so far."""
        # Not seek and read: the place in the file is shared with the writing process.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def last_words(self) -> str:
        """Return the end of the log, for a failing test to show."""
        return self.log()[-3000:]

    def stop(self) -> int:
        """Send SIGTERM, and return its exit code once it has ended."""
        self.process.terminate()
        return self.process.wait(timeout=40)

    def close(self) -> None:
        """End it and everything it started, if need be at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)
        self._log.close()
