"""The ways to the primary, as deploy/ has them: all hosts in the address, HAProxy, and PgBouncer before HAProxy."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import make_url

from tests.ha.cluster import Cluster
from tests.support.pgbouncer import PgBouncer, limit_role
from tests.support.ports import free_port, listens
from tests.support.postgres import Postgres
from tests.support.processes import ROOT
from tests.support.waiting import wait_until

Way = Literal["direct", "haproxy", "pgbouncer"]

ROLE = "payments_app"
DATABASE = "payments"

HAPROXY = ROOT / "deploy" / "ha" / "haproxy.cfg"

CHECKS, CUT = "inter 500ms fall 2 rise 1", " on-marked-down shutdown-sessions"
"""Of deploy/ha/haproxy.cfg: how it looks for the primary, and that it cuts connections to a server that is none."""

SAMPLE_CHECKS = "inter 3s fall 3 rise 2"
"""Of Patroni's own sample."""


@dataclass(frozen=True)
class Addresses:
    """The database's addresses for the web server and for the worker, which needs none of PgBouncer's help."""

    web: str
    worker: str


@contextmanager
def opened(way: Way, cluster: Cluster, home: Path, *, slow: bool = False, cut: bool = True) -> Iterator[Addresses]:
    """Start whatever stands in the way. HAProxy with `slow` checks, or without the `cut`, is not the deployed one."""
    if way == "direct":
        hosts = ",".join(f"{node.address}:{cluster.port}" for node in cluster.nodes)
        several = f"postgresql://{ROLE}@{hosts}/{DATABASE}"
        yield Addresses(several, several)
        return
    with _haproxy(cluster, home, slow=slow, cut=cut) as port:
        behind = f"postgresql://{ROLE}@127.0.0.1:{port}/{DATABASE}"
        if way == "haproxy":
            yield Addresses(behind, behind)
            return
        limit_role(superuser(cluster), DATABASE, ROLE)
        with closing(PgBouncer(Postgres(make_url(behind)), DATABASE, pool_size=6).start()) as pooler:
            yield Addresses(pooler.url, behind)


def superuser(cluster: Cluster) -> Postgres:
    """Return the primary, for its superuser."""
    primary = cluster.primary()
    assert primary is not None
    return Postgres(make_url(f"postgresql://test@{primary.address}:{cluster.port}/postgres"))


@contextmanager
def _haproxy(cluster: Cluster, home: Path, *, slow: bool, cut: bool) -> Iterator[int]:
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert program is not None, "HAPROXY IS MISSING (apt-get install haproxy)"
    port = free_port()
    changes = {"127.0.0.1:5432": f"127.0.0.1:{port}", "check port 8008": f"check port {cluster.api}"}
    for node in cluster.nodes:
        changes[f"payments-db-{node.number}:5432"] = f"{node.address}:{cluster.port}"
    if slow:
        changes[CHECKS] = SAMPLE_CHECKS
    if not cut:
        changes[CUT] = ""
    text = HAPROXY.read_text()
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file = home / "haproxy.cfg"
    file.write_text(text)
    with (
        (home / "haproxy.log").open("wb") as log,
        subprocess.Popen([program, "-db", "-f", str(file)], stderr=log) as it,
    ):
        try:
            wait_until(lambda: listens(port), (home / "haproxy.log").read_text, 10)
            yield port
        finally:
            it.kill()
