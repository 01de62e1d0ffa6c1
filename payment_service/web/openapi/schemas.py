"""From marshmallow schemas to OpenAPI's: components, query parameters, and examples made of the fields' examples."""

from typing import Any, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, missing
from marshmallow.fields import Field, List, Nested

from payment_service.web.wording import Worded

Described = dict[str, Any]

NULL: Described = {"type": "string", "nullable": True, "enum": [None]}
"""Null and nothing else, as OpenAPI 3.0 can say it."""


class Converter(OpenAPIConverter):
    """As the library does it, but with what our fields and schemas say of themselves."""

    def schema2jsonschema(self, schema: Schema) -> Described:
        """Described by its docstring, and open: callers may send more than we read, and read more than they know."""
        described: Described = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        described.pop("additionalProperties", None)
        return {"description": (type(schema).__doc__ or "").strip(), **described}

    def field2nullable(self, field: "Field[Any]", ret: Described) -> Described:
        """Our own optional fields take null for their absence; an answer may show null."""
        takes_null = isinstance(field, Worded) and field.null_is_absence and not field.required
        if not (field.allow_none or takes_null):
            return {}
        if "$ref" in ret:
            return {"anyOf": [{"$ref": ret.pop("$ref")}, NULL]}
        if None not in ret.get("enum", [None]):
            return {"nullable": True, "enum": [*ret["enum"], None]}
        return {"nullable": True}


class Plugin(MarshmallowPlugin):
    """The library's plugin with our converter."""

    Converter = Converter


def name_of(schema: Schema | type[Schema]) -> str:
    """A component is called as its class is."""
    return (schema if isinstance(schema, type) else type(schema)).__name__


class Schemas:
    """The schemas of a description that is being made; each becomes a component when it is first asked for."""

    def __init__(self, spec: APISpec, plugin: Plugin) -> None:
        self._components = spec.components
        self._converter = cast(Converter, plugin.converter)

    def reference(self, schema: Schema) -> Described:
        """`{"$ref": ...}`, in an array for a schema of many."""
        return cast(Described, self._converter.resolve_nested_schema(schema))  # type: ignore[no-untyped-call]

    def parameters(self, schema: Schema) -> list[Described]:
        """A query's schema as parameters; a null cannot be sent in a query."""
        found: list[Described] = self._converter.schema2parameters(schema, location="query")
        for parameter in found:
            described = parameter["schema"]
            if described.pop("nullable", False) and "enum" in described:
                described["enum"] = [word for word in described["enum"] if word is not None]
        return found


def either(shapes: list[Described], how: str = "anyOf") -> Described:
    """One of several schemas, or the only one; the same one twice is one."""
    different = [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]
    return different[0] if len(different) == 1 else {how: different}


def example_of(schema: Schema, *, whole: bool = True) -> Any:
    """An example of the fields' examples; without `whole`, of the fields that are always there."""
    found = {
        field.data_key or name: _example(field, whole=whole)
        for name, field in schema.fields.items()
        if (whole or field.required) and _example(field, whole=whole) is not missing
    }
    return [found] if schema.many else found


def _example(field: "Field[Any]", *, whole: bool) -> Any:
    if isinstance(field, Nested):
        return example_of(field.schema, whole=whole)
    if isinstance(field, List) and isinstance(field.inner, Nested):
        return [example_of(field.inner.schema, whole=whole)]
    return field.metadata.get("example", missing)
