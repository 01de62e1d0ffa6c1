"""The contents of deploy/kubernetes: resources, kustomizations, and the results of an overlay's patches."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values

from tests.support.processes import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
BASE, PRODUCTION = FOLDER / "base", FOLDER / "overlays" / "production"
Manifest = dict[str, Any]


def files() -> list[Path]:
    """Return every manifest of Kubernetes' own; kustomize's are for kustomize."""
    return [path for path in sorted(FOLDER.rglob("*.yaml")) if path.name != "kustomization.yaml"]


def documents(path: Path) -> list[Manifest]:
    """Return the resources of one file."""
    return copy.deepcopy(_read(path))


@cache
def _read(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text()))


def kustomization(folder: Path) -> Manifest:
    """Return the kustomization in a folder."""
    (found,) = documents(folder / "kustomization.yaml")
    return found


def resources(*kinds: str) -> list[Manifest]:
    """Return the base's resources, of these kinds or all."""
    listed = [document for name in kustomization(BASE)["resources"] for document in documents(BASE / name)]
    return [each for each in listed if not kinds or each["kind"] in kinds]


def resource(kind: str, name: str = "payment-service") -> Manifest:
    """Return one of them."""
    (found,) = (each for each in resources(kind) if each["metadata"]["name"] == name)
    return found


def pods() -> Iterator[tuple[str, Manifest]]:
    """Name and pod template of everything that runs."""
    for each in resources("Deployment", "Job", "CronJob"):
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
        yield each["metadata"]["name"], spec["template"]


def container(pod: Manifest) -> Manifest:
    """Return the one container of a pod."""
    (found,) = pod["spec"]["containers"]
    return dict(found)


def before(pod: Manifest) -> list[Manifest]:
    """Return the containers that end before a pod's own begins."""
    return [dict(each) for each in pod["spec"].get("initContainers", [])]


def settings() -> dict[str, str]:
    """Return the settings of pods in production, secrets left out."""
    told: dict[str, str | None] = {}
    for folder in (BASE, PRODUCTION):
        for generator in kustomization(folder)["configMapGenerator"]:
            for name in generator["envs"]:
                told |= dotenv_values(folder / name, interpolate=False)
    return {name: value or "" for name, value in told.items()}


def patched(patch: Manifest) -> Manifest:
    """Return a resource after an overlay's patch; KeyError or IndexError where the patch fits nothing."""
    changed = copy.deepcopy(resource(patch["target"]["kind"], patch["target"]["name"]))
    for step in yaml.safe_load(patch["patch"]):
        assert step["op"] == "replace", "no other is used so far"
        *way, last = [int(part) if part.isdecimal() else part for part in step["path"].strip("/").split("/")]
        place: Any = changed
        for part in way:
            place = place[part]
        assert place[last] is not None
        place[last] = step["value"]
    return changed


def let_in() -> list[Manifest]:
    """Return the paths that the Ingress knows."""
    return [path for rule in resource("Ingress")["spec"]["rules"] for path in rule["http"]["paths"]]
