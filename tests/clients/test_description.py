"""Each client has a method for every documented request, and reads every field that the service describes."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from payment_service import create_app
from payment_service.config import Settings
from payment_service.db import db
from tests.clients.calls import made
from tests.clients.described_calls import DESCRIBED
from tests.clients.under_test import Call, Client, answer
from tests.support.description import Described, description_of
from tests.support.markdown import document

CHANNELS = ("trips", "bills", "bookings", "orders", "checkout")
LISTS = {"bills.list"}
"""Methods with an answer that is a list of the schema."""
A_VALUE = {"string": "2025-11-03T11:23:00.145775", "integer": 7}
"""Values for fields that have no example: the text may be a moment."""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Described]:
    """Yield the served description."""
    home: Path = tmp_path_factory.mktemp("description")
    app = create_app(Settings(database_url=f"sqlite:///{home}/none.db", log_level="ERROR"))
    yield description_of(app)
    with app.app_context():
        db.engine.dispose()


def route(client: Client, name: str, args: dict[str, Any]) -> str:
    """Return a method's request, such as `POST /payments/{}/refunds`."""
    refusal = answer({"code": "no", "retry": {"safe": False, "key": None, "after": None}}, 400)
    (sent,) = made(client, Call(name, args), refusal).tries
    return f"{sent.method} {re.sub('/1(?=/|$)', '/{}', sent.path.partition('?')[0])}"


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_documented_request_has_a_method(client: Client, channel: str) -> None:
    rows = document("docs/reference/routes.md").section("Channels").rows()
    (shown,) = [cells[1] for cells in rows if cells[0].startswith(f"[{channel}]")]
    documented = [re.sub(r"\{\w+\}", "{}", found) for found in re.findall(r"`([A-Z]+ /[^`]+)`", shown)]
    ours = {name: args for name, args, *_ in DESCRIBED if name.startswith(f"{channel}.")}

    assert len(documented) >= 3
    assert sorted(name for name in client.methods() if name.startswith(f"{channel}.")) == sorted(ours)
    assert sorted(route(client, name, args) for name, args in ours.items()) == sorted(documented)


@pytest.mark.parametrize("whole", [True, False], ids=["with all fields", "with the fewest fields"])
@pytest.mark.parametrize(("name", "args", "schema", "part"), DESCRIBED, ids=[name for name, *_ in DESCRIBED])
def test_every_described_field_is_read(
    client: Client,
    described: Described,
    name: str,
    args: dict[str, Any],
    schema: str,
    part: str | None,
    whole: bool,
) -> None:
    method, _, path = route(client, name, args).partition(" ")
    (operation,) = [
        found[method.lower()]
        for shape, found in described["paths"].items()
        if re.sub(r"\{\w+\}", "{}", shape) == path and method.lower() in found
    ]
    (status,) = [status for status in ("200", "201") if f"/{schema}'" in str(operation["responses"].get(status))]
    example = example_of(described, {"$ref": f"#/components/schemas/{schema}"}, whole)
    body: Any = [example] if name in LISTS else example
    outcome = made(client, Call(name, args), answer(body, int(status)))

    assert outcome.error is None
    assert seen(outcome.answer) == seen(body if part is None else body[part])


def example_of(described: Described, schema: Any, whole: bool) -> Any:
    """Return a value that a schema allows: with all fields, or with the fewest and null wherever it is allowed."""
    options = schema.get("anyOf", [schema])
    if not whole and any(option.get("nullable") for option in options):
        return None
    chosen = options[0]
    if "$ref" in chosen:
        return example_of(described, described["components"]["schemas"][chosen["$ref"].rpartition("/")[2]], whole)
    if "properties" in chosen:
        names = chosen["properties"] if whole else chosen.get("required", [])
        return {name: example_of(described, chosen["properties"][name], whole) for name in names}
    if chosen.get("type") == "array":
        return [example_of(described, chosen["items"], whole)]
    example = schema.get("example", chosen.get("example"))
    return A_VALUE[chosen["type"]] if example is None else example


def seen(value: Any) -> Any:
    """Return an answer without what languages write differently; a field that is null may be absent."""
    if isinstance(value, list):
        return [seen(each) for each in value]
    if isinstance(value, dict):
        return {
            name: Decimal(str(each)) if name.endswith("amount") else seen(each)
            for name, each in value.items()
            if each is not None
        }
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return value
