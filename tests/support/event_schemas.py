"""The published schemas of events, and the table that says which events there are."""

import json
from functools import cache
from typing import Any

# Its stubs are a package of their own; everything used of it is in these few lines.
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource

from tests.support.markdown import document
from tests.support.processes import ROOT

FILES: dict[str, dict[str, Any]] = {
    path.name: json.loads(path.read_text()) for path in sorted((ROOT / "docs" / "reference" / "schemas").glob("*.json"))
}
_REGISTRY: Registry[Any] = Registry().with_resources(
    [(name, Resource.from_contents(content)) for name, content in FILES.items()]
)

DOCUMENTED = [
    [cell.replace("`", "") for cell in row]
    for row in document("docs/reference/events.md").section("Every event").rows()
]
"""Channel, type, condition, and the HTTP services that receive the event."""


@cache
def validator(name: str) -> Any:
    """Return the validator of one schema, by its file's name without the ending; a schema that is none is an error."""
    Draft202012Validator.check_schema(FILES[f"{name}.json"])
    return Draft202012Validator(FILES[f"{name}.json"], registry=_REGISTRY)
