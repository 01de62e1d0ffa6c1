"""The service as `make run` starts it: an embedded file, a free port, the worker beside it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support.memory import directory
from tests.support.ports import free_port
from tests.support.processes import ROOT, Service
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Served:
    """A running service: `url` is a client's base URL, `settings` are what its commands need to find its database.

    `root` is the checkout that it runs from.
    """

    url: str
    settings: dict[str, str]
    root: Path = ROOT


@contextmanager
def served(root: Path = ROOT, /, **settings: str) -> Iterator[Served]:
    """Yield a service of its own, of the checkout `root`, on an empty database, as long as the block lasts."""
    with ExitStack() as stack:
        home = Path(tempfile.mkdtemp(prefix="served-", dir=directory()))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        port = settings.get("SERVICE_PORT") or str(free_port())
        own = {"SERVICE_PORT": port, "DATABASE_URL": f"sqlite:///{home}/payments.db", "TMPDIR": str(home)}
        # DOTENV_READ: a developer's .env is not for tests.
        own |= {"DOTENV_READ": "1", **settings}
        service = Service(str(root / "bin" / "run"), settings=own)
        stack.callback(service.close)
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: is_ready(service, url), service.last_words, patience=90)  # three programs start, one by one
        yield Served(url, own, root)


def is_ready(service: Service, url: str) -> bool:
    """Return whether the service at this base URL may be called; its process must be running."""
    assert service.process.poll() is None, service.last_words()
    try:
        return requests.get(f"{url}/health/ready", timeout=5).status_code == 200
    except (requests.ConnectionError, requests.Timeout):  # a busy machine takes its time
        return False
