"""The ranges that people edit and the locks that machines install name the same packages."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def requirements_of(name: str) -> list[Requirement]:
    """Return the requirements of an .in file and of the files it includes."""
    found: list[Requirement] = []
    for line in (ROOT / name).read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found += requirements_of(text.removeprefix("-r ").strip())
        elif text:
            found.append(Requirement(text))
    return found


def locked_in(name: str) -> dict[str, str]:
    """Return package name to locked version; every pinned line must carry at least one hash."""
    locked: dict[str, str] = {}
    for entry in (ROOT / name).read_text().replace("\\\n", " ").splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        pin, *hashes = entry.split("--hash=sha256:")
        requirement = Requirement(pin.strip())
        assert hashes, f"{requirement.name} is locked without a hash"
        (version,) = (specifier.version for specifier in requirement.specifier)
        locked[canonicalize_name(requirement.name)] = version
    return locked


@pytest.mark.parametrize("stem", [f"requirements{name}" for name in ("", "-dev", "-docs", "-kafka", "-stripe")])
def test_lock_names_every_requirement(stem: str) -> None:
    locked = locked_in(f"{stem}.txt")
    wanted = requirements_of(f"{stem}.in")

    assert {canonicalize_name(requirement.name) for requirement in wanted} <= locked.keys()
    outside = [str(r) for r in wanted if locked[canonicalize_name(r.name)] not in r.specifier]
    assert outside == []


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-kafka.txt", "requirements-stripe.txt"])
def test_lock_of_development_has_the_shipped_versions(lock: str) -> None:
    """The locks agree with each other: they are installed one after the other."""
    shipped, tested = locked_in(lock), locked_in("requirements-dev.txt")

    assert {name: tested.get(name) for name in shipped} == shipped


@pytest.mark.parametrize(
    "lock",
    [f"requirements{name}.txt" for name in ("", "-dev", "-docs", "-kafka", "-stripe")],
)
def test_lock_names_no_machine_or_index(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert [word for word in ("index-url", "find-links", "://", "file:") if word in text] == []
