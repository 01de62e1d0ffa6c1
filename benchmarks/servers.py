"""The measured processes: gunicorn with the deployed configuration, and a PostgreSQL that syncs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import jwt

from tests.support.ports import free_port, listens
from tests.support.postgres import ThrowawayPostgres
from tests.support.processes import ROOT, Service, environment
from tests.support.waiting import wait_until

SECRET = "a-secret-of-the-benchmark-with-32-bytes!"
TICKS = os.sysconf("SC_CLK_TCK")


SCOPES = "payments:charge payments:refund payments:read"
"""The scopes of a caller's token in production; releases before scopes ignore them."""


def token(subject: str = "bench", scope: str = SCOPES) -> str:
    """Return a token of the auth service."""
    times = {"exp": int(time.time()) + 7200, "iat": int(time.time())}
    return jwt.encode({"sub": subject, "scope": scope, "jti": "6b2f1a9c", **times}, SECRET, algorithm="HS256")


@dataclass(frozen=True)
class Served:
    """A gunicorn that serves on `port`."""

    name: str
    port: int
    service: Service

    def cpu(self) -> float:
        """Return the seconds of CPU that its processes have used so far."""
        return cpu_of(self.service.process.pid)


@contextmanager
def serve(name: str, app: str, tree: Path = ROOT, **settings: str) -> Iterator[Served]:
    """Serve `app` of the tree with its gunicorn; workers are not replaced during the measurement."""
    port = free_port()
    given = {"BIND": f"127.0.0.1:{port}", **settings}
    words = ("-m", "gunicorn", "--config", "gunicorn.conf.py", "--chdir", str(tree), "--max-requests", "0")
    with closing(_started(tree, (sys.executable, *words, app), given)) as service:
        wait_until(lambda: listens(port), service.last_words, patience=60)
        yield Served(name, port, service)


def _started(tree: Path, command: tuple[str, ...], settings: dict[str, str]) -> Service:
    # `Service` runs in the repository; a shell changes to another tree.
    return Service("sh", "-c", 'cd "$0" && exec "$@"', str(tree), *command, settings=settings)


def production(url: str, **more: str) -> dict[str, str]:
    """Return the settings of production: tokens, logs, metrics, an event with each change."""
    return {
        "ENVIRONMENT": "production",
        "DATABASE_URL": url,
        "SECRET_KEY": SECRET + "-of-flask",
        "JWT_SECRET_KEY": SECRET,
        "ALLOW_SIMULATED_GATEWAY": "true",
        "ALLOW_SQLITE": "true",
        "ALLOW_ANY_AUDIENCE": "true",
        "ALLOW_PLAIN_DATABASE": "true",
        **more,
    }


def migrate(url: str, tree: Path = ROOT) -> None:
    """Migrate a database to the tree's newest schema."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    subprocess.run(command, check=True, cwd=tree, env=environment(**production(url)), capture_output=True)


class MeasuredPostgres(ThrowawayPostgres):
    """Our own server that syncs every commit to disk, with a small production server's memory."""

    def __init__(self) -> None:
        super().__init__(durable=True, tcp=True)
        self.migrated: set[str] = set()

    def _options(self) -> list[str]:
        more = {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}
        return [*super()._options(), *(word for name, value in more.items() for word in ("-c", f"{name}={value}"))]

    def cpu(self) -> float:
        """Return the seconds of CPU that its processes have used so far."""
        return cpu_of(int((self.home / "data" / "postmaster.pid").read_text().split()[0]))


def create(server: MeasuredPostgres, name: str, tree: Path = ROOT) -> str:
    """Create a migrated database; return its URL, with a password that production requires and the socket ignores."""
    blank = f"blank_{crc32(str(tree).encode())}"
    if blank not in server.migrated:
        migrate(_with_password(server.create_database(blank)), tree)
        server.migrated.add(blank)
    return _with_password(server.create_database(name, template=blank))


def _with_password(url: str) -> str:
    return url.replace("test@", "test:no-matter-what-2f81@")


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process, its living descendants and its dead children have used."""
    used = 0.0
    for each in _family(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        used += sum(map(int, fields[11 : 15 if each == pid else 13])) / TICKS
    return used


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            for child in task.read_text().split():
                yield from _family(int(child))
