"""The package is complete: a method for every documented request, types for everything, one dependency."""

import inspect
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from payment_service_client import PaymentClient, PaymentError
from tests.clients.canned import canned
from tests.support.markdown import Document, document
from tests.support.processes import ROOT

PACKAGE = ROOT / "clients" / "python"
CHANNELS = ("trips", "bills", "bookings", "orders", "checkout")
ARGUMENTS: dict[str, Any] = {"amount": Decimal(1), "status": "COMPLETED"}
"""The values of parameters without a default; any other is an identifier."""


def methods() -> Iterator[tuple[str, str]]:
    """Return channel and name of every public method."""
    client = canned({})[0]
    for channel in CHANNELS:
        for name, _ in inspect.getmembers(getattr(client, channel), inspect.ismethod):
            if not name.startswith("_"):
                yield channel, name


def route_of(channel: str, name: str) -> str:
    """Return a method's request, such as `POST /payments/{}/refunds`."""
    client, network = canned((400, {"code": "no", "retry": {"safe": False, "key": None, "after": None}}, {}))
    method = getattr(getattr(client, channel), name)
    needed = [p for p in inspect.signature(method).parameters.values() if p.default is p.empty]
    with pytest.raises(PaymentError):
        method(**{p.name: ARGUMENTS.get(p.name, "identifier") for p in needed})
    (request,) = network.sent
    return f"{request.method} {request.path_url.partition('?')[0].replace('identifier', '{}')}"


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_documented_request_has_a_method(channel: str) -> None:
    rows = document("docs/reference/routes.md").section("Channels").rows()
    (shown,) = [cells[1] for cells in rows if cells[0].startswith(f"[{channel}]")]
    documented = [re.sub(r"\{\w+\}", "{}", route) for route in re.findall(r"`([A-Z]+ /[^`]+)`", shown)]

    assert len(documented) >= 3
    assert sorted(route_of(*each) for each in methods() if each[0] == channel) == sorted(documented)


def test_readme_names_every_method() -> None:
    rows = Document(PACKAGE / "README.md").section("Methods").rows()
    shown = [
        (cells[0].strip("`").removeprefix("client."), name)
        for cells in rows
        for name in re.findall(r"`(\w+)`", cells[1])
    ]

    assert sorted(shown) == sorted([*methods(), ("client", "key_state")])


def test_readme_names_every_error() -> None:
    rows = Document(PACKAGE / "README.md").section("What happens when an answer is lost").rows()

    assert sorted(cells[0].strip("`") for cells in rows) == sorted(
        each.__name__ for each in PaymentError.__subclasses__()
    )


def test_everything_public_is_typed_and_described() -> None:
    client = canned({})[0]
    found = [getattr(getattr(client, channel), name) for channel, name in methods()] + [PaymentClient.key_state]

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
