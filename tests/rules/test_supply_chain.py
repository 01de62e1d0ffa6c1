"""A release consists of images named by digest, and of the locks that its bill of materials lists."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.support.processes import ROOT

FILES = ("Dockerfile", "docker-compose.yml")
FOREIGN = re.compile(r"^(?:FROM| *image:) +(?!payment-service)(\S+)", re.MULTILINE)


def pin(checkout: Path, digest: str) -> subprocess.CompletedProcess[str]:
    """Run `bin/pin-images` there, with a registry that knows this digest only."""
    docker = checkout / "docker"
    docker.write_text(f"#!/bin/sh\necho {digest}\n")
    docker.chmod(0o755)
    path = {"PATH": f"{checkout}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([checkout / "bin/pin-images"], env=path, capture_output=True, text=True, check=False)


def checkout_in(directory: Path) -> Path:
    (directory / "bin").mkdir()
    for name in (*FILES, "bin/pin-images"):
        shutil.copy(ROOT / name, directory / name)
    return directory


def test_pin_images_names_every_foreign_image_by_digest_and_keeps_its_tag(tmp_path: Path) -> None:
    checkout, digests = checkout_in(tmp_path), ("sha256:" + "a" * 64, "sha256:" + "b" * 64)
    before = {name: (ROOT / name).read_text() for name in FILES}
    tags = {name: [image.partition("@")[0] for image in FOREIGN.findall(text)] for name, text in before.items()}
    assert all(tags.values())

    def pinned(digest: str) -> dict[str, str]:
        assert pin(checkout, digest).returncode == 0
        return {name: (checkout / name).read_text() for name in FILES}

    first, second = [pinned(digest) for digest in digests]  # the second time the tags have moved
    assert [{name: FOREIGN.findall(text) for name, text in texts.items()} for texts in (first, second)] == [
        {name: [f"{tag}@{digest}" for tag in tags[name]] for name in FILES} for digest in digests
    ]
    unpinned = [
        {name: text.replace(f"@{digest}", "") for name, text in texts.items()}
        for digest, texts in zip(digests, (first, second), strict=True)
    ]
    assert unpinned == [before, before]


def test_pin_images_changes_nothing_where_the_registry_gives_no_digest(tmp_path: Path) -> None:
    checkout = checkout_in(tmp_path)

    refused = pin(checkout, "unauthorized")

    assert (refused.returncode, "no digest but: unauthorized" in refused.stderr) == (1, True)
    assert {name: (checkout / name).read_text() for name in FILES} == {
        name: (ROOT / name).read_text() for name in FILES
    }


def test_bill_of_materials_lists_the_locks_of_the_image() -> None:
    (locks,) = re.findall(r'^ARG LOCKS="(.*)"$', (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    dry = ["make", "--dry-run", "--no-print-directory", "sbom"]

    recipe = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert f"for lock in {locks};" in recipe
