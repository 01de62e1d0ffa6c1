"""Kubernetes accepts the manifests; they refer to existing objects and agree with the service that they run."""

import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from payment_service.config import ConfigurationError, Settings
from tests.support import manifests
from tests.support.manifests import BASE, PRODUCTION, Manifest, container, kustomization, resource, resources
from tests.support.processes import ROOT

OLDEST, NEWEST = "1.30", "1.37"
SECRETS = {name: secrets.token_urlsafe(48) for name in ("SECRET_KEY", "DB_PASS", "WEBHOOK_SECRET", "GATEWAY_TOKEN")}
BACKGROUND = {"payment-service-relay", "payment-service-recover"}

every_pod = pytest.mark.parametrize(("name", "pod"), list(manifests.pods()), ids=[name for name, _ in manifests.pods()])


def judged(version: str, *files: Path) -> tuple[int, list[str]]:
    """Return the validator's exit code and its messages, except that a file passed."""
    program = Path(sys.executable).with_name("kubernetes-validate")
    command = [str(program), "--strict", "--kubernetes-version", version, *map(str, files)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if " passed for resource " not in line]
    return done.returncode, lines


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_accepts_every_manifest(version: str) -> None:
    assert judged(version, *manifests.files()) == (0, [])


def test_validator_refuses_a_wrong_manifest(tmp_path: Path) -> None:
    """The validator refuses a wrong type and an unknown name: the test above can fail."""
    broken = resource("Deployment")
    broken["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "long"
    broken["spec"]["template"]["spec"]["containers"][0]["live"] = {}
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(broken))

    assert judged(NEWEST, tmp_path / "broken.yaml")[0] != 0


@pytest.mark.parametrize("patch", kustomization(PRODUCTION)["patches"], ids=lambda patch: patch["target"]["kind"])
def test_overlays_patch_fits_its_resource(patch: Manifest, tmp_path: Path) -> None:
    changed = manifests.patched(patch)
    (tmp_path / "patched.yaml").write_text(yaml.safe_dump(changed))

    assert changed != resource(patch["target"]["kind"], patch["target"]["name"])
    assert judged(NEWEST, tmp_path / "patched.yaml") == (0, [])


@pytest.mark.parametrize("folder", [BASE, PRODUCTION], ids=lambda folder: folder.name)
def test_kustomization_names_every_file_beside_it_and_no_other(folder: Path) -> None:
    told = kustomization(folder)
    named = {*told["resources"], *(name for each in told["configMapGenerator"] for name in each["envs"])}
    beside = {path.name for path in folder.iterdir()} - {"kustomization.yaml"}

    assert {name for name in named if not (folder / name).exists()} == set()
    assert {name for name in named if (folder / name).is_file()} == beside


def test_overlay_changes_only_resources_of_the_base() -> None:
    made = {each["name"] for each in kustomization(BASE)["configMapGenerator"]}
    images = {container(pod)["image"] for _, pod in manifests.pods()}

    assert {each["name"] for each in kustomization(PRODUCTION)["configMapGenerator"]} <= made
    assert {each["name"] for each in kustomization(PRODUCTION)["images"]} == images
    assert {each["newTag"] for each in kustomization(PRODUCTION)["images"]} == {Settings.from_env({}).service_version}


@every_pod
def test_references_of_a_pod_exist(name: str, pod: Manifest) -> None:
    runs, spec = container(pod), pod["spec"]
    settings, secrets = runs["envFrom"]
    (template,) = manifests.documents(manifests.FOLDER / "secret.template.yaml")
    ports = {port["name"] for port in runs.get("ports", [])}
    probes = [runs[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe") if probe in runs]
    asked = [probe.get("httpGet") or probe["tcpSocket"] for probe in probes]

    assert settings["configMapRef"]["name"] in {each["name"] for each in kustomization(BASE)["configMapGenerator"]}
    assert secrets["secretRef"]["name"] == template["metadata"]["name"]
    assert spec["serviceAccountName"] == resource("ServiceAccount")["metadata"]["name"]
    assert {mount["name"] for mount in runs["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert {each["port"] for each in asked} <= ports
    assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == "payment-service"


def test_references_of_the_other_resources_exist() -> None:
    labels = [pod["metadata"]["labels"] for _, pod in manifests.pods()]
    ports = {port["name"] for _, pod in manifests.pods() for port in container(pod).get("ports", [])}
    selectors = [each["spec"]["selector"].get("matchLabels", each["spec"]["selector"]) for each in resources("Service")]
    selectors += [each["spec"]["selector"]["matchLabels"] for each in resources("Deployment", "PodDisruptionBudget")]
    selectors += [each["spec"]["podSelector"]["matchLabels"] for each in resources("NetworkPolicy")]
    rules = [rule for each in resources("NetworkPolicy") for rule in each["spec"]["ingress"]]
    scaled = resource("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    served = {port["name"] for port in resource("Service")["spec"]["ports"]}
    backends = [path["backend"]["service"] for path in manifests.let_in()]

    assert [each for each in selectors if not any(each.items() <= pod.items() for pod in labels)] == []
    assert {port["port"] for rule in rules for port in rule["ports"]} <= ports
    assert {port["targetPort"] for port in resource("Service")["spec"]["ports"]} <= ports
    assert "replicas" not in resource(scaled["kind"], scaled["name"])["spec"]
    assert {(each["name"], each["port"]["name"] in served) for each in backends} == {("payment-service", True)}


def test_manifests_set_only_variables_that_the_service_reads() -> None:
    known = set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    (template,) = manifests.documents(manifests.FOLDER / "secret.template.yaml")
    in_pods = {each["name"] for _, pod in manifests.pods() for each in container(pod).get("env", [])}

    assert in_pods | manifests.settings().keys() | template["stringData"].keys() <= known


def test_service_starts_with_the_production_settings() -> None:
    settings = Settings.from_env(manifests.settings() | SECRETS)

    assert settings.is_production
    assert settings.gateway_url
    assert settings.bind == ("0.0.0.0:8082",)


def test_service_refuses_the_template_of_secrets() -> None:
    (template,) = manifests.documents(manifests.FOLDER / "secret.template.yaml")
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_env(manifests.settings() | template["stringData"])

    refused = "\n".join(refusal.value.faults)
    assert [name for name in SECRETS if name not in refused] == []


@every_pod
def test_every_command_of_a_pod_exists(name: str, pod: Manifest, app: Any) -> None:
    program, *words = container(pod)["command"]
    if program == "gunicorn":
        assert words == ["--config", "gunicorn.conf.py", "wsgi:app"]
        return
    assert (program, words[:2]) == ("flask", ["--app", "wsgi"])
    command: Any = app.cli
    rest = words[2:]
    while isinstance(command, click.Group):
        context = click.Context(command)
        command = command.get_command(context, rest.pop(0))
    assert command.make_parser(click.Context(command)).parse_args(rest)[1] == []


@pytest.mark.parametrize("words", ["gunicorn", "db upgrade", "relay", "recover --loop", "purge", "verify", "reconcile"])
def test_every_part_of_the_service_has_a_pod(words: str) -> None:
    commands = {" ".join(container(pod)["command"]) for _, pod in manifests.pods()}
    assert [command for command in commands if words in command]


def test_pod_has_time_to_drain_and_to_finish_a_charge() -> None:
    told, pod = Settings.from_env(manifests.settings() | SECRETS), resource("Deployment")["spec"]["template"]
    asked_every = container(pod)["readinessProbe"]["periodSeconds"]
    assert told.drain_seconds > 2 * asked_every
    assert pod["spec"]["terminationGracePeriodSeconds"] > told.drain_seconds + told.gunicorn_timeout
    assert "lifecycle" not in container(pod)
    specs = {name: resource("Deployment", name)["spec"]["template"]["spec"] for name in BACKGROUND}
    shortest = min(spec["terminationGracePeriodSeconds"] for spec in specs.values())
    assert shortest > told.gateway_budget


@every_pod
def test_pod_has_no_extra_privileges(name: str, pod: Manifest) -> None:
    spec, runs = pod["spec"], container(pod)
    own = runs["securityContext"]

    assert spec["securityContext"]["runAsNonRoot"]
    assert f"USER {spec['securityContext']['runAsUser']}\n" in (ROOT / "Dockerfile").read_text()
    assert spec["automountServiceAccountToken"] is False
    assert (own["readOnlyRootFilesystem"], own["allowPrivilegeEscalation"]) == (True, False)
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert all("emptyDir" in volume for volume in spec["volumes"])
    assert {"cpu", "memory"} <= runs["resources"]["requests"].keys()
    assert "memory" in runs["resources"]["limits"]


def test_metrics_directory_is_writable() -> None:
    runs = container(resource("Deployment")["spec"]["template"])
    (directory,) = [each["value"] for each in runs["env"] if each["name"] == "PROMETHEUS_MULTIPROC_DIR"]

    assert directory in {mount["mountPath"] for mount in runs["volumeMounts"]}
