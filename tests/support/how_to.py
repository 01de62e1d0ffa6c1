"""A how-to that is followed step by step: its numbered steps, and the commands of each."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.markdown import document
from tests.support.processes import ROOT, environment

_STEP = re.compile(r"^(\d+)\. (.*?)(?=^\d+\. |^\S|\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A numbered step: its text, and its commands, one a line."""

    number: int
    text: str
    commands: tuple[str, ...]


def steps(page: str, title: str) -> list[Step]:
    """Return the numbered steps of a section."""
    return [
        Step(int(number), textwrap.dedent(text), tuple(_commands(text)))
        for number, text in _STEP.findall(document(page).section(title).text + "\n")
    ]


def _commands(text: str) -> Iterator[str]:
    for block in _BLOCK.findall(text):
        yield from textwrap.dedent(block).splitlines()


class Follower:
    """A person who types the commands of a how-to, in `home`, on one machine with one database.

    `programs` has where `pg_dump` and its like are. A command that begins with a word of `instead` is not typed: the
    function is called. Commands of the other database, of Compose and of Kubernetes are left out.
    """

    def __init__(
        self, home: Path, programs: Path | None, settings: Mapping[str, str], instead: Mapping[str, Callable[[], None]]
    ) -> None:
        self.done: list[str] = []
        self._home, self._instead, self._is_postgresql = home, instead, programs is not None
        self._settings = environment(**settings)
        self._settings["PATH"] = f"{Path(sys.executable).parent}:{programs or ''}:{self._settings['PATH']}"
        for path in ROOT.iterdir():
            if path.name not in {"var", ".env"} and not (home / path.name).exists():
                (home / path.name).symlink_to(path)

    def follow(self, *followed: Step) -> None:
        """Type the commands of these steps; one that fails is an AssertionError."""
        for command in (command for step in followed for command in step.commands):
            if self._concerns_us(command):
                self.done.append(command)
                self._type(command)

    def _concerns_us(self, command: str) -> bool:
        if command.startswith(("pg_", "psql ")):
            return self._is_postgresql
        return not command.startswith(("docker ", "kubectl ")) and not (self._is_postgresql and "var/" in command)

    def _type(self, command: str) -> None:
        for beginning, function in self._instead.items():
            if command.startswith(beginning):
                function()
                return
        result = subprocess.run(  # noqa: S602 - a shell is what a reader types into
            command, check=False, shell=True, capture_output=True, text=True, cwd=self._home, env=self._settings,
            timeout=120,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
