"""Both packages are complete: their READMEs name everything, and the one for Python is typed throughout."""

import inspect
import re
import tomllib

from payment_service_client import PaymentClient, PaymentError
from tests.clients.canned import canned
from tests.clients.python_client import PythonClient
from tests.clients.under_test import Client
from tests.support.markdown import Document
from tests.support.processes import ROOT

PACKAGE = ROOT / "clients" / "python"


def snake(name: str) -> str:
    """Return a name in camelCase as Python writes it."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def readme(client: Client) -> Document:
    """Return the README of a client."""
    return Document(ROOT / "clients" / client.name / "README.md")


def test_readme_names_every_method(client: Client) -> None:
    shown = [
        f"{cells[0].strip('`').removeprefix('client.')}.{snake(name)}"
        for cells in readme(client).section("Methods").rows()
        for name in re.findall(r"`(\w+)`", cells[1])
    ]

    assert sorted(shown) == sorted([*client.methods(), "client.key_state"])


def test_readme_names_every_error(client: Client) -> None:
    rows = readme(client).section("What happens when an answer is lost").rows()

    assert sorted(cells[0].strip("`") for cells in rows) == sorted(
        each.__name__ for each in PaymentError.__subclasses__()
    )


def test_everything_public_is_typed_and_described() -> None:
    client = canned({})[0]
    names = [each.split(".") for each in PythonClient().methods()]
    found = [getattr(getattr(client, channel), name) for channel, name in names] + [PaymentClient.key_state]

    assert len(found) == 32
    assert [each.__qualname__ for each in found if not each.__doc__] == []
    assert [each.__qualname__ for each in found if "Any" in str(inspect.signature(each))] == []
    assert not any(re.search(r"\bAny\b", path.read_text()) for path in PACKAGE.rglob("*.py"))


def test_the_package_is_typed_and_needs_requests_alone() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]

    assert (PACKAGE / "src" / "payment_service_client" / "py.typed").exists()
    assert (project["name"], project["requires-python"]) == ("payment-service-client", ">=3.11")
    assert [re.split(r"[<>=~!]", each)[0] for each in project["dependencies"]] == ["requests"]


def test_modules_are_short() -> None:
    sources = {path.name: len(path.read_text().splitlines()) for path in (PACKAGE / "src").rglob("*.py")}

    assert sources
    assert {name: lines for name, lines in sources.items() if lines > 250} == {}
