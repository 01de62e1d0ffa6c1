"""The page about a private authority mounts it in every container of Compose and of Kubernetes."""

import json
import re
import textwrap
from typing import Any

import yaml

from tests.support import manifests
from tests.support.markdown import document
from tests.support.processes import ROOT

PAGE = document("docs/how-to/tls.md").section("Trust a private authority").text
BLOCK = re.compile(r"^ *```yaml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OVERRIDE, PATCHES = (yaml.safe_load(textwrap.dedent(block)) for block in BLOCK.findall(PAGE))
(BUNDLE,) = re.findall(r"`REQUESTS_CA_BUNDLE=([^`]+)`", PAGE)


def fits(target: dict[str, str], resource: manifests.Manifest) -> bool:
    """Return whether kustomize applies a patch to a resource: kind and name are expressions for all of it."""
    name = resource["metadata"]["name"]
    return bool(re.fullmatch(target["kind"], resource["kind"]) and re.fullmatch(target.get("name", ".*"), name))


def patched(resource: manifests.Manifest) -> manifests.Manifest:
    """Return a resource after the page's patches; KeyError or IndexError where one fits nothing."""
    changed: manifests.Manifest = json.loads(json.dumps(resource))  # parts that YAML shares become separate
    for patch in (each for each in PATCHES if fits(each["target"], resource)):
        for step in yaml.safe_load(patch["patch"]):
            *way, last = step["path"].strip("/").split("/")
            place: Any = changed
            for part in way:
                place = place[int(part)] if part.isdecimal() else place[part]
            assert (step["op"], last) == ("add", "-")
            place.append(step["value"])
    return changed


def test_override_mounts_the_authorities_in_every_container_of_the_service() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ours = {name for name, service in compose.items() if service.get("image", "").startswith("payment-service:")}

    assert {name: each["volumes"] for name, each in OVERRIDE["services"].items()} == {
        name: [f"./authorities.pem:{BUNDLE}:ro"] for name in ours
    }


def test_patches_mount_the_authorities_in_every_container_of_every_pod() -> None:
    folder, _, file = BUNDLE.rpartition("/")
    pods = []
    for each in map(patched, manifests.resources("Deployment", "Job", "CronJob")):
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
        pods.append(spec["template"]["spec"])
    volume = {"name": "authorities", "configMap": {"name": "payment-service-authorities"}}
    mount = {"name": "authorities", "mountPath": folder, "readOnly": True}
    containers = [each for pod in pods for each in (*pod["containers"], *pod.get("initContainers", ()))]

    assert [pod["volumes"].count(volume) for pod in pods] == [1] * len(list(manifests.pods()))
    assert [each["volumeMounts"].count(mount) for each in containers] == [1] * len(containers)
    assert f"--from-file {file}" in PAGE
