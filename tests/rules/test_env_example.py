"""The template of the environment has exactly the variables that the program reads."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values

from payment_service.config import ConfigurationError, Settings

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / ".env.example"


class Listener(Mapping[str, str]):
    """An environment that remembers every name that was read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_given = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.values_given[name]

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return name in self.values_given

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_given)

    def __len__(self) -> int:
        return len(self.values_given)


def template_names() -> set[str]:
    """Return the names of the template; those that take effect by their presence are commented out."""
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]*)=", TEMPLATE.read_text(), flags=re.MULTILINE))


def template_values() -> dict[str, str]:
    return {name: value or "" for name, value in dotenv_values(TEMPLATE, interpolate=False).items()}


def names_for_compose() -> set[str]:
    """Return the variables that docker-compose.yml reads from the environment."""
    return set(re.findall(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)", (ROOT / "docker-compose.yml").read_text()))


def test_template_names_every_variable_of_the_settings() -> None:
    environment = Listener({})
    Settings.from_env(environment)

    assert environment.asked <= template_names()
    assert template_names() - environment.asked <= names_for_compose()


def test_template_names_every_variable_of_compose() -> None:
    assert names_for_compose() <= template_names()


def test_values_of_the_template_are_the_defaults() -> None:
    assert Settings.from_env(template_values()) == Settings.from_env({})


def test_production_refuses_the_values_of_the_template() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_env(template_values() | {"ENVIRONMENT": "production", "DB_HOST": "database"})

    refused = "\n".join(refusal.value.faults)
    assert [name for name in ("SECRET_KEY", "JWT_SECRET_KEY", "DB_PASS", "GATEWAY_URL") if name not in refused] == []
