"""From marshmallow schemas to OpenAPI's, where apispec needs to know more of ours."""

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema
from marshmallow.fields import Field

from payment_service.web.error_schemas import TextOrErrors
from payment_service.web.field_errors import BaseField
from payment_service.web.openapi.decorators import Media

Described = dict[str, Any]

NULL: Described = {"type": "string", "nullable": True, "enum": [None]}
"""Null and nothing else, as OpenAPI 3.0 can say it."""


class Converter(OpenAPIConverter):
    """As the library does it, but with what our fields and schemas say of themselves."""

    def schema2jsonschema(self, schema: Schema) -> Described:
        """Described by its docstring, and open: callers may send more than we read, and read more than they know."""
        described: Described = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        described.pop("additionalProperties", None)
        return {"description": about_of(schema), **described}

    def field2property(self, field: "Field[Any]") -> Described:
        """The field of an error that is a text or a list has two types."""
        described: Described = super().field2property(field)
        if isinstance(field, TextOrErrors):
            return {"example": described.pop("example"), "anyOf": [{"type": "string"}, described]}
        return described

    def field2read_only(self, field: "Field[Any]", **kwargs: Any) -> Described:
        """Requests and responses have different schemas: none needs to say that a field is only in responses."""
        return {}

    def field2nullable(self, field: "Field[Any]", ret: Described) -> Described:
        """Our own optional fields take null for their absence; a response may show null."""
        takes_null = isinstance(field, BaseField) and field.null_is_absence and not field.required
        if not (field.allow_none or takes_null):
            return {}
        if "$ref" in ret:
            return {"anyOf": [{"$ref": ret.pop("$ref")}, NULL]}
        if None not in ret.get("enum", [None]):
            return {"nullable": True, "enum": [*ret["enum"], None]}
        return {"nullable": True}

    def query_parameters(self, schema: Schema) -> list[Described]:
        """A query's schema as parameters; a null cannot be sent in a query."""
        found: list[Described] = self.schema2parameters(schema, location="query")
        for parameter in found:
            described = parameter["schema"]
            if described.pop("nullable", False) and "enum" in described:
                described["enum"] = [word for word in described["enum"] if word is not None]
        return found


class Plugin(MarshmallowPlugin):
    """The library's plugin with our converter; a component has the name of its class."""

    Converter = Converter

    def __init__(self) -> None:
        super().__init__(lambda schema: type(schema).__name__)


def about_of(body: Schema | Media) -> str:
    """What a schema's docstring, or a media type's declaration, says of it."""
    return body.about if isinstance(body, Media) else (type(body).__doc__ or "").strip()


def either(shapes: list[Any], how: str = "anyOf") -> Any:
    """One of several schemas, or the only one; the same one twice is one."""
    different = [shape for at, shape in enumerate(shapes) if shape not in shapes[:at]]
    return different[0] if len(different) == 1 else {how: different}
