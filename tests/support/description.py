"""The service's own description as a judge: does an answer fit what is promised for it?"""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from flask import Flask
from openapi_schema_validator import OAS30Validator

from payment_service.web.openapi import Description

Described = dict[str, Any]


def description_of(app: Flask) -> Described:
    """Return the app's own description."""
    made: Description = app.extensions["description"]
    described: Described = made.document
    return described


def operations(described: Described) -> Iterator[tuple[str, str, Described]]:
    """Yield every path and method with its operation."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def closed(described: Described) -> Described:
    """Return the same with no room in answers for fields that are not described: the service's own limits."""
    shut = deepcopy(described)
    schemas = shut["components"]["schemas"]
    waiting = [name for *_, operation in operations(shut) for name in _named(operation["responses"])]
    while waiting:
        schema = schemas[waiting.pop()]
        if "additionalProperties" not in schema:
            schema["additionalProperties"] = False
            waiting += _named(schema)
    return shut


def _named(part: Any) -> list[str]:
    """Return the schemas that a part of a description refers to."""
    return re.findall('"#/components/schemas/([^"]+)"', json.dumps(part))


def faults(described: Described, schema: Mapping[str, Any], value: Any) -> list[str]:
    """Return a value's faults by a schema of the description."""
    judge = OAS30Validator({**schema, "components": described["components"]})
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in judge.iter_errors(value)]
