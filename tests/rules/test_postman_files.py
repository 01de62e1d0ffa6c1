"""The Postman collection is complete and consistent, without a run of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

POSTMAN = Path(__file__).resolve().parents[2] / "postman"
NAME = "Payment Service - Local"


def load(name: str) -> Any:
    return json.loads((POSTMAN / name).read_text())


def requests_in(folder: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for each in folder["item"]:
        if "item" in each:
            yield from requests_in(each)
        else:
            yield each


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    content: dict[str, Any] = load(f"{NAME}.postman_collection.json")
    return content


def test_collection_has_the_format_of_postman_and_newman(collection: dict[str, Any]) -> None:
    assert collection["info"]["name"] == NAME
    assert collection["info"]["schema"].endswith("/collection/v2.1.0/collection.json")


def test_variables_of_the_collection_equal_those_of_the_environment_file(collection: dict[str, Any]) -> None:
    defaults = {variable["key"]: variable["value"] for variable in collection["variable"]}
    environment = {each["key"]: each["value"] for each in load(f"{NAME}.postman_environment.json")["values"]}

    assert environment == {"base_url": "http://127.0.0.1:8082", "idempotency_key": "demo-client-1"}
    assert environment.items() <= defaults.items()
    assert defaults["run"] == ""


def test_every_request_of_the_collection_has_assertions(collection: dict[str, Any]) -> None:
    scripts = [
        (request["name"], "".join(line for event in request["event"] for line in event["script"]["exec"]))
        for request in requests_in(collection)
    ]

    assert len(scripts) > 10
    assert [name for name, text in scripts if "pm.test(" not in text] == []


def test_every_key_of_the_collection_is_new_in_every_run(collection: dict[str, Any]) -> None:
    text = json.dumps([request["request"] for request in requests_in(collection)])
    keys = re.findall(r'\\"idempotency_key\\": \\"([^"\\]+)\\"|"Idempotency-Key", "value": "([^"]+)"', text)

    assert len(keys) > 10
    assert [key for pair in keys for key in pair if key and not key.endswith("{{run}}")] == []


def test_lock_of_the_runner_names_no_host() -> None:
    wanted = load("package.json")["dependencies"]
    locked = load("package-lock.json")["packages"]

    assert wanted == {"newman": locked["node_modules/newman"]["version"]}
    assert [name for name, entry in locked.items() if name and not entry.get("integrity")] == []
    assert "://" not in json.dumps([{**entry, "funding": None} for entry in locked.values()])
