"""The service keeps the promises of the pods' manifests."""

import subprocess
import sys
from pathlib import Path

import pytest

from payment_service import create_app
from payment_service.config import Settings
from tests.conftest import dependencies_of
from tests.support import manifests
from tests.support.manifests import Manifest, before, container
from tests.support.processes import ROOT, environment, flask

PODS = dict(manifests.pods())
WORKERS = ("payment-service-relay", "payment-service-recover")


@pytest.mark.parametrize("name", WORKERS)
def test_worker_of_a_new_release_waits_for_its_migrations(name: str, tmp_path: Path) -> None:
    (waiting,) = before(PODS[name])
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path}/p.db", "LOG_LEVEL": "ERROR"}
    _, *words = waiting["command"]
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment(**settings))
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=4)
        flask("db", "upgrade", settings=settings)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("name", "pod"), PODS.items(), ids=PODS)
def test_every_probe_calls_an_existing_route(name: str, pod: Manifest, tmp_path: Path) -> None:
    runs = container(pod)
    paths = {probe: runs[probe]["httpGet"]["path"] for probe in runs if "httpGet" in runs[probe]}
    if name in WORKERS:
        listens = runs["command"][runs["command"].index("--metrics") + 1]
        assert set(paths.values()) == {"/metrics"}
        assert [port["containerPort"] for port in runs["ports"]] == [int(listens.rpartition(":")[2])]
    elif "ports" in runs:
        app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/none.db", log_level="ERROR"))
        answers = {probe: app.test_client().get(path).status_code for probe, path in paths.items()}
        dependencies_of(app).database.engine.dispose()
        # Its database is empty: alive, not ready.
        assert answers == {"startupProbe": 200, "readinessProbe": 503}
        assert f":{runs['ports'][0]['containerPort']}" in manifests.settings()["BIND"]
    else:
        assert paths == {}
